from __future__ import annotations

import pytest

from andock.errors import BackendError, BackendRejectedError, Changed, TargetStateError
from andock.operation import Done, Mark, NotDone, Plan, Risk, Unknown
from andock.operations.container.removal import CONTAINER_REMOVE, RemoveParams
from andock.ports.container_insight import MountedVolume
from tests.unit.operations.container.chat import Chat

ANONYMOUS = MountedVolume("a" * 64, "/var/lib/docker/volumes/a", "/cache", anonymous=True)
NAMED = MountedVolume("data", "/var/lib/docker/volumes/data", "/data")
BOUND = MountedVolume("", "/srv", "/srv")


def plan(chat: Chat, **params: object) -> Plan:
    checked = RemoveParams.model_validate({"container": ("web",), **params})
    return CONTAINER_REMOVE.plan(checked, chat.reader())


def stopped(chat: Chat) -> str:
    made = chat.containers.run("edge-1", "web")
    chat.containers.stop("edge-1", made, 1)
    chat.containers.mounted[made] = (ANONYMOUS, NAMED, BOUND)
    return made


def begun(chat: Chat) -> Mark:
    chat.containers.tick()
    return Mark(begun_at=0.0, site_time=chat.containers.now.timestamp())


def test_a_plan_lists_name_id_and_what_is_lost_and_what_stays(chat: Chat) -> None:
    made = stopped(chat)
    assert plan(chat).steps[0].text == (
        f"remove `web` (exited, id {made[:12]}). Lost: its writable layer of 1.5 KiB. "
        "Stays: volume aaaaaaaaaaaa, volume data."
    )
    assert plan(chat, volumes=True).steps[0].text == (
        f"remove `web` (exited, id {made[:12]}). Lost: its writable layer of 1.5 KiB and "
        "the anonymous volume aaaaaaaaaaaa at /cache. Stays: volume data."
    )
    assert CONTAINER_REMOVE.risk is Risk.DESTRUCTIVE


def test_an_approval_is_bound_to_the_volumes(chat: Chat) -> None:
    made = stopped(chat)
    agreed = plan(chat)
    assert plan(chat).digest == agreed.digest
    chat.containers.mounted[made] = (NAMED,)
    assert plan(chat).digest != agreed.digest


def test_a_running_one_needs_force(chat: Chat) -> None:
    chat.containers.run("edge-1", "web")
    with pytest.raises(TargetStateError, match=r"it must be stopped \(or `--force` given\)"):
        plan(chat)
    assert "it is killed first" in plan(chat, force=True).steps[0].text


def test_remove(chat: Chat) -> None:
    made = stopped(chat)
    step = plan(chat, volumes=True).steps[0]
    assert CONTAINER_REMOVE.apply(step, chat.writer()) == Done(text="`web` is removed.")
    assert ("remove", "edge-1", made, "False", "True") in chat.containers.calls
    assert len(chat.marks) == 1


def test_a_refusal_says_so_and_changes_nothing(chat: Chat) -> None:
    stopped(chat)
    chat.containers.refusing = "volume is in use"
    with pytest.raises(BackendRejectedError, match="volume is in use") as caught:
        CONTAINER_REMOVE.apply(plan(chat).steps[0], chat.writer())
    assert caught.value.changed is Changed.NOTHING


def test_what_is_still_there_is_no_success(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(chat)
    step = plan(chat).steps[0]
    monkeypatch.setattr(chat.containers, "remove", lambda *_, **__: None)
    with pytest.raises(BackendError, match="it is there and exited") as caught:
        CONTAINER_REMOVE.apply(step, chat.writer())
    assert caught.value.changed is Changed.UNKNOWN


def test_after_a_crash(chat: Chat) -> None:
    made = stopped(chat)
    step, mark = plan(chat).steps[0], begun(chat)
    assert CONTAINER_REMOVE.settle(step, chat.reader(), mark) == NotDone()
    assert chat.containers.now.timestamp() - mark.site_time > 30
    chat.containers.start("edge-1", made)
    assert CONTAINER_REMOVE.settle(step, chat.reader(), mark) == Unknown(
        "`web` was not removed and is running."
    )
    del chat.containers.held["edge-1", made]
    assert CONTAINER_REMOVE.settle(step, chat.reader(), mark) == Done(text="`web` is removed.")


def test_one_that_was_killed_and_not_removed_is_unknown(chat: Chat) -> None:
    made = chat.containers.run("edge-1", "web")
    step, mark = plan(chat, force=True).steps[0], begun(chat)
    chat.containers.kill("edge-1", made, "KILL")
    assert isinstance(CONTAINER_REMOVE.settle(step, chat.reader(), mark), Unknown)
