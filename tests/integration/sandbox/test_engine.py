from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from sandbox.engine import LABEL, Engine, EngineError, start_engine
from sandbox.engine.api import Api
from sandbox.engine.containers import busybox_archive, inspect_container, remove_labelled

FOREVER = ["sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"]
ABANDON = """
import os, signal
from pathlib import Path
from sandbox.engine import start_engine
engine = start_engine(Path({state!r}), own=True)
engine.import_busybox()
engine.run_container("left-behind", ["sleep", "1000"])
print(engine.url, flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    engine.import_busybox()
    yield engine
    engine.stop()


@pytest.fixture(autouse=True)
def _nothing_between_tests(engine: Engine) -> Iterator[None]:
    yield
    engine.remove_labelled()


def run_folder(engine: Engine) -> Path:
    return Path(engine.url.removeprefix("unix://")).parent


def bridges() -> str:
    return subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout


def test_a_container_runs_and_carries_the_label(engine: Engine) -> None:
    made = engine.run_container("web", FOREVER, labels={"team": "a"}, environment={"COLOUR": "blue"})
    found = engine.inspect("web")
    assert (found.id, found.state, found.restarts) == (made, "running", 0)
    assert found.labels == {"team": "a", LABEL: engine.owner}
    client = docker.DockerClient(base_url=engine.url)
    assert client.containers.get("web").exec_run(["sh", "-c", "echo $COLOUR"]).output == b"blue\n"
    client.close()


def test_a_restart_changes_when_it_was_started(engine: Engine) -> None:
    engine.run_container("web", FOREVER)
    before = engine.inspect("web").started_at
    client = docker.DockerClient(base_url=engine.url)
    client.containers.get("web").restart(timeout=2)
    client.close()
    after = engine.inspect("web").started_at
    assert before is not None
    assert after is not None
    assert after > before


def test_a_container_that_failed_says_so(engine: Engine, eventually: Callable[..., bool]) -> None:
    engine.run_container("job", ["sh", "-c", "exit 3"])
    assert eventually(lambda: engine.inspect("job").state == "exited")
    assert engine.inspect("job").exit_code == 3
    with pytest.raises(EngineError, match="No such container") as missing:
        engine.inspect("nobody")
    assert missing.value.status == 404


def test_only_what_is_labelled_is_removed(engine: Engine) -> None:
    foreign = {"fromSrc": "-", "repo": "foreign", "tag": "1"}
    engine.api.call("POST", "/images/create", query=foreign, body=busybox_archive())
    client = docker.DockerClient(base_url=engine.url)
    theirs = client.containers.run("foreign:1", FOREVER, name="theirs", detach=True)
    client.containers.run("andock/busybox:sandbox", FOREVER, name="made-of-our-image", detach=True)
    engine.run_container("ours", FOREVER)
    engine.remove_labelled()
    for name in ("ours", "made-of-our-image"):
        with pytest.raises(EngineError, match="No such container"):
            engine.inspect(name)
    assert engine.inspect("theirs").state == "running"
    theirs.remove(force=True)
    client.close()


def test_an_engine_that_is_named_is_taken_and_left_alone(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    named = start_engine(tmp_path)
    assert named.url == engine.url
    assert not named.ours
    named.run_container("guest", FOREVER)
    for forbidden in (named.kill, named.restart, named.pause):
        with pytest.raises(EngineError, match="not started by the sandbox"):
            forbidden()
    named.stop()
    assert engine.api.answers()
    with pytest.raises(EngineError, match="No such container"):
        engine.inspect("guest")


def test_a_crash_and_a_restart_keep_address_and_data(engine: Engine) -> None:
    url = engine.url
    engine.run_container("kept", FOREVER)
    engine.run_container("always", FOREVER, restart="always")
    engine.kill()
    assert not engine.api.answers()
    engine.restart()
    assert engine.url == url
    assert engine.inspect("kept").state == "exited"
    assert engine.inspect("always").state == "running"


def test_a_pause_lets_clients_wait(engine: Engine) -> None:
    engine.pause()
    try:
        with pytest.raises(EngineError, match="timed out"):
            Api(engine.url, timeout=0.3).call("GET", "/_ping")
    finally:
        engine.resume()
    assert engine.api.answers()


def test_two_run_side_by_side_and_leave_nothing(engine: Engine, tmp_path: Path) -> None:
    other = start_engine(tmp_path, name="other", own=True)
    other.import_busybox()
    other.run_container("web", FOREVER)
    with pytest.raises(EngineError, match="No such container"):
        engine.inspect("web")
    with pytest.raises(EngineError, match="another sandbox"):
        start_engine(tmp_path, name="other", own=True)
    assert other.inspect("web").state == "running"

    folder, bridge = run_folder(other), f"andock{other.owner}"
    assert bridge in bridges()
    other.stop()
    other.stop()

    assert not folder.exists()
    assert bridge not in bridges()
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert engine.api.answers()


def test_what_a_killed_sandbox_left_is_cleared_by_the_next(
    tmp_path: Path,
    sandbox_script: Callable[[str], subprocess.Popen[str]],
    eventually: Callable[..., bool],
) -> None:
    parent = sandbox_script(ABANDON.format(state=str(tmp_path)))
    assert parent.stdout is not None
    orphan = Path(parent.stdout.readline().strip().removeprefix("unix://")).parent
    assert orphan.is_dir()
    parent.kill()
    parent.wait()

    again = start_engine(tmp_path, own=True)
    with pytest.raises(EngineError, match="No such container"):
        again.inspect("left-behind")
    again.import_busybox()
    again.run_container("left-behind", FOREVER)
    again.stop()

    assert eventually(lambda: not orphan.exists())


def test_another_owner_s_label_protects(engine: Engine) -> None:
    engine.run_container("web", FOREVER)
    remove_labelled(engine.api, "somebody-else")
    assert inspect_container(engine.api, "web").state == "running"
