from __future__ import annotations

import pytest
from pydantic import ValidationError

from andock.errors import (
    BackendError,
    BackendRejectedError,
    Changed,
    NameTakenError,
    OutcomeUnknownError,
    UserError,
)
from andock.operation import Done, Mark, NotDone, Plan, Step, Unknown
from andock.operations.container.making import RunParams
from andock.operations.container.running import CONTAINER_RUN
from andock.refusals import ImageNotAllowedError, NotListedError
from config.containers import AllowedByFile, Powers
from tests.unit.operations.container.chat import Chat

ASKED = {"image": "busybox:test", "name": "job", "memory": "64m", "cpus": "0.5"}


@pytest.fixture
def lab(chat: Chat) -> Chat:
    chat.containers.allowances = AllowedByFile(
        powers=(Powers(name="exporter", images=("busybox:*",), may=("pid=host", "bind=/proc:*:ro")),),
    )
    return chat


def plan(chat: Chat, site: str | None = "edge-1", **params: object) -> Plan:
    return CONTAINER_RUN.plan(RunParams.model_validate({**ASKED, **params}), chat.reader(site))


def run_step(chat: Chat, **params: object) -> Step:
    return plan(chat, **params).steps[0]


def test_a_plan_says_image_limits_and_environment(lab: Chat) -> None:
    lab.containers.environments = {"env=prod": "prod"}
    step = run_step(lab, command=("sh", "-c", "date"), label=("env=prod", "team=a"))
    assert step.text == (
        "run `job` from `busybox:test` (11), running `sh -c date`; at most 64 MiB of memory, 0.5 CPUs, "
        "256 processes; restart policy no"
    )
    assert (step.target.environment, step.target.labels) == ("prod", ("env=prod", "team=a"))
    assert step.target.parents == ("engine:edge-1/edge-1",)
    assert step.facts == {"image": "sha256:11"}
    assert plan(lab).digest == plan(lab).digest


def test_limits_are_required() -> None:
    for missing in ("memory", "cpus", "name"):
        with pytest.raises(ValidationError, match="Field required"):
            RunParams.model_validate({key: value for key, value in ASKED.items() if key != missing})


def test_only_listed_images_run(lab: Chat) -> None:
    with pytest.raises(ImageNotAllowedError, match="`evil:1`"):
        plan(lab, image="evil:1")
    lab.registry.allow = ()
    with pytest.raises(ImageNotAllowedError):
        plan(lab)


def test_an_id_is_no_name_by_which_another_image_could_be_run(lab: Chat) -> None:
    lab.registry.allow = ("docker.io/*",)
    with pytest.raises(UserError, match="has no image `1111111111111111:latest`"):
        plan(lab, image="1" * 16)


@pytest.mark.parametrize(
    ("asked", "power"),
    [
        ({"privileged": True}, "privileged"),
        ({"network": "host"}, "net=host"),
        ({"ipc": "host"}, "ipc=host"),
        ({"uts": "host"}, "uts=host"),
        ({"userns": "host"}, "userns=host"),
        ({"cgroupns": "host"}, "cgroupns=host"),
        ({"bind": ("/:/host",)}, "bind=/:/host"),
        ({"bind": ("/proc:/host/proc",)}, "bind=/proc:/host/proc"),
        ({"device": ("/dev/kvm",)}, "device=/dev/kvm"),
        ({"cap": ("NET_ADMIN",)}, "cap=NET_ADMIN"),
        ({"pid": "host", "privileged": True}, "privileged"),
    ],
)
def test_what_reaches_out_of_the_container_is_refused_unless_a_rule_gives_it(
    lab: Chat, asked: dict[str, object], power: str
) -> None:
    with pytest.raises(
        NotListedError, match=f"`{power}` for image `busybox:test` is not allowed by `powers:`"
    ):
        plan(lab, **asked)


def test_what_a_rule_gives_is_named_in_the_plan(lab: Chat) -> None:
    assert plan(lab, pid="host", bind=("/proc:/host/proc:ro",)).warnings == (
        "it gets `pid=host` of its host (rule: exporter)",
        "it gets `bind=/proc:/host/proc:ro` of its host (rule: exporter)",
    )


@pytest.mark.parametrize("bind", ["/proc/../etc:/x", "proc:/x", "/proc", "/proc/:/x", "/proc:../x"])
def test_a_path_is_whole_and_plain_so_that_no_rule_is_walked_around(bind: str) -> None:
    with pytest.raises(ValidationError, match="plain, whole paths"):
        RunParams.model_validate({**ASKED, "bind": (bind,)})


@pytest.mark.parametrize("label", ["andock.service=api", "andock.role=", "com.docker.compose.project=shop"])
def test_labels_that_say_whose_a_container_is_are_not_to_be_set(label: str) -> None:
    with pytest.raises(ValidationError, match=f"`{label.partition('=')[0]}` is not yours to set"):
        RunParams.model_validate({**ASKED, "label": ("env=prod", label)})
    assert RunParams.model_validate({**ASKED, "label": ("andocked=yes",)}).label == ("andocked=yes",)


def test_an_engine_must_be_named_where_there_are_several(lab: Chat) -> None:
    with pytest.raises(UserError, match=r"Say on which engine, with `--engine`: `edge-1`, `edge-2`"):
        plan(lab, site=None)
    lab.containers.engines = {"edge-1": "dev"}
    assert plan(lab, site=None).steps[0].target.site == "edge-1"


def test_an_image_that_is_not_there_is_to_be_pulled_first(lab: Chat) -> None:
    with pytest.raises(UserError, match=r"has no image `busybox:9`; pull it first: `image pull busybox:9"):
        plan(lab, image="busybox:9")


def test_a_name_that_is_taken_is_refused(lab: Chat) -> None:
    lab.containers.run("edge-1", "job")
    with pytest.raises(NameTakenError):
        plan(lab)


def test_run(lab: Chat) -> None:
    done = CONTAINER_RUN.apply(run_step(lab, restart="always"), lab.writer())
    (made,) = lab.containers.list_containers("edge-1").rows
    assert done.text == f"`job` is running on edge-1 (id {made.id[:12]})."
    assert made.labels == {"andock.run": lab.marks[0].task}
    assert lab.containers.limits[made.id].restart == "always"


def test_one_that_ends_well_at_once_has_run(lab: Chat) -> None:
    lab.containers.dying = 0
    assert "ended with exit code 0" in CONTAINER_RUN.apply(run_step(lab), lab.writer()).text


def test_one_that_dies_at_once_is_no_success(lab: Chat) -> None:
    lab.containers.dying = 3
    with pytest.raises(BackendError, match=r"exited \(exit code 3\)") as caught:
        CONTAINER_RUN.apply(run_step(lab), lab.writer())
    assert caught.value.changed is Changed.PARTLY


def test_one_that_cannot_be_started_is_there_and_said_so(lab: Chat) -> None:
    lab.containers.refusing_start = "port is already allocated"
    with pytest.raises(
        BackendError, match=r"could not be started: port.*`container remove edge-1/job`"
    ) as error:
        CONTAINER_RUN.apply(run_step(lab), lab.writer())
    assert error.value.changed is Changed.PARTLY


def test_an_engine_that_is_full_has_made_nothing(lab: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(*_: object) -> str:
        raise BackendRejectedError("Engine `edge-1`", "no space left on device", changed=Changed.UNKNOWN)

    step = run_step(lab)
    monkeypatch.setattr(lab.containers, "create", create)
    with pytest.raises(BackendRejectedError, match="no space left") as caught:
        CONTAINER_RUN.apply(step, lab.writer())
    assert caught.value.changed is Changed.NOTHING  # it was looked for, by its label


def test_a_lost_answer_is_unknown(lab: Chat) -> None:
    step = run_step(lab)
    lab.containers.lost.add("edge-1")
    with pytest.raises(OutcomeUnknownError, match="before you run it again"):
        CONTAINER_RUN.apply(step, lab.writer())


def test_after_a_crash(lab: Chat) -> None:
    step = run_step(lab)
    lab.containers.tick()
    mark = Mark(begun_at=0.0, site_time=lab.containers.now.timestamp(), task="t1")
    lab.containers.run("edge-1", "job", labels={"andock.run": "another"})  # somebody else's
    assert CONTAINER_RUN.settle(step, lab.reader(), mark) == NotDone()
    assert lab.containers.now.timestamp() - mark.site_time > 30
    made = lab.containers.run("edge-1", "job", labels={"andock.run": "t1"})
    assert isinstance(CONTAINER_RUN.settle(step, lab.reader(), mark), Done)
    lab.containers.change("edge-1", made, state="exited", exit_code=3)
    assert CONTAINER_RUN.settle(step, lab.reader(), mark) == Unknown(
        "`job` was started and is exited (exit code 3)."
    )
    lab.containers.change("edge-1", made, state="created")
    settled = CONTAINER_RUN.settle(step, lab.reader(), mark)
    assert isinstance(settled, Unknown)
    assert "`container remove edge-1/job` takes it away" in settled.text
