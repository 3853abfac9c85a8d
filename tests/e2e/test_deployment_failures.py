"""What goes wrong on the way: afterwards all three engines run what the thread says that they run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from sandbox.engine import LABEL, Engine, EngineError
from sandbox.engine.services import CRASH, LATE, SICK, UNREADY
from sandbox.gate import FULL
from tests.e2e.conftest import Chat
from tests.e2e.endings import UNTOUCHED, compare, look
from tests.e2e.service_lab import END, NEW, OLD, Lab, everywhere, lab_with_a_service

TAKEN = 18090


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_with_a_service(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(autouse=True)
def _old_everywhere(lab: Lab) -> Iterator[None]:
    """Each test begins and ends with the old version on all engines, and nothing else."""
    assert lab.runs() == everywhere(OLD)
    yield
    lab.put_right()


def make_sick(engine: Engine, version: str) -> None:
    """From now on this version's health check fails on this engine."""
    _in_volume(engine, "touch", f"/flag/{version}")


def heal(engine: Engine) -> None:
    _in_volume(engine, "sh", "-c", "rm -f /flag/*")


def _in_volume(engine: Engine, *command: str) -> None:
    settings = {
        "Image": engine.import_busybox(),
        "Cmd": list(command),
        "Labels": {LABEL: engine.owner},
        "HostConfig": {"Binds": ["flag:/flag"]},
    }
    engine.api.call("POST", "/containers/create", query={"name": "flagger"}, body=settings)
    engine.api.call("POST", "/containers/flagger/start")
    engine.api.call("POST", "/containers/flagger/wait")
    engine.api.call("DELETE", "/containers/flagger")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("edge-1", marks=pytest.mark.long),
        "edge-2",
        pytest.param("edge-3", marks=pytest.mark.long),
    ],
)
def test_a_version_that_is_sick_on_one_engine_is_put_back_on_all(lab: Lab, name: str) -> None:
    old, engine = look(lab), lab.installation.engines[name]
    make_sick(engine, NEW)
    try:
        ended = lab.deploy(NEW)
    finally:
        heal(engine)
    assert "*Rolled back*" in ended.spoken
    assert f"`api-1` on {name} is unhealthy" in ended.spoken
    assert compare(lab, ended, old)[name] == "rolled back"


@pytest.mark.parametrize(
    ("version", "why"),
    [
        (CRASH, "fatal: no configuration"),
        (UNREADY, "does not pass its check `/ready` on port 8080: it answers 404"),
    ],
)
def test_a_bad_version_is_put_back_with_what_is_wrong_with_it(lab: Lab, version: str, why: str) -> None:
    old = look(lab)
    ended = lab.deploy(version, timeout=180)
    assert "*Rolled back*" in ended.spoken
    assert why in ended.spoken
    compare(lab, ended, old, version)


@pytest.mark.parametrize("version", [SICK, LATE])
def test_a_version_that_is_not_or_does_not_stay_healthy_is_put_back_with_its_last_lines(
    lab: Lab, version: str
) -> None:
    lab.describe(monitor="4s", health={"interval": "300ms", "retries": 1})
    old = look(lab)
    ended = lab.deploy(version)
    assert "*Rolled back*" in ended.spoken
    assert "connection to the database" in ended.spoken
    compare(lab, ended, old, version)


def test_an_image_that_is_missing_is_refused_before_anything_is_done(lab: Lab) -> None:
    old = look(lab)
    said = Chat(lab.installation.slack).ask("/deploy api v9.9.9 to prod --yes").spoken
    assert "v9.9.9" in said
    assert "Changed: *nothing*" in said
    assert look(lab) == old


def refuse_to_make(lab: Lab) -> None:
    lab.gate("edge-2").refuse("POST .*/containers/create", times=20)


def take_the_port(lab: Lab) -> None:
    """Somebody else's container has the port that the file names from now on."""
    lab.describe(ports=str(TAKEN))
    engine = lab.installation.engines["edge-3"]
    engine.import_busybox()
    engine.run_container("foreign", ["sleep", "1000"], ports={80: TAKEN}, address=engine.address)


@pytest.mark.parametrize(
    ("happens", "says"),
    [(refuse_to_make, "no space left on device"), (take_the_port, "port is already allocated")],
    ids=["the disk is full", "the port is taken"],
)
def test_what_an_engine_refuses_is_told_and_all_engines_are_put_back(
    lab: Lab, happens: Callable[[Lab], None], says: str
) -> None:
    happens(lab)
    old = look(lab)
    try:
        ended = lab.deploy(NEW)
    finally:
        with contextlib.suppress(EngineError):  # not in every case
            edge = lab.installation.engines["edge-3"]
            edge.api.call("DELETE", "/containers/foreign", query={"force": "1"})
    assert "*Rolled back*" in ended.spoken
    assert says in ended.spoken
    compare(lab, ended, old)


def test_an_engine_whose_disk_is_full_pulls_nothing_and_no_engine_is_touched(lab: Lab) -> None:
    old = look(lab)
    refused = lab.gate("edge-2").refuse(
        "POST .*/images/create", message=f"failed to register layer: write /bin/serve: {FULL}", times=20
    )
    ended = lab.deploy("v1.2.0")
    assert refused.met.is_set()
    assert FULL in ended.spoken
    assert "Changed: *nothing*" in ended.spoken
    said = compare(lab, ended, old)
    assert said["edge-2"] == "pull failed"
    assert set(said.values()) <= UNTOUCHED


def test_a_registry_that_goes_away_during_the_pull_leaves_everything_as_it_was(lab: Lab) -> None:
    registry = lab.installation.registry
    assert registry is not None
    old, way = look(lab), lab.gate("registry").stall("GET .*/blobs/", most=100_000)
    slack = lab.installation.slack
    before = f"{time.time():.6f}"
    slack.type("U0OPS1", "C0OPS", "/deploy api v1.2.0 to prod --yes")
    way.wait_met(60)
    registry.stop()
    try:
        way.break_off()
        ended = slack.wait("C0OPS", "U0OPS1", author="app", after_ts=before, regex=END, timeout=60)
    finally:
        registry.start()
    assert "*Done*" not in ended.spoken
    assert "Changed: *nothing*" in ended.spoken
    assert set(compare(lab, ended, old).values()) <= UNTOUCHED


def test_a_create_whose_answer_is_lost_is_found_and_not_made_twice(lab: Lab) -> None:
    old, lost = look(lab), lab.gate("edge-2").lose("POST .*/containers/create")
    ended = lab.deploy(NEW)
    assert lost.met.is_set()
    compare(lab, ended, old)


def test_a_tag_that_moved_after_it_was_approved_is_refused(lab: Lab) -> None:
    old, registry, slack = look(lab), lab.installation.registry, lab.installation.slack
    assert registry is not None
    moving = registry.retag("team/api", "v1.3.0", NEW)
    asked = Chat(slack).ask(
        "/deploy api v1.3.0 to prod", channel="C0PROD", until="Waits for approval", timeout=60
    )
    assert registry.retag("team/api", "v1.3.0", "v1.2.0") != moving
    slack.click("U0LEAD1", asked, "Approve", confirm=True)
    said = slack.wait("C0PROD", "U0OPS1", ts=asked.ts, regex="changed|Done|Failed", timeout=60).spoken
    assert moving.removeprefix("sha256:")[:12] in said
    assert "Done" not in said
    assert look(lab) == old
