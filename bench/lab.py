"""What benchmarks run on: one whole installation at a time, and how much work to give it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.engine.daemon import Daemon
from sandbox.installation import Installation
from sandbox.installation.services import environment_rules
from sandbox.vcenter import Inventory

PLACES = {"prod": ("edge-1", "edge-2", "edge-3")}
TWENTY = tuple(f"name-{number:02}" for number in range(1, 21))  # of those three
POLICY = """\
groups:
  ops: {users: [U0OPS1]}
rules:
  - {name: ops do all at once, allow: ["*"], to: [ops]}
"""
VMS = 1000
MACHINES = 10_000  # where what counts is how it grows


class DisagreementError(Exception):
    """Ours and the peer did not end in the same state, so their figures mean nothing."""


@dataclass(frozen=True)
class Effort:
    """How long to measure. Ours and peers alternate, one round each; figures are medians over rounds."""

    rounds: int = 5
    commands: int = 1000  # a round of accepted commands
    seconds: float = 10.0  # a round at a fixed rate
    questions: int = 10  # a round of questions that are answered
    warm_up: int = 3  # questions that do not count
    vms: int = VMS
    changed: int = 100  # of them by one request
    machines: int = MACHINES
    records: int = 100_000  # of the audit that are verified
    containers: int = 200  # on each engine
    running: int = 20  # of them


SMOKE = Effort(
    rounds=1,
    commands=48,
    seconds=0.5,
    questions=1,
    warm_up=0,
    vms=10,
    changed=4,
    machines=10,
    records=2_000,
    containers=4,
    running=2,
)


@dataclass
class Lab:
    """Hands out installations; what one benchmark has started, the next takes over if it suits."""

    state: Path
    effort: Effort
    tell: Callable[[str], None]
    _kind: str = ""
    _installation: Installation | None = None
    _undo: ExitStack = field(default_factory=ExitStack)

    def door(self) -> Installation:
        """A bot that takes signed HTTP, with nobody behind it who works or answers."""
        return self._start(
            "door", lambda state: Installation.start(state, http_mode=True, workers=(), keeper=False)
        )

    def whole(self) -> Installation:
        """Everything, in Socket Mode, with a thousand machines."""
        inventory = Inventory(hosts=4, vms=self.effort.vms)
        return self._start("whole", lambda state: Installation.start(state, inventory=inventory))

    def engines(self) -> Installation:
        """Everything, with three Docker engines of its own."""
        return self._start("engines", lambda state: Installation.start(state, engines=3, own_engine=True))

    def services(self) -> Installation:
        """Three engines and workers for them, with a service; nobody has to agree. They have more names."""

        def start(state: Path) -> Installation:
            urls = [Daemon(state / name).url for name in PLACES["prod"]]
            rules = environment_rules(list(PLACES))
            twenty = {
                name: {"url": urls[number % len(urls)], "environment": "dev", "environments": rules}
                for number, name in enumerate(TWENTY)
            }
            return Installation.start(
                state,
                engines=len(urls),
                own_engine=True,
                services=PLACES,
                sites_extra={"engines": twenty},
                policy=POLICY,
                workers=("docker",),
            )

        return self._start("services", start)

    def _start(self, kind: str, start: Callable[[Path], Installation]) -> Installation:
        if self._installation is not None and self._kind == kind:
            return self._installation
        self.close()
        self.tell(f"starting an installation: {kind}")
        state = self.state / kind
        shutil.rmtree(state / "logs", ignore_errors=True)
        installation = self._undo.enter_context(start(state))
        installation.slack.set_limits(enabled=False)
        self._kind, self._installation = kind, installation
        return installation

    def close(self) -> None:
        """Stop what runs."""
        self._installation = None
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()
