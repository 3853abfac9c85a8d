"""From typing `vm info NAME` among a thousand machines to its answer, against the floor and a naive bot."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.contenders import Andock, Floor, Naive, Said, start_floor, start_naive
from bench.lab import DisagreementError, Lab
from bench.rows import Row, compare, limit, middle
from sandbox.installation import Installation
from sandbox.vcenter import VmState

MOST_OVER_FLOOR = 1.5
MOST_OF_NAIVE = 0.5
MOST_CALLS = 5
WATCHER = "WaitForUpdatesEx"  # what the watcher calls now and then, and no question does
POWERED_OFF = 5  # so that not every machine is on


@dataclass
class Times:
    """What was measured, in milliseconds."""

    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)  # SOAP calls of each of our answers


def measure(lab: Lab) -> list[Row]:
    """The rows of this family."""
    installation = lab.whole()
    machines = _choose(installation)
    times = Times()
    with ExitStack() as undo:
        ours = Andock(installation)
        naive = undo.enter_context(start_naive(installation))
        first = next(machines)
        floor = undo.enter_context(start_floor(installation, first.name, _sample(ours, installation, first)))
        for _ in range(lab.effort.warm_up):
            _measure_one(Times(), installation, ours, floor, naive, next(machines))
        for number in range(lab.effort.rounds):
            for _ in range(lab.effort.questions):
                _measure_one(times, installation, ours, floor, naive, next(machines))
            lab.tell(f"round {number + 1}: {_describe(times, floor)}")
    return _rows(times)


def _choose(installation: Installation) -> Iterator[VmState]:
    """Machines in a random order that is the same each time, some of them off; none comes twice."""
    control = installation.vcenter.control
    names = [f"bench-off-{number}" for number in range(POWERED_OFF)]
    for name in names:
        control.create_vm(name)
    machines = sorted(control.vms(), key=lambda machine: machine.name)
    random.Random(65).shuffle(machines)  # noqa: S311  an order, no secret
    return iter(machines)


def _sample(ours: Andock, installation: Installation, machine: VmState) -> str:
    """The text of an answer, for the floor to post."""
    ours.ask(machine.name)
    call = installation.slack.calls("chat.postEphemeral")[-1]
    return str(call.args["text"])


def _measure_one(
    times: Times, installation: Installation, ours: Andock, floor: Floor, naive: Naive, machine: VmState
) -> None:
    """One question to each; the figures count only if both said what the simulator has."""
    control = installation.vcenter.control
    control.calls()
    said = ours.ask(machine.name)
    calls = sum(count for method, count in control.calls().items() if method != WATCHER)
    spent = floor.measure()
    naively = naive.ask(machine.name)
    check("ours", said, machine)
    check("naive", naively, machine)
    times.ours.append(said.seconds * 1000)
    times.floor.append(spent * 1000)
    times.naive.append(naively.seconds * 1000)
    times.calls.append(calls)


def check(who: str, said: Said, machine: VmState) -> None:
    """Raise DisagreementError unless this is what the simulator has."""
    wanted = (machine.name, {"poweredOn": "on", "poweredOff": "off"}[machine.power], machine.host)
    if (said.name, said.power, said.host) != wanted:
        raise DisagreementError(f"{who} said {said}, and the simulator has {wanted}")


def _describe(times: Times, floor: Floor) -> str:
    job, calls, post = (middle([spent[part] for spent in floor.spent]) * 1000 for part in range(3))
    return (
        f"ours {middle(times.ours):.0f} ms, naive {middle(times.naive):.0f} ms, "
        f"floor {middle(times.floor):.0f} ms (job {job:.0f}, SOAP {calls:.0f}, post {post:.0f})"
    )


def _rows(times: Times) -> list[Row]:
    ours = middle(times.ours)
    return [
        compare(
            "vm info of 1,000, typed to posted, against its floor",
            ours=ours,
            peer=middle(times.floor),
            most=MOST_OVER_FLOOR,
            unit="ms",
        ),
        compare(
            "vm info of 1,000, typed to posted, against the naive bot",
            ours=ours,
            peer=middle(times.naive),
            most=MOST_OF_NAIVE,
            unit="ms",
        ),
        limit(
            "SOAP calls of a warm vm info, the most seen",
            ours=max(times.calls),
            most=MOST_CALLS,
            unit="calls",
        ),
    ]
