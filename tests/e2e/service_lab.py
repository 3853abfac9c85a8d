"""Three engines behind gates with a service on all of them, for tests of what goes wrong with deployments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.engine import Engine
from sandbox.gate import Gate
from sandbox.installation import Installation
from sandbox.installation.services import describe_service
from sandbox.slack.reports import Message
from tests.e2e.conftest import Chat

ENGINES = ("edge-1", "edge-2", "edge-3")
OLD, NEW = "v1.0.0", "v1.1.0"
POLICY = """
groups:
  ops: {users: [U0OPS1]}
  leads: {users: [U0LEAD1, U0LEAD2]}
rules:
  - {name: a lead agrees, allow: ["service deploy"], channels: [C0PROD], to: [ops],
     approvals: {count: 1, from: [leads], within: 15m}}
  - {name: ops do the rest at once, allow: ["*"], to: [ops]}
"""
END = r"\*(Done|Failed|Failed halfway|Outcome unknown|Rolled back|Denied)\*"
# a version is sick on an engine whose volume has a file of its name
HEALTH = {"test": "test ! -e /flag/$$(cat /www/version)", "interval": "300ms", "retries": 1}


@dataclass
class Lab:
    """The installation, with `v1.0.0` on every engine."""

    installation: Installation

    def deploy(self, version: str, *, timeout: float = 120.0) -> Message:
        """Ask for it and wait for its end."""
        chat = Chat(self.installation.slack)
        return chat.ask(f"/deploy api {version} to prod --yes", until=END, timeout=timeout)

    def runs(self) -> dict[str, dict[str, str]]:
        """By engine: every container of the service with its version, stopped ones with their state too."""
        return {name: _containers(engine) for name, engine in self.installation.engines.items()}

    def gate(self, name: str) -> Gate:
        """Before an engine, or the registry."""
        return self.installation.fleet.gates[name]

    def describe(
        self,
        *,
        ports: str = "18080-18081",
        monitor: str = "1s",
        health: Mapping[str, object] = HEALTH,
        failure_action: str = "rollback",
    ) -> None:
        """Write the service's file."""
        text = describe_service(
            self.installation.fleet.image_address,
            {"prod": ENGINES},
            replicas=1,
            ports=ports,
            update={"monitor": monitor, "failure_action": failure_action},
            volumes=["flag:/flag"],
            healthcheck=dict(health),
        )
        self.installation.write_service(text)

    def put_right(self) -> None:
        """No faults any more, and the old version on all engines."""
        for gate in self.installation.fleet.gates.values():
            gate.clear()
        self.describe()
        if self.runs() != everywhere(OLD):
            self.deploy(OLD)


def _containers(engine: Engine) -> dict[str, str]:
    filters = {"label": ["andock.service=api"]}
    listed = engine.api.call("GET", "/containers/json", query={"all": "1", "filters": filters})
    return {
        found["Names"][0].lstrip("/"): found["Labels"]["andock.version"]
        + ("" if found["State"] == "running" else f" ({found['State']})")
        for found in listed
    }


def everywhere(version: str) -> dict[str, dict[str, str]]:
    return {name: {"api-1": version} for name in ENGINES}


@contextmanager
def lab_with_a_service(state: Path, *, policy: str = POLICY, workers: int = 1) -> Iterator[Lab]:
    """The old version is on every engine; so many workers can take deployments."""
    with Installation.start(
        state,
        engines=len(ENGINES),
        own_engine=True,
        services={"prod": ENGINES},
        gated=True,
        policy=policy,
        workers=("docker",),
        sites_extra={"pools": {"docker": {"long": workers}}},
    ) as running:
        running.slack.set_limits(enabled=False)
        lab = Lab(running)
        lab.describe()
        said = lab.deploy(OLD).spoken
        assert "Done" in said, said
        yield lab
