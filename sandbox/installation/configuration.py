"""The files that an operator would write: sites.yaml, policy.yaml, and the environment of each process."""

from __future__ import annotations

import getpass
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sandbox.processes import LOOPBACK
from sandbox.registry import Registry
from sandbox.slack.client import Workspace
from sandbox.vcenter import Vcenter

SITE = "lab"
SECRET = "LAB_PASSWORD"
REGISTRY_SECRET = "LAB_REGISTRY_PASSWORD"
SERVICES = "services"
BACKENDS = {"vsphere": "vcenters", "docker": "engines"}
DEFAULT_POOL = {"read": 2, "change": 2, "long": 1}  # as the product has it where sites.yaml says nothing
SMALL_POOL = {"read": 1, "change": 1, "long": 0}
# Any: a YAML document that is written and merged, never interpreted.
Document = dict[str, Any]

POLICY = """\
# Who may do what in the sandbox. The first rule that matches decides; what no rule allows is denied.
groups:
  ops: {{users: [U0OPS1, U0OPS2], usergroups: [S0OPS]}}
  leads: {{users: [U0LEAD1, U0LEAD2]}}
  oncall: {{users: [U0OPS2]}}
  host: {{users: ["cli:{user}"]}}
  clock: {{users: ["schedule:snapshots"]}}

rules:
  - name: production databases are left alone
    deny: ["*"]
    risk: [change, disruptive, destructive]
    targets: ["prod-db-*"]
  - name: another lead agrees before a lead cuts power in production
    allow: ["vm off", "vm reset"]
    environments: [prod]
    channels: [C0OPS, C0PROD]
    to: [leads]
    approvals: {{count: 1, from: [leads], within: 15m}}
  - name: one lead is enough for the way back to a version that was healthy
    allow: ["service rollback"]
    environments: [prod]
    channels: [C0OPS, C0PROD]
    to: [ops, leads]
    approvals: {{count: 1, from: [leads], within: 15m}}
  - name: the other lead agrees to what a lead does to a service in production
    allow: ["service *"]
    risk: [change, disruptive, destructive]
    environments: [prod]
    channels: [C0OPS, C0PROD]
    to: [leads]
    approvals: {{count: 1, from: [leads], within: 15m}}
  - name: production changes by leads, after a look at the plan
    allow: ["*"]
    risk: [change, disruptive, destructive]
    environments: [prod]
    channels: [C0OPS, C0PROD]
    to: [leads]
    confirm: true
  - name: two leads agree to what operators change in production
    allow: ["*"]
    risk: [change, disruptive, destructive]
    environments: [prod]
    channels: [C0OPS, C0PROD]
    to: [ops]
    approvals: {{count: 2, from: [leads], within: 15m}}
    break_glass: {{to: [oncall], tell: [leads, C0PROD]}}
  - name: no other way into production
    deny: ["*"]
    risk: [change, disruptive, destructive]
    environments: [prod]
  - name: ops and leads run the rest
    allow: ["*"]
    channels: [C0OPS, C0LAB, D0OPS1, D0OPS2, D0LEAD1, D0LEAD2]
    to: [ops, leads]
  - {{name: the host runs the rest, allow: ["*"], to: [host]}}
  - {{name: everyone reads, allow: ["*"], risk: [read], to: [everyone]}}
  - {{name: the clock asks for digests, allow: ["snapshot report"], to: [clock]}}
"""


def default_policy() -> str:
    """The policy for who is in the sandbox's workspace, and for this unix user on the host."""
    return POLICY.format(user=getpass.getuser())


def describe_sites(
    instance: str,
    vcenter: Vcenter,
    engines: Mapping[str, Mapping[str, object]],
    registries: Mapping[str, object] | None,
    extra: Mapping[str, object],
) -> Document:
    """sites.yaml as a document; `extra` is merged into it, key by key."""
    sites: Document = {
        "instance": instance,
        "vcenters": {
            SITE: {
                "host": vcenter.host,
                "port": vcenter.port,
                "user": vcenter.user,
                "password": {"env": SECRET},
                "tls": {"verify": False},
                "environment": "dev",
                "environments": [{"folder": "*/prod/*", "is": "prod"}, {"folder": "*/prod-*", "is": "prod"}],
            }
        },
        "engines": {name: {**engine, "environment": "dev"} for name, engine in engines.items()},
        "pools": {"vsphere": dict(SMALL_POOL), **({"docker": dict(SMALL_POOL)} if engines else {})},
        "announce": {"prod": "C0PROD", "dev": "C0OPS"},
        "admin": "C0ADMIN",
        "audit": {"channel": "C0ADMIN", "environments": ["prod"]},
    }
    if registries:
        sites["pools"]["docker"]["long"] = 1  # pulls wait on that queue
        sites["registries"] = dict(registries)
    return _merged(sites, extra)


def _merged(into: Document, extra: Mapping[str, object]) -> Document:
    merged = dict(into)
    for key, value in extra.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


def describe_registry(registry: Registry, address: str) -> Document:
    """What sites.yaml says of a registry that is reached at this address: all of it is allowed."""
    return {
        address: {
            "user": registry.user,
            "password": {"env": REGISTRY_SECRET},
            "insecure": True,
            "allow": [f"{address}/*"],
        }
    }


def write_configuration(
    folder: Path, sites: Document, policy: str, services: Mapping[str, str] | None = None
) -> None:
    """Write all files, of services those of these names; the secrets stay in the environment."""
    shutil.rmtree(folder / SERVICES, ignore_errors=True)
    (folder / SERVICES).mkdir(parents=True)
    (folder / "sites.yaml").write_text(yaml.safe_dump(sites, sort_keys=False))
    (folder / "policy.yaml").write_text(policy)
    for name, text in (services or {}).items():
        write_service(folder, name, text)


def write_service(folder: Path, name: str, text: str) -> None:
    """Write a service's file; nobody reads half of it."""
    path = folder / SERVICES / f"{name}.yaml"
    written = path.with_suffix(".new")
    written.write_text(text)
    written.replace(path)


def count_workers(sites: Document, backend: str) -> Iterator[tuple[str, int]]:
    """Each RQ queue of a backend's pools with how many workers sites.yaml wants on it; none is left out."""
    pools = dict.fromkeys(site.get("pool", backend) for site in sites[BACKENDS[backend]].values())
    for pool in pools:
        for kind, count in (DEFAULT_POOL | sites["pools"].get(pool, {})).items():
            if count:
                yield f"{sites['instance']}.{pool}.{kind}", count


class Environments:
    """What each process of Andock gets to see: the credentials that it works with and no others."""

    def __init__(
        self,
        folder: Path,
        *,
        redis_url: str,
        slack: Workspace,
        site_secrets: Mapping[str, str],
        http_mode: bool,
        extra: Mapping[str, str],
    ) -> None:
        self._base = _clean(os.environ) | {
            "REDIS_URL": redis_url,
            "ANDOCK_CONFIG_DIR": str(folder / "config"),
            "ANDOCK_KEYS_DIR": str(folder / "keys"),
            "ANDOCK_STATE_DIR": str(folder / "state"),
            "ANDOCK_SANDBOX": "1",
            **extra,
        }
        self._site_secrets = dict(site_secrets)
        self._words = {"SLACK_BOT_TOKEN": slack.bot_token, "ANDOCK_SLACK_API_URL": slack.api_url}
        self._ears = {
            "ANDOCK_SLACK_MODE": "http" if http_mode else "socket",
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
        }

    def bot(self, port: int) -> dict[str, str]:
        """Slack's tokens; nothing of the sites."""
        return {**self._base, **self._words, **self._ears, "ANDOCK_HTTP_PORT": str(port)}

    def worker(self) -> dict[str, str]:
        """The sites' secrets; nothing of Slack."""
        return {**self._base, **self._site_secrets}

    def keeper(self) -> dict[str, str]:
        """The token that messages are posted with."""
        return {**self._base, **self._words}

    def everything(self) -> dict[str, str]:
        """For commands typed on the host, `andock run` and `andock doctor`."""
        return {**self._base, **self._words, **self._ears, **self._site_secrets}


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """A developer's environment without settings of another Andock, and with no proxy before loopback."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("ANDOCK_", "SLACK_")) and name not in {SECRET, REGISTRY_SECRET}
    }
    direct = _joined(kept.get("NO_PROXY") or kept.get("no_proxy", ""), (LOOPBACK, "localhost"))
    return kept | {"NO_PROXY": direct, "no_proxy": direct}


def _joined(hosts: str, more: Sequence[str]) -> str:
    known = [host for host in hosts.split(",") if host]
    return ",".join(dict.fromkeys((*known, *more)))
