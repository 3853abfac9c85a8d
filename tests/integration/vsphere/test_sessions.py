"""One session per worker and vCenter: what a job logs in to and out of, counted by vCenter itself."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from andock.errors import BackendUnavailableError, DeadlineError
from andock.ports.vsphere import Vm
from sandbox.vcenter import Vcenter as Simulator
from tests.fakes.vsphere import TinyWatch
from tests.integration.vsphere.conftest import SITE
from workers.vsphere import Sessions, inventory, rehearse
from workers.vsphere.connection import VcenterConnection


def do_job(simulator: Simulator, sessions: Sessions) -> dict[str, int]:
    """A read as a horse makes it, and the log-ins and log-outs that it cost."""
    simulator.control.calls()
    job = sessions.open(SITE)
    assert job.read(inventory.scan_names)
    job.close()
    return _logins(simulator)


def ensure(simulator: Simulator, sessions: Sessions) -> dict[str, int]:
    """What the parent does before the next fork."""
    simulator.control.calls()
    sessions.ensure(SITE)
    return _logins(simulator)


def _logins(simulator: Simulator) -> dict[str, int]:
    return {name: count for name, count in simulator.control.calls().items() if name in {"Login", "Logout"}}


def test_jobs_speak_in_their_workers_session_and_leave_it(simulator: Simulator, sessions: Sessions) -> None:
    assert ensure(simulator, sessions) == {"Login": 1}
    assert [do_job(simulator, sessions) for _ in range(3)] == [{}, {}, {}]
    assert ensure(simulator, sessions) == {}


def test_a_job_whose_session_has_ended_logs_in_once_for_itself_and_its_worker_before_the_next_one(
    simulator: Simulator, sessions: Sessions
) -> None:
    sessions.ensure(SITE)
    simulator.control.expire_sessions()

    assert do_job(simulator, sessions) == {"Login": 1, "Logout": 1}  # its own; the worker's is gone
    assert ensure(simulator, sessions) == {"Login": 1}
    assert do_job(simulator, sessions) == {}
    assert simulator.control.expire_sessions() == 1  # the worker's, which no job has logged out of


def test_a_worker_that_ends_logs_out(simulator: Simulator, sessions: Sessions) -> None:
    sessions.ensure(SITE)

    sessions.close()

    assert simulator.control.expire_sessions() == 0


def test_a_job_speaks_on_the_connection_that_was_opened_before_it_came(
    simulator: Simulator, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions.ensure(SITE)
    sessions.warm_up(lambda: False, rehearse)
    opened: list[object] = []
    connect = VcenterConnection.connect
    monkeypatch.setattr(VcenterConnection, "connect", lambda self: (opened.append(self), connect(self)))

    assert do_job(simulator, sessions) == {}
    assert opened == []
    assert do_job(simulator, sessions) == {}
    assert len(opened) == 1


def test_a_rehearsal_reads_a_machine_that_is_nowhere_and_sends_nothing(
    simulator: Simulator, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Vm] = []
    read_vms = inventory.read_vms

    def noted(*what: Any) -> tuple[Vm, ...]:
        read.extend(read_vms(*what))
        return tuple(read)

    monkeypatch.setattr("workers.vsphere.rehearsal.read_vms", noted)
    sessions.ensure(SITE)
    simulator.control.calls()

    sessions.warm_up(lambda: False, rehearse)

    assert [(vm.name, vm.host, vm.power.value, vm.memory_mb) for vm in read] == [
        ("rehearsal", "rehearsal", "on", 1024)
    ]
    assert simulator.control.calls() == {}
    assert do_job(simulator, sessions) == {}


def test_the_deadline_of_a_job_holds_on_a_connection_that_is_older(
    simulator: Simulator, sessions: Sessions
) -> None:
    sessions.ensure(SITE)
    sessions.warm_up(lambda: False, rehearse)

    job = sessions.open(SITE, TinyWatch(0.0))

    with pytest.raises(DeadlineError):
        job.read(inventory.scan_names)
    job.close()


def test_a_vcenter_that_is_away_is_not_waited_for_before_there_is_a_job(sessions: Sessions) -> None:
    sessions.warm_up(lambda: False, rehearse)  # nobody has logged in
    sessions.ensure(SITE)
    sessions.warm_up(lambda: True, rehearse)  # there is a job already

    assert sessions._spare == {}


def test_what_horses_inherit_is_another_after_a_new_login(simulator: Simulator, sessions: Sessions) -> None:
    sessions.ensure(SITE)
    before = sessions.edition
    sessions.ensure(SITE)
    assert sessions.edition == before

    simulator.control.expire_sessions()
    do_job(simulator, sessions)
    sessions.ensure(SITE)

    assert sessions.edition != before


def test_a_vcenter_that_has_fallen_silent_since_a_connection_was_opened_ahead_is_soon_said_to_be_away(
    simulator: Simulator, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.vsphere.connection.TRUSTED_FOR", 0.0)
    sessions.ensure(SITE)
    sessions.warm_up(lambda: False, rehearse)
    simulator.hang()
    try:
        job, began = sessions.open(SITE), time.monotonic()
        with pytest.raises(BackendUnavailableError, match="no answer within 2 s"):
            job.read(inventory.scan_names)
        assert time.monotonic() - began < 3
        job.close()
    finally:
        simulator.wake()


def test_a_connection_that_was_opened_ahead_and_closed_over_there_is_opened_anew(
    simulator: Simulator, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.vsphere.connection.TRUSTED_FOR", 0.0)
    sessions.ensure(SITE)
    sessions.warm_up(lambda: False, rehearse)
    sessions._spare[SITE].stub.pool[0][0].sock.shutdown(socket.SHUT_RDWR)

    assert do_job(simulator, sessions) == {}
