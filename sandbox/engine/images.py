"""Images with a behaviour, built by the engine itself on the one of static busybox."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

from sandbox.engine.api import Api

BASE = "andock/busybox:sandbox"
_WAIT = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"

# By name: what each does, as a Dockerfile says it. A file says which image it is, for tests to read back.
SAMPLES: Mapping[str, str] = MappingProxyType(
    {
        # serves HTTP and is healthy after a second
        "web": """\
RUN mkdir /www && echo "served by andock/web" > /www/index.html
EXPOSE 8080
HEALTHCHECK --interval=1s --timeout=2s --retries=2 CMD wget -q -O /dev/null http://127.0.0.1:8080/
CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]
""",
        # healthy for a moment, then not
        "sick": f"""\
HEALTHCHECK --interval=1s --timeout=1s --retries=1 CMD test ! -f /tmp/sick
CMD ["sh", "-c", "sleep 2; touch /tmp/sick; echo 'turning unhealthy'; {_WAIT}"]
""",
        # ends with exit code 3 whenever it is started
        "crash": """\
CMD ["sh", "-c", "echo 'starting'; sleep 1; echo 'fatal: cannot go on' >&2; exit 3"]
""",
        # 50,000 lines, and then it stays
        "chatty": f"""\
CMD ["sh", "-c", "seq 50000 | sed 's/^/line /'; {_WAIT}"]
""",
    }
)


def build_image(api: Api, tag: str, dockerfile: str, base: str = BASE) -> str:
    """Build an image on the base, which must be there; its id. What was built before comes from the cache.

    Raises:
        EngineError: the engine cannot build it.
    """
    text = f"FROM {base}\n{dockerfile}".encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    api.call("POST", "/build", query={"t": tag, "rm": "1", "forcerm": "1"}, body=buffer.getvalue())
    # errors come inside an answer that looks like success; then there is no such image
    return str(api.call("GET", f"/images/{quote(tag)}/json")["Id"])


def build_samples(api: Api, prefix: str) -> tuple[str, ...]:
    """All samples as `<prefix><name>:1`; their tags."""
    tags = tuple(f"{prefix}{name}:1" for name in SAMPLES)
    for tag, dockerfile in zip(tags, SAMPLES.values(), strict=True):
        build_image(api, tag, dockerfile)
    return tags
