"""The worker is killed at each moment of a deployment, again and again; another one ends it, and says how."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sandbox.engine.services import UNREADY
from sandbox.gate import Fault, Gate
from tests.e2e.endings import CHANGES, UNTOUCHED, begin, compare, end, kill_worker, look, request_of
from tests.e2e.service_lab import NEW, OLD, Lab, everywhere, lab_with_a_service
from tests.e2e.test_crashes import until
from tests.e2e.test_deployment_failures import heal, make_sick

PULL = "POST .*/images/create"
UNSEEN = "v1.2.0"  # no engine has its image yet
# many workers come and go in one test
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
ROLLED, PUT_BACK = 6, 3  # calls that change a container of an engine, at least


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_with_a_service(tmp_path_factory.mktemp("lab"), workers=2) as lab:
        yield lab


@pytest.fixture(autouse=True)
def _old_everywhere(lab: Lab) -> Iterator[None]:
    assert lab.runs() == everywhere(OLD)
    yield
    lab.put_right()


def has_ended(lab: Lab, asked: str) -> bool:
    """Whether the thread says how it ended."""
    return any(
        message.ts > asked and f"`service deploy api {NEW}" in message.spoken and "*Digest*" in message.spoken
        for message in lab.installation.slack.messages("C0OPS", "U0OPS1")
    )


def is_up(lab: Lab, name: str, version: str = NEW) -> bool:
    """Whether the new version is healthy on an engine."""
    return any(one.version == version and one.is_settled for one in look(lab)[name])


def kill_at_each(lab: Lab, gate: Gate, held: Fault, asked: str, *, arrive: bool) -> int:
    """Kill the worker while each call in turn is held, until it has ended; how often that was.

    A call arrives when its worker is dead, or is lost, and the next worker makes it again.
    """
    request, deaths = request_of(lab, asked), 0
    held.wait_met(60)
    while held.met.is_set():
        following = gate.hold(CHANGES, skip=0 if arrive else 1)
        kill_worker(lab, request)
        deaths += 1
        if arrive:
            held.release()
        else:
            held.break_off()
        held = following
        until(lambda now=held: now.met.is_set() or has_ended(lab, asked), 60)
    return deaths


@pytest.mark.parametrize(("name", "arrive"), [("edge-1", True), ("edge-3", False)])
def test_workers_killed_at_every_change_of_an_engine_in_turn_are_followed_by_one_that_ends_it(
    lab: Lab, name: str, arrive: bool
) -> None:
    old, gate = look(lab), lab.gate(name)
    held = gate.hold(CHANGES)
    asked = begin(lab)
    deaths = kill_at_each(lab, gate, held, asked, arrive=arrive)
    said = compare(lab, end(lab, asked), old)
    assert deaths >= ROLLED
    assert set(said.values()) == {"healthy"}


def test_workers_killed_at_every_call_that_puts_an_engine_back_are_followed_by_one_that_ends_it(
    lab: Lab,
) -> None:
    old, gate = look(lab), lab.gate("edge-2")
    make_sick(lab.installation.engines["edge-2"], NEW)
    try:
        held = gate.hold(CHANGES, skip=PUT_BACK)  # as many as bring it in before it turns out to be sick
        asked = begin(lab)
        deaths = kill_at_each(lab, gate, held, asked, arrive=True)
        said = compare(lab, end(lab, asked), old)
    finally:
        heal(lab.installation.engines["edge-2"])
    assert deaths >= PUT_BACK
    assert (said["edge-1"], said["edge-2"]) == ("rolled back", "rolled back")
    assert said["edge-3"] in UNTOUCHED


def test_workers_killed_during_pulls_are_followed_by_one_that_pulls_what_did_not_come(lab: Lab) -> None:
    old, first, last = look(lab), lab.gate("edge-1"), lab.gate("edge-3")
    lost, late = first.hold(PULL), last.hold(PULL)
    asked = begin(lab, UNSEEN)
    request = request_of(lab, asked, UNSEEN)
    lost.wait_met(60)
    late.wait_met(60)
    again = first.hold(PULL)
    kill_worker(lab, request)
    lost.break_off()
    late.release()
    again.wait_met(90)
    kill_worker(lab, request)
    again.release()
    said = compare(lab, end(lab, asked, UNSEEN), old, UNSEEN)
    assert set(said.values()) == {"healthy"}


def test_a_worker_killed_while_it_watches_is_followed_by_one_that_watches_to_the_end(lab: Lab) -> None:
    lab.describe(monitor="5s")
    old = look(lab)
    asked = begin(lab)
    request = request_of(lab, asked)
    for name in ("edge-1", "edge-2"):
        until(lambda name=name: is_up(lab, name) or has_ended(lab, asked), 60)
        if not has_ended(lab, asked):
            kill_worker(lab, request)
    ended = end(lab, asked)
    assert set(compare(lab, ended, old).values()) == {"healthy"}
    (attempt,) = re.findall(r"attempt (\d+)", ended.spoken)
    assert int(attempt) >= 3  # more if a worker took so long to come back that its doorbell was rung anew


def test_a_worker_killed_while_it_waits_for_a_check_leaves_nothing_that_counts_as_healthy(lab: Lab) -> None:
    lab.describe(ports="18080")  # no room for two, so the old one stops first
    old = look(lab)
    asked = begin(lab, UNREADY)
    request = request_of(lab, asked, UNREADY)
    until(lambda: is_up(lab, "edge-1", UNREADY), 60)
    kill_worker(lab, request)
    ended = end(lab, asked, UNREADY)
    said = compare(lab, ended, old, UNREADY)
    assert "`api-1` on edge-1 does not pass its check `/ready`" in ended.spoken
    assert said["edge-1"] == "rolled back"
    assert {said["edge-2"], said["edge-3"]} <= UNTOUCHED
