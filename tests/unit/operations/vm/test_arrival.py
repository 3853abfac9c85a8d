from __future__ import annotations

from typing import Any

import pytest

from andock.errors import (
    BackendError,
    BackendUnavailableError,
    CancelledError,
    Changed,
    DeadlineError,
    TargetNotFoundError,
)
from andock.operation import Done, Mark, NotDone, Step, Unknown
from andock.operations.vm import arrival
from andock.operations.vm.cloning import VM_CLONE, CloneParams
from andock.ports.vsphere import Event, PlaceKind, PowerState

FOUND = "vm-2"  # the template is the first


@pytest.fixture(autouse=True)
def _asked_at_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "ASK_EVERY", 0.0)


@pytest.fixture
def steps(bench: Any) -> tuple[Step, ...]:
    """Power on and wait, of a clone that is made and off."""
    return made(bench, spec="linux")


def made(bench: Any, **params: Any) -> tuple[Step, ...]:
    bench.vsphere.place(PlaceKind.TEMPLATE, "lab", "debian")
    bench.vsphere.place(PlaceKind.FOLDER, "lab", "vm", path="/DC0/vm")
    bench.watch.seconds = 30.0
    wanted = CloneParams(template="debian", name="web-04", on=True, **params)
    clone, *after = VM_CLONE.plan(wanted, bench.reader).steps
    assert "was cloned from" in VM_CLONE.apply(clone, bench.writer).text
    return tuple(after)


def happen(bench: Any, kind: str, text: str = "") -> None:
    bench.vsphere.happened.append((FOUND, Event(bench.vsphere.now, kind, text or kind)))


def has_address(bench: Any, *addresses: str) -> None:
    bench.vsphere.change("lab", FOUND, addresses=addresses, tools_running=True)


def test_a_clone_is_powered_on_and_done_when_it_is_customized_and_has_an_address(
    bench: Any, steps: tuple[Step, ...]
) -> None:
    power, wait = steps
    assert VM_CLONE.apply(power, bench.writer).text == "`web-04` is on."
    assert bench.vsphere.read_vm("lab", FOUND).power is PowerState.ON
    happen(bench, "CustomizationSucceeded")
    has_address(bench, "10.0.0.9", "fd00::9")
    done = VM_CLONE.apply(wait, bench.writer)
    assert done.text == "`web-04` is customized and has the address 10.0.0.9, fd00::9."


def test_a_vcenter_that_is_away_has_not_lost_the_clone(bench: Any, steps: tuple[Step, ...]) -> None:
    bench.vsphere.away["lab"] = "connection refused"
    for step in steps:
        with pytest.raises(BackendUnavailableError):
            VM_CLONE.apply(step, bench.writer)


def test_without_a_specification_an_address_is_enough(bench: Any) -> None:
    power, wait = made(bench)
    assert wait.text == "wait until `web-04` has an address, at most 15m"
    VM_CLONE.apply(power, bench.writer)
    has_address(bench, "10.0.0.9")
    assert VM_CLONE.apply(wait, bench.writer).text == "`web-04` has the address 10.0.0.9."


def test_an_address_before_the_customization_is_over_does_not_count_and_the_stages_are_told(
    bench: Any, steps: tuple[Step, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    VM_CLONE.apply(steps[0], bench.writer)
    has_address(bench, "10.0.0.9")
    stages = [
        lambda: happen(bench, "CustomizationStartedEvent"),
        lambda: (happen(bench, "CustomizationSucceeded"), bench.vsphere.change("lab", FOUND, addresses=())),
        lambda: bench.vsphere.change("lab", FOUND, tools_running=False),
        lambda: has_address(bench, "10.0.0.10"),
    ]
    look = bench.watch.look

    def come_up(**told: Any) -> None:
        look(**told)
        if stages:
            stages.pop(0)()

    monkeypatch.setattr(bench.watch, "look", come_up)
    assert VM_CLONE.apply(steps[1], bench.writer).text.endswith("has the address 10.0.0.10.")
    assert bench.watch.texts == [
        "`web-04` is to be customized",
        "`web-04` is being customized",
        "`web-04` is on; waiting for an address",
        "`web-04` is on; waiting for VMware Tools in its guest",
    ]


@pytest.mark.parametrize("kind", ["CustomizationFailed", "CustomizationUnknownFailure"])
def test_a_customization_that_failed_ends_the_wait_with_vcenters_word(
    bench: Any, steps: tuple[Step, ...], kind: str
) -> None:
    VM_CLONE.apply(steps[0], bench.writer)
    happen(bench, kind, "The network of VM web-04 could not be set up.")
    with pytest.raises(BackendError, match="is on, but its customization failed: The network") as failed:
        VM_CLONE.apply(steps[1], bench.writer)
    assert failed.value.changed is Changed.PARTLY


def test_when_its_time_is_up_it_says_what_is_there_and_what_was_not_seen(bench: Any) -> None:
    power, wait = made(bench, spec="linux")
    VM_CLONE.apply(power, bench.writer)
    short = wait.model_copy(update={"args": {**wait.args, "seconds": 0.1}})
    with pytest.raises(DeadlineError) as missed:
        VM_CLONE.apply(short, bench.writer)
    assert missed.value.changed is Changed.PARTLY
    assert missed.value.sentence == (
        "`web-04` is made and is on, and VMware Tools do not run in it. Not seen within 0s: the end of its "
        f"customization and an address of a card of its own. It may still come: `vm info {FOUND}`."
    )
    happen(bench, "CustomizationSucceeded")
    bench.vsphere.change("lab", FOUND, tools_running=True)
    with pytest.raises(DeadlineError, match=r"Tools run in it\. Not seen within 0s: an address"):
        VM_CLONE.apply(short, bench.writer)


def test_the_wait_ends_when_somebody_cancels_and_the_vm_stays(bench: Any, steps: tuple[Step, ...]) -> None:
    VM_CLONE.apply(steps[0], bench.writer)
    bench.watch.cancel_after = bench.watch.looks + 1
    with pytest.raises(CancelledError):
        VM_CLONE.apply(steps[1], bench.writer)
    assert bench.vsphere.read_vm("lab", FOUND).power is PowerState.ON


def test_after_a_crash_power_is_looked_at_and_the_wait_begins_anew(
    bench: Any, steps: tuple[Step, ...]
) -> None:
    power, wait = steps
    mark = Mark(begun_at=1.0, site_time=bench.vsphere.server_time("lab").timestamp())
    assert VM_CLONE.settle(power, bench.reader, mark) == NotDone()
    VM_CLONE.apply(power, bench.writer)
    assert isinstance(VM_CLONE.settle(power, bench.reader, mark), Done)
    assert VM_CLONE.settle(wait, bench.reader, mark) == NotDone()


def test_a_clone_that_is_gone_meanwhile_is_told(bench: Any, steps: tuple[Step, ...]) -> None:
    del bench.vsphere.vms["lab", FOUND]
    with pytest.raises(TargetNotFoundError, match="/DC0/vm/web-04"):
        VM_CLONE.apply(steps[0], bench.writer)
    assert isinstance(VM_CLONE.settle(steps[0], bench.reader, Mark(begun_at=1.0)), Unknown)


def test_a_customized_clone_that_stays_off_says_when_it_will_be(bench: Any) -> None:
    bench.vsphere.place(PlaceKind.TEMPLATE, "lab", "debian")
    bench.vsphere.place(PlaceKind.FOLDER, "lab", "vm", path="/DC0/vm")
    wanted = CloneParams(template="debian", name="web-04", spec="linux")
    (clone,) = VM_CLONE.plan(wanted, bench.reader).steps
    assert VM_CLONE.apply(clone, bench.writer).text.endswith("; it is customized when it is on.")
