"""kill -9 of a worker at each moment: one effect on the backend, and an end that is proven or unknown."""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from sandbox.installation import Installation
from sandbox.slack.reports import Message
from sandbox.vcenter.control import Rule, VmState
from tests.e2e.conftest import Chat

SETTLED = 100.0  # seconds: a lease lapses after 15, a guest is watched for 30, the recorder confirms


@pytest.fixture
def vm(installation: Installation) -> Iterator[str]:
    name = f"crash-{secrets.token_hex(3)}"
    installation.vcenter.control.create_vm(name, folder="dev", power_on=True)
    yield name
    installation.vcenter.control.set_rules([])


def until(look: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for something on the backend that no message tells."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def kill_worker(installation: Installation, backend: str = "vsphere") -> None:
    """SIGKILL to the RQ workers for changes; their horses die with them."""
    workers = installation.part_pids(f"worker-{backend}", "rq", "change")
    horses = installation.horse_pids(f"worker-{backend}", "rq", "change")
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in horses))


def type_command(installation: Installation, text: str) -> str:
    before = f"{time.time():.6f}"
    installation.slack.type("U0OPS1", "C0OPS", text)
    return before


def end_of(installation: Installation, command: str, after: str) -> Message:
    return installation.slack.wait(
        "C0OPS",
        "U0OPS1",
        author="app",
        after_ts=after,
        regex=r"\*(Done|Failed|Outcome unknown|Failed halfway|Expired)\* · `" + command,
        timeout=SETTLED,
    )


def state_of(installation: Installation, vm: str) -> VmState:
    return installation.vcenter.control.vm(vm)


def test_a_doorbell_that_was_lost_with_its_worker_is_rung_again(installation: Installation, vm: str) -> None:
    workers = installation.part_pids("worker-vsphere", "rq", "change")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    after = type_command(installation, f"/vm off {vm}")
    redis = Redis.from_url(installation.redis.url)
    queue = f"rq:queue:{installation.sites['instance']}.vsphere.change"
    until(lambda: bool(redis.exists(queue)) or bool(redis.keys(f"{queue}:intermediate*")))
    redis.delete(queue, *redis.keys(f"{queue}:intermediate*"))  # popped, and then its worker died
    kill_worker(installation)

    assert "Done" in end_of(installation, f"vm off {vm}", after).spoken
    assert state_of(installation, vm).effects.get("powerOff") == 1


def test_killed_between_the_call_and_the_task_id_the_task_is_found_and_its_end_is_told(
    installation: Installation, vm: str
) -> None:
    installation.vcenter.control.set_rules([Rule("PowerOffVM_Task", count=1, hold_answer=5.0)])
    after = type_command(installation, f"/vm off {vm}")
    until(lambda: state_of(installation, vm).power == "poweredOff")
    kill_worker(installation)

    assert "is off" in end_of(installation, f"vm off {vm}", after).spoken
    assert state_of(installation, vm).effects.get("powerOff") == 1


def test_killed_between_the_call_and_the_task_id_a_reset_is_never_repeated(
    installation: Installation, vm: str
) -> None:
    before = state_of(installation, vm)
    installation.vcenter.control.set_rules([Rule("ResetVM_Task", count=1, hold_answer=5.0)])
    after = type_command(installation, f"/vm reset {vm}")
    until(lambda: state_of(installation, vm).boot_time != before.boot_time)
    kill_worker(installation)

    said = end_of(installation, f"vm reset {vm}", after).spoken
    assert "Done" in said
    assert state_of(installation, vm).effects.get("reset") == 1


def test_killed_during_a_slow_task_the_next_worker_takes_it_up_and_reports_its_real_end(
    installation: Installation, vm: str
) -> None:
    installation.vcenter.control.set_rules([Rule("PowerOffVM_Task", count=1, delay=20.0)])
    after = type_command(installation, f"/vm off {vm}")
    installation.slack.wait("C0OPS", after_ts=after, regex=r"Running\*.*" + vm + r"[^%]*\d+ %", timeout=15)
    kill_worker(installation)

    said = end_of(installation, f"vm off {vm}", after).spoken
    assert "is off" in said
    assert "attempt 2" in said
    assert state_of(installation, vm).effects.get("powerOff") == 1


@pytest.mark.long
def test_killed_during_a_task_that_then_fails_the_failure_is_told(
    installation: Installation, vm: str
) -> None:
    rule = Rule("PowerOffVM_Task", count=1, delay=5.0, task_fault="InsufficientResourcesFault")
    installation.vcenter.control.set_rules([rule])
    after = type_command(installation, f"/vm off {vm}")
    installation.slack.wait("C0OPS", after_ts=after, regex=r"Running\*.*" + vm, timeout=15)
    kill_worker(installation)

    said = end_of(installation, f"vm off {vm}", after).spoken
    # a task whose id was not stored yet is only found, and may be another's: its failure is not called ours
    assert re.search(r"\*(Failed|Outcome unknown)\*", said)
    assert "there are not enough resources on the hosts" in said
    assert state_of(installation, vm).power == "poweredOn"


@pytest.mark.long
def test_killed_while_the_guest_restarts_the_new_boot_time_proves_it(
    installation: Installation, vm: str
) -> None:
    before = state_of(installation, vm)
    installation.vcenter.control.set_guest(before.id, reboot=6.0)
    after = type_command(installation, f"/vm restart {vm}")
    installation.slack.wait("C0OPS", after_ts=after, contains=f"asked the guest of `{vm}`", timeout=15)
    kill_worker(installation)

    assert "restarted" in end_of(installation, f"vm restart {vm}", after).spoken
    now = state_of(installation, vm)
    assert now.boot_time != before.boot_time
    assert now.effects.get("guestReboot") == 1


@pytest.mark.long
def test_killed_while_a_guest_does_not_obey_the_outcome_is_called_unknown(
    installation: Installation, vm: str
) -> None:
    before = state_of(installation, vm)
    installation.vcenter.control.set_guest(before.id, reboot=-1)
    after = type_command(installation, f"/vm restart {vm}")
    installation.slack.wait("C0OPS", after_ts=after, contains=f"asked the guest of `{vm}`", timeout=15)
    kill_worker(installation)

    said = end_of(installation, f"vm restart {vm}", after).spoken
    assert "Outcome unknown" in said
    assert state_of(installation, vm).boot_time == before.boot_time


def test_killed_while_a_container_is_stopping_it_is_restarted_once(
    installation: Installation, chat: Chat
) -> None:
    name = f"slow-{secrets.token_hex(3)}"
    line = "echo begun; trap 'sleep 3; exit 0' TERM; while :; do sleep 0.1; done"
    installation.engine.run_container(name, ["sh", "-c", line])
    before = installation.engine.inspect(name)
    after = type_command(installation, f"/container restart {name}")
    installation.slack.wait("C0OPS", after_ts=after, regex=r"Running\*.*" + name, timeout=15)
    kill_worker(installation, "docker")

    said = end_of(installation, f"container restart {name}", after).spoken
    now = installation.engine.inspect(name)
    begun = chat.ask(f"/container logs {name}").spoken.count("begun")
    if "Done" in said:
        assert begun == 2  # as it was made, and again
        assert now.started_at != before.started_at
        assert now.state == "running"
    else:
        assert "Outcome unknown" in said
        assert begun <= 2
    assert "container restart" in chat.ask("/andock request list").spoken
