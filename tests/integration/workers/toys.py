"""A backend of files, slow and breakable on demand, and a real RQ worker process on it.

`python -m tests.integration.workers.toys REDIS_URL INSTANCE QUEUE KEYS WORLD` is that worker. What its jobs
do is a line in `WORLD/effects`, so that it can be counted while Redis is away.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import Field

from andock.audit import Journal
from andock.catalogue import Catalogue
from andock.leases import Leases
from andock.ledger import Ledger
from andock.memberships import Roster
from andock.operation import (
    Backend,
    Change,
    Done,
    Found,
    Mark,
    NotDone,
    Outcome,
    Params,
    Plan,
    Ports,
    Read,
    Reader,
    Risk,
    Settled,
    Step,
    Target,
    Writer,
)
from andock.outbox import Outbox
from andock.policy import Policy, Rule
from andock.ports.watch import Watch
from andock.protection import Protection
from andock.rejections import Kind, Rejections
from andock.runner import Runner
from andock.signing import load_signer, load_verifier
from config.installation import connect
from config.logs import start_logging
from workers.horse import make_worker
from workers.jobs import Performer, install

POOL = "toys"
POLICY = Policy(rules=(Rule(name="all", allow=("*",)),))


class ToyParams(Params):
    """What every toy operation takes."""

    toy: str = Field(description="Name.", examples=["a"])
    how: str = Field(default="", description="Where to hang: before or after the call, or nowhere.")


@dataclass(frozen=True)
class World:
    """The toys' real state: what was done to them, and gates that hold a hanging job."""

    folder: Path

    def effects(self) -> list[str]:
        """Everything that happened, in order."""
        path = self.folder / "effects"
        return path.read_text().split() if path.exists() else []

    def add(self, effect: str) -> None:
        """Something happens."""
        with (self.folder / "effects").open("a") as file:
            file.write(effect + "\n")

    def edition(self) -> str:
        """What the toys' worker lets its horses inherit."""
        path = self.folder / "edition"
        return path.read_text() if path.exists() else ""

    def hang(self) -> None:
        """Say which process hangs here, and wait until the gate opens. Looks at no deadline."""
        (self.folder / "hanging").write_text(str(os.getpid()))
        while not (self.folder / "gate").exists():
            time.sleep(0.01)

    def obey(self, how: str) -> None:
        """Hang, or be a bug."""
        if how == "hang":
            self.hang()
        if how == "crash":
            raise RuntimeError("a bug that says password=hunter2")

    def hanging(self) -> int:
        """The process that hangs; 0 while none does."""
        path = self.folder / "hanging"
        return int(path.read_text() or 0) if path.exists() else 0

    def open_gate(self) -> None:
        """Let hanging jobs go on."""
        (self.folder / "gate").touch()


def make_catalogue(world: World) -> Catalogue:
    """`toy look` reads, `toy poke` changes."""

    def target(name: str) -> Target:
        return Target(kind="toy", site="lab", id=name, name=name, environment="dev")

    def find(params: ToyParams, _ctx: Reader) -> Found[str]:
        return Found(rows=((target(params.toy), params.toy),))

    def look(params: ToyParams, _ctx: Reader, _found: Found[str]) -> Outcome:
        world.obey(params.how)
        world.add(f"look:{params.toy}")
        return Outcome(summary=f"{params.toy} is calm")

    def plan(params: ToyParams, _ctx: Reader) -> Plan:
        step = Step(
            action="poke", target=target(params.toy), text=f"poke {params.toy}", args={"how": params.how}
        )
        return Plan(batches=((step,),))

    def apply(step: Step, ctx: Writer) -> Done:
        ctx.checkpoint(ctx.mark)
        if step.args["how"] == "hang before the call":
            world.hang()
        if step.args["how"] == "crash":
            world.obey("crash")
        world.add(f"poke:{step.target.name}")
        if step.args["how"] == "hang after the call":
            world.hang()
        return Done(text=f"{step.target.name} was poked")

    def settle(step: Step, _ctx: Reader, _mark: Mark) -> Settled:
        done = f"poke:{step.target.name}" in world.effects()
        return Done(text=f"{step.target.name} was poked, as it turned out") if done else NotDone()

    return Catalogue(
        (
            Read(
                name="toy look",
                summary="Look at a toy.",
                params=ToyParams,
                backend=Backend.VSPHERE,
                find=find,
                run=look,
                time_limit=timedelta(seconds=10),
                examples=("toy look a",),
            ),
            Change(
                name="toy poke",
                summary="Poke a toy.",
                params=ToyParams,
                backend=Backend.VSPHERE,
                risk=Risk.DISRUPTIVE,
                plan=plan,
                apply=apply,
                settle=settle,
                time_limit=timedelta(seconds=10),
                examples=("toy poke a",),
            ),
        )
    )


def canary(*_arguments: object) -> None:
    """What a forged job or callback would like to run."""
    Path(os.environ["CANARY"]).touch()


@contextmanager
def no_ports(_watch: Watch) -> Iterator[Ports]:
    """The toys need none."""
    yield Ports()


def main() -> None:
    """Be an RQ worker on one queue."""
    url, instance, queue, keys, world = sys.argv[1:]
    start_logging("INFO", "toys")
    redis = connect(url)
    ledger = Ledger(redis, instance)
    verifier = load_verifier(Path(keys))
    journal = Journal(ledger, load_signer(Path(keys), "worker"), verifier)
    runner = Runner(
        ledger=ledger,
        leases=Leases(ledger),
        outbox=Outbox(ledger),
        journal=journal,
        roster=Roster(ledger, verifier, Rejections(journal).teller(Kind.MEMBERSHIP)),
        catalogue=make_catalogue(World(Path(world))),
        policy=POLICY,
        protection=Protection(),
        verifier=verifier,
        instance=instance,
        announce={},
    )
    install(Performer(runner, no_ports))
    worker = make_worker(
        connect(url, timeout=None),
        queue,
        World(Path(world)).edition,
        Rejections(journal).teller(Kind.JOB),
        clients=(redis,),
    )
    worker.work(with_scheduler=False)


if __name__ == "__main__":
    main()
