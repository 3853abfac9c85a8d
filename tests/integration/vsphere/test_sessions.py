"""One session per worker and vCenter: what a job logs in to and out of, counted by vCenter itself."""

from __future__ import annotations

from sandbox.vcenter import Vcenter as Simulator
from tests.integration.vsphere.conftest import SITE
from workers.vsphere import Sessions, inventory


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
