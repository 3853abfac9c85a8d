"""Versions of one service, `team/api`, to be rolled out: good ones, and one for each way of being bad."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sandbox.engine.api import Api
from sandbox.engine.containers import LABEL, busybox_archive

NAME = "api"
PORT = 8080
GOOD = ("v1.0.0", "v1.1.0", "v1.2.0")
SICK, LATE, CRASH, UNREADY = "v2.0.0-sick", "v2.0.0-late", "v2.0.0-crash", "v2.0.0-unready"
VERSIONS = (*GOOD, SICK, LATE, CRASH, UNREADY)

# On TERM it is no longer ready, goes on serving for DRAIN seconds so that a balancer can notice, and ends
# when the requests that it has are answered. What it has not accepted by then is lost: a balancer has to
# ask another.
SERVE = """\
#!/bin/sh
echo "api $*"
leave() {
  rm -f /www/ready; sleep "${DRAIN:-0.5}"; kill "$server"
  while pidof httpd > /dev/null; do sleep 0.05; done
  echo "served to the end"; exit 0
}
trap leave TERM
httpd -f -p 8080 -h /www & server=$!
wait "$server"
"""
SLOW = """\
#!/bin/sh
sleep 1
echo "Content-Type: text/plain"
echo
cat /www/version
"""
HEALTH = "--interval=500ms --timeout=2s --retries=2 CMD wget -q -O /dev/null http://127.0.0.1:8080/health"

_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        SICK: '["serve", "v2.0.0-sick: no connection to the database"]',
        LATE: '["sh", "-c", "(sleep 3; rm /www/health; echo connection to the database lost) & exec serve"]',
        CRASH: '["sh", "-c", "echo starting; echo fatal: no configuration >&2; exit 3"]',
    }
)
_MISSING: Mapping[str, str] = MappingProxyType({SICK: "health", UNREADY: "ready"})


def build_version(api: Api, owner: str, repository: str, version: str) -> str:
    """Make one version as `<repository>:<version>`, a root file system of its own; its full name.

    It answers `/`, `/version`, `/health` and `/ready`, and after a second `/cgi-bin/slow`. What distinguishes
    the bad ones: `-sick` never gets healthy, `-late` is for three seconds, `-crash` ends with exit code 3 at
    once, `-unready` is healthy and answers no `/ready`.

    Raises:
        EngineError: the engine refuses.
    """
    pages = {"index.html": f"api {version}\n", "version": f"{version}\n", "health": "ok\n", "ready": "ok\n"}
    pages.pop(_MISSING.get(version, ""), None)
    files = {f"www/{page}": (text, 0o644) for page, text in pages.items()}
    files |= {"bin/serve": (SERVE, 0o755), "www/cgi-bin/slow": (SLOW, 0o755)}
    command = _COMMANDS.get(version, f'["serve", "{version}"]')
    settings = [f"CMD {command}", f"EXPOSE {PORT}", f"HEALTHCHECK {HEALTH}", f'LABEL {LABEL}="{owner}"']
    query = {"fromSrc": "-", "repo": repository, "tag": version, "changes": "\n".join(settings)}
    api.call("POST", "/images/create", query=query, body=busybox_archive(files))
    return f"{repository}:{version}"
