"""What a vCenter shows of Andock's steps: on the fake, and read back from a simulated one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from andock.catalogue import load_catalogue
from andock.ports.trace import Trace, Traced
from sandbox.vcenter import Rule
from sandbox.vcenter import Vcenter as Simulator
from tests.contract.worlds import DEAD, LIVE, sessions_of
from tests.fakes.trace import FakeTrace
from workers.vsphere import Sessions, VcenterTrace, extension

INSTANCE = "main"
CALLS = ("CreateTask", "LogUserEvent", "SetTaskState", "UpdateProgress", "FindExtension")


@dataclass(frozen=True)
class Seen:
    """A task as the backend has it."""

    by: str
    target: str
    state: str
    percent: int | None
    problem: str


class World(Protocol):
    @property
    def trace(self) -> Trace: ...
    def create(self, name: str) -> str: ...
    def see(self, task: str) -> Seen: ...
    def events(self, vm: str) -> list[str]: ...
    def forget(self) -> None: ...
    def refuse(self) -> None: ...


@dataclass
class FakeWorld:
    trace: FakeTrace = field(default_factory=lambda: FakeTrace({LIVE}))

    def create(self, name: str) -> str:
        return f"vm-{name}"

    def see(self, task: str) -> Seen:
        shown = self.trace.shown[task]
        step = shown.step
        percent = shown.percents[-1] if shown.percents else None
        return Seen(f"{step.actor} ({step.request})", step.target, shown.state, percent, shown.problem)

    def events(self, vm: str) -> list[str]:
        return [words for target, words in self.trace.events if target == vm]

    def forget(self) -> None:
        self.trace.known.clear()

    def refuse(self) -> None:
        self.trace.refuses = True


@dataclass
class RealWorld:
    trace: VcenterTrace
    sessions: Sessions
    simulator: Simulator
    service: Any

    def create(self, name: str) -> str:
        return self.simulator.control.create_vm(name).id

    def see(self, task: str) -> Seen:
        info = vim.Task(task, self.service._stub).info
        problem = info.error.msg if info.error else ""
        return Seen(info.reason.userName, info.entity._moId, info.state, info.progress, problem)

    def events(self, vm: str) -> list[str]:
        by = vim.event.EventFilterSpec.ByEntity(
            entity=vim.VirtualMachine(vm, self.service._stub), recursion="self"
        )
        spec = vim.event.EventFilterSpec(entity=by, eventTypeId=["GeneralUserEvent"])
        return [event.message for event in self.service.content.eventManager.QueryEvents(spec)]

    def forget(self) -> None:
        session = self.sessions.open(LIVE)
        assert extension.unregister(session, INSTANCE)
        session.close()

    def refuse(self) -> None:
        self.simulator.control.set_rules([Rule(call, fault="NoPermission") for call in CALLS])


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    simulator: Simulator = request.getfixturevalue("simulator")
    sessions = sessions_of(simulator)
    session = sessions.open(LIVE)
    extension.register(session, INSTANCE, "1.0", tuple(load_catalogue()))
    service = SmartConnect(
        host=simulator.host,
        port=simulator.port,
        user=simulator.user,
        pwd=simulator.password,
        disableSslCertValidation=True,
        httpConnectionTimeout=10,
    )
    trace = VcenterTrace(sessions, INSTANCE)
    yield RealWorld(trace, sessions, simulator, service)
    simulator.control.set_rules([])
    extension.unregister(session, INSTANCE)
    trace.close()
    session.close()
    Disconnect(service)


def step(vm: str, site: str = LIVE) -> Traced:
    return Traced(site, "vm", vm, "vm restart", "ops-1", "rabc", f"restart {vm}")


def test_a_step_is_a_task_on_its_target_from_its_begin_to_its_end(world: World) -> None:
    vm = world.create("traced")
    task = world.trace.begin(step(vm))
    assert world.see(task) == Seen("ops-1 (rabc)", vm, "running", None, "")
    world.trace.tell(LIVE, task, 40)
    assert world.see(task).percent == 40
    world.trace.end(LIVE, task)
    assert world.see(task).state == "success"


def test_the_targets_events_say_who_asked_for_what(world: World) -> None:
    vm = world.create("evented")
    world.trace.begin(step(vm))
    assert world.events(vm) == [f"ops-1 asked Andock in chat: restart {vm} (request rabc)"]


def test_a_step_that_fails_says_why(world: World) -> None:
    task = world.trace.begin(step(world.create("traced-badly")))
    world.trace.end(LIVE, task, "there is no room")
    seen = world.see(task)
    assert (seen.state, seen.problem) == ("error", "there is no room")


def test_nothing_is_shown_where_andock_is_not_registered(world: World) -> None:
    world.forget()
    vm = world.create("unseen")
    assert world.trace.begin(step(vm)) == ""
    assert world.events(vm) == []


def test_nothing_fails_where_the_site_refuses_or_is_away(world: World) -> None:
    task = world.trace.begin(step(world.create("refused")))
    assert task
    world.refuse()
    assert world.trace.begin(step(world.create("refused-2"))) == ""
    world.trace.tell(LIVE, task, 10)
    world.trace.end(LIVE, task)
    assert world.see(task).state == "running"
    assert world.trace.begin(step("vm-1", DEAD)) == ""


def test_what_was_refused_is_not_asked_again(simulator: Simulator) -> None:
    sessions = sessions_of(simulator)
    session = sessions.open(LIVE)
    extension.register(session, INSTANCE, "1.0", tuple(load_catalogue()))
    trace = VcenterTrace(sessions, INSTANCE)
    simulator.control.set_rules([Rule("LogUserEvent", fault="NoPermission")])
    simulator.control.calls()
    tasks = [trace.begin(step(simulator.control.create_vm(f"again-{n}").id)) for n in range(3)]
    calls = simulator.control.calls()
    simulator.control.set_rules([])
    extension.unregister(session, INSTANCE)
    trace.close()
    session.close()
    assert all(tasks)
    assert (calls["LogUserEvent"], calls["CreateTask"], calls["FindExtension"]) == (1, 3, 1)
