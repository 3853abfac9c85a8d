"""What goes wrong when people ask for containers: one clear sentence each, and what was changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from andock.errors import BackendRejectedError, Changed, OpsError
from andock.operation import Step
from andock.operations.container.lifecycle import CONTAINER_RESTART, StopParams
from andock.operations.container.making import RunParams
from andock.operations.container.named_commands import CONTAINER_EXEC, ExecParams
from andock.operations.container.removal import CONTAINER_REMOVE, RemoveParams
from andock.operations.container.renaming import CONTAINER_RENAME, RenameParams
from andock.operations.container.running import CONTAINER_RUN
from config.containers import AllowedByFile, Command
from tests.unit.operations.container.chat import Chat

RUN = RunParams(image="busybox:test", name="job", memory="64m", cpus="0.5")


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong."""

    what: str
    ask: Callable[[Chat], object]
    said: str
    changed: Changed = Changed.NOTHING


def restart(*names: str) -> Callable[[Chat], object]:
    return lambda chat: CONTAINER_RESTART.plan(StopParams(container=names), chat.reader())


def restart_step(chat: Chat) -> Step:
    return CONTAINER_RESTART.plan(StopParams(container=("web",)), chat.reader()).steps[0]


def begin_then(goes_wrong: Callable[[Chat], None]) -> Callable[[Chat], object]:
    """The restart is planned, then something happens, then it is done."""

    def ask(chat: Chat) -> object:
        step = restart_step(chat)
        goes_wrong(chat)
        return CONTAINER_RESTART.apply(step, chat.writer())

    return ask


def twin(chat: Chat) -> None:
    """Another container whose id begins with the same digits."""
    (web,) = (row for row in chat.containers.held.values() if row.name == "web")
    other = web.id[:11] + "f" * 53
    chat.containers.held["edge-2", other] = replace(web, site="edge-2", id=other, name="db")


def short_id(digits: int) -> Callable[[Chat], object]:
    def ask(chat: Chat) -> object:
        (web,) = (row for row in chat.containers.held.values() if row.name == "web")
        if digits == 8:
            twin(chat)
        return restart(web.id[:digits])(chat)

    return ask


def full(chat: Chat) -> object:
    step = CONTAINER_RUN.plan(RUN, chat.reader("edge-1")).steps[0]

    def create(*_: object) -> str:
        # as the real engine's words come out of `workers.containers.faults`
        why = "mkdir /data: no space left on device; its disk is full: see what takes it with `engine disk`"
        raise BackendRejectedError("Engine `edge-1`", why, changed=Changed.UNKNOWN)

    chat.containers.create = create  # type: ignore[method-assign]  # the one thing that goes wrong
    return CONTAINER_RUN.apply(step, chat.writer())


CASES = (
    Case(
        "unknown container, with the nearest and the engines searched",
        restart("wbe"),
        "No container `wbe` on `edge-1`, `edge-2`. Did you mean `web`?",
    ),
    Case(
        "unknown container on the engine that was named",
        restart("edge-2/web"),
        "No container `edge-2/web` on `edge-2`.",
    ),
    Case(
        "unknown container while an engine is away",
        lambda chat: (chat.containers.away.update({"edge-2": "connection refused"}), restart("db")(chat)),
        "Engine `edge-2` was not reached (connection refused, and no `db` on edge-1); nothing was changed.",
    ),
    Case(
        "the same name on two engines",
        lambda chat: (chat.containers.run("edge-2", "web"), restart("web")(chat)),
        "`web` is the name of 2 containers; say which one:\n• `edge-1/web`\n• `edge-2/web`",
    ),
    Case("ambiguous short id", short_id(8), "is the name of 2 containers; say which one:"),
    Case("too short an id", short_id(7), "on `edge-1`. Did you mean `ce58ea3298b6` or `edge-1/web`?"),
    Case(
        "wrong state",
        lambda chat: CONTAINER_REMOVE.plan(RemoveParams(container=("web",)), chat.reader()),
        "`web` is running; it must be stopped (or `--force` given) for this.",
    ),
    Case(
        "name taken",
        lambda chat: CONTAINER_RENAME.plan(RenameParams(container="web", name="web"), chat.reader()),
        "`web` is taken on edge-1 by container ",
    ),
    Case(
        "image not allowed",
        lambda chat: CONTAINER_RUN.plan(RUN.model_copy(update={"image": "evil:1"}), chat.reader("edge-1")),
        "Image `evil:1` is not allowed. Allowed are: `docker.io/library/busybox`.",
    ),
    Case(
        "image not on the engine",
        lambda chat: CONTAINER_RUN.plan(RUN.model_copy(update={"image": "busybox:9"}), chat.reader("edge-1")),
        "Engine `edge-1` has no image `busybox:9`; pull it first: `image pull busybox:9 --site edge-1`.",
    ),
    Case(
        "a power that no rule gives",
        lambda chat: CONTAINER_RUN.plan(RUN.model_copy(update={"privileged": True}), chat.reader("edge-1")),
        "`privileged` for image `busybox:test` is not allowed by `powers:` in sites.yaml",
    ),
    Case(
        "a command that is not listed",
        lambda chat: CONTAINER_EXEC.plan(ExecParams(container="web", command="sh"), chat.reader()),
        "Command `sh` is not allowed by `exec:` in sites.yaml; whoever runs Andock can add it. "
        "Did you mean `disk`?",
    ),
    Case(
        "engine away before anything was sent",
        begin_then(lambda chat: chat.containers.away.update({"edge-1": "connection refused"})),
        "Engine `edge-1` was not reached (connection refused); nothing was changed.",
    ),
    Case(
        "engine restarted during the operation",
        begin_then(lambda chat: chat.containers.lost.add("edge-1")),
        "Engine `edge-1` was told and did not answer. Look at `container info edge-1/web` before you "
        "restart it again.",
        Changed.UNKNOWN,
    ),
    Case("engine full", full, "no space left on device; its disk is full: see", Changed.NOTHING),
)


@pytest.fixture
def lab(chat: Chat) -> Chat:
    chat.containers.run("edge-1", "web")
    chat.containers.allowances = AllowedByFile(exec={"disk": Command(argv=("df", "-h"))})
    return chat


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_what_goes_wrong_is_one_clear_sentence_and_says_what_was_changed(lab: Chat, case: Case) -> None:
    with pytest.raises(OpsError) as caught:
        case.ask(lab)
    assert case.said in caught.value.sentence
    assert caught.value.changed is case.changed
