"""Insight, changes and output: the same cases on the fake and on a real engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from andock.errors import BackendRejectedError, Changed, DeadlineError, TargetNotFoundError
from andock.operation import Mark, Ports, Reader, Writer
from andock.operations.container.anatomy import CONTAINER_INFO, InfoParams
from andock.operations.container.updating import CONTAINER_UPDATE, UpdateParams
from andock.ports.allowances import NamedCommand
from andock.ports.container_changes import LocalImage, NewContainer
from andock.ports.container_insight import FileChange, Limits
from andock.ports.container_output import Ran
from andock.ports.containers import Containers
from andock.redaction import Redactor
from sandbox.engine import IMAGE, LABEL, Engine, start_engine
from tests.contract.test_containers_port import DEAD, LIVE, engines_of
from tests.fakes.containers import FakeContainers
from tests.unit.operations.container.chat import Eye
from workers.containers import DockerContainers
from workers.containers.logs import MOST_KEPT

MIB = 1024 * 1024
LIMITS = Limits(memory=64 * MIB, memory_with_swap=0, cpus=0.5, pids=50, restart="no")


class World(Protocol):
    """A live engine behind a port, with the image IMAGE."""

    @property
    def port(self) -> Containers: ...
    def run(self, name: str, lines: Sequence[str] = ()) -> str: ...
    def run_with_rm(self, name: str) -> str: ...
    def write(self, container: str, line: str) -> None: ...
    def touch(self, container: str, path: str) -> None: ...


@dataclass
class FakeWorld:
    port: FakeContainers

    def run(self, name: str, lines: Sequence[str] = ()) -> str:
        return self.port.run(LIVE, name, lines)

    def run_with_rm(self, name: str) -> str:
        made = self.run(name)
        self.port.temporary.add(made)
        return made

    def write(self, container: str, line: str) -> None:
        self.port.write(container, line)

    def touch(self, container: str, path: str) -> None:
        self.port.changes[container] = (FileChange("added", path),)


@dataclass
class RealWorld:
    port: DockerContainers
    engine: Engine

    def run(self, name: str, lines: Sequence[str] = ()) -> str:
        # it does line by line what is written into its fifo, so that nothing polls and TERM ends it at once
        script = (
            'mkfifo /f; trap exit TERM; for l in "$@"; do echo "$l"; done; echo ready >&2; '
            "while :; do read x < /f && eval $x; done"
        )
        secret = {"SECRET": "planted-value"}
        made = self.engine.run_container(name, ["sh", "-c", script, "sh", *lines], environment=secret)
        until(lambda: "ready" in self.port.logs(LIVE, made, tail=100))
        return made

    def run_with_rm(self, name: str) -> str:
        settings = {
            "Image": IMAGE,
            "Cmd": ["sleep", "600"],
            "Labels": {LABEL: self.engine.owner},
            "HostConfig": {"AutoRemove": True},
        }
        made = self.engine.api.call("POST", "/containers/create", query={"name": name}, body=settings)["Id"]
        self.engine.api.call("POST", f"/containers/{made}/start")
        return str(made)

    def write(self, container: str, line: str) -> None:
        self._do(container, f"echo '{line}'")
        until(lambda: line in self.port.logs(LIVE, container, tail=5))

    def touch(self, container: str, path: str) -> None:
        self._do(container, f"touch {path}")
        until(lambda: any(c.path == path for c in self.port.file_changes(LIVE, container)))

    def _do(self, container: str, what: str) -> None:
        command = NamedCommand("do", ("sh", "-c", f'echo "{what}" > /f'), ("*",), 5, 1024)
        prepared = self.port.prepare_command(LIVE, container, command)
        assert self.port.run_command(LIVE, container, prepared, command, Eye()).exit_code == 0


def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    engine.import_busybox()
    yield engine
    engine.stop()


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        fake = FakeContainers({LIVE: "dev", DEAD: "dev"}, environments={"env=prod": "prod"})
        fake.local_images[IMAGE] = LocalImage("sha256:11", 2_000_000)
        yield FakeWorld(fake)
        return
    engine: Engine = request.getfixturevalue("engine")
    port = DockerContainers(engines_of(engine))
    yield RealWorld(port, engine)
    port.close()
    engine.remove_labelled()


# --- insight --------------------------------------------------------------------------------------------


def test_what_a_container_is_made_of(world: World) -> None:
    made = world.run("web")
    anatomy = world.port.read_anatomy(LIVE, made)
    spaces = {space.kind: space.shared_with for space in anatomy.namespaces}
    assert list(spaces) == ["pid", "net", "ipc", "uts", "user", "cgroup"]
    assert [spaces[kind] for kind in ("pid", "net", "ipc", "uts", "user")] == ["", "", "", "", "host"]
    assert (anatomy.runtime, anatomy.storage_driver, anatomy.image_layers) == ("runc", "overlay2", 1)
    assert anatomy.image_bytes > 100_000
    assert not anatomy.privileged
    assert "SECRET" in anatomy.variables
    assert "planted-value" not in repr(anatomy)


def test_what_a_container_has_used(world: World) -> None:
    made = world.run("web")
    first, second = world.port.count(LIVE, made), world.port.count(LIVE, made)
    assert second.at >= first.at
    assert second.cpu_seconds >= first.cpu_seconds > 0
    assert second.memory > 0
    assert second.pids >= 1


def test_what_is_stopped_uses_nothing_and_has_no_processes(world: World) -> None:
    made = world.run("web")
    world.port.stop(LIVE, made, 1)
    for call in (lambda: world.port.count(LIVE, made), lambda: world.port.processes(LIVE, made)):
        with pytest.raises(BackendRejectedError, match="edge-1"):
            call()


def test_processes(world: World) -> None:
    listed = world.port.processes(LIVE, world.run("web"))
    assert "CMD" in listed.columns
    assert any("sh" in row[listed.columns.index("CMD")] for row in listed.rows)


def test_changed_files(world: World) -> None:
    made = world.run("web")
    world.touch(made, "/planted")
    assert FileChange("added", "/planted") in world.port.file_changes(LIVE, made)


# --- changes --------------------------------------------------------------------------------------------


def test_kill_ends_it_and_the_engine_remembers(world: World) -> None:
    made = world.run("web")
    clock = world.port.server_time(LIVE)
    world.port.kill(LIVE, made, "KILL")
    killed = world.port.read_container(LIVE, made)
    assert (killed.state, killed.exit_code) == ("exited", 137)
    deeds = world.port.deeds(LIVE, made, clock)
    assert [(deed.action, deed.signal) for deed in deeds if deed.action == "kill"] == [("kill", "9")]
    assert all(deed.at >= clock for deed in deeds)
    assert world.port.deeds(LIVE, made, world.port.server_time(LIVE) + timedelta(milliseconds=1)) == ()


def test_pause_and_unpause(world: World) -> None:
    made = world.run("web")
    world.port.pause(LIVE, made)
    assert world.port.read_container(LIVE, made).state == "paused"
    world.port.unpause(LIVE, made)
    assert world.port.read_container(LIVE, made).state == "running"


def test_rename(world: World) -> None:
    made = world.run("web")
    world.port.rename(LIVE, made, "web-old")
    assert world.port.read_container(LIVE, made).name == "web-old"
    assert [row.name for row in world.port.list_containers(LIVE).rows] == ["web-old"]


def test_a_running_one_is_removed_by_force_alone(world: World) -> None:
    made = world.run("web")
    with pytest.raises(BackendRejectedError, match="cannot remove") as caught:
        world.port.remove(LIVE, made, force=False, volumes=False)
    assert caught.value.changed is Changed.NOTHING
    world.port.remove(LIVE, made, force=True, volumes=True)
    with pytest.raises(TargetNotFoundError):
        world.port.read_container(LIVE, made)


def test_limits_are_set_one_by_one(world: World) -> None:
    made = world.run("web")
    assert world.port.read_limits(LIVE, made) == Limits(restart="no")
    world.port.update(LIVE, made, Limits(memory=64 * MIB, memory_with_swap=128 * MIB, pids=77))
    world.port.update(LIVE, made, Limits(cpus=0.25, restart="unless-stopped"))
    now = world.port.read_limits(LIVE, made)
    assert (now.memory, now.cpus, now.pids, now.restart) == (64 * MIB, 0.25, 77, "unless-stopped")


@pytest.mark.parametrize("with_swap", [96 * MIB, 64 * MIB, -1])
def test_an_update_of_memory_leaves_as_much_swap_as_before(world: World, with_swap: int) -> None:
    made = world.run("web")
    world.port.update(LIVE, made, Limits(memory=64 * MIB, memory_with_swap=with_swap))
    before = world.port.read_limits(LIVE, made)
    assert before.memory_with_swap == with_swap
    ctx = Writer(
        watch=Eye(),
        ports=Ports(containers=world.port),
        checkpoint=lambda _mark: None,
        mark=Mark(begun_at=0.0),
    )

    params = UpdateParams(container=(f"{LIVE}/web",), memory="128m")
    for step in CONTAINER_UPDATE.plan(params, ctx).steps:
        CONTAINER_UPDATE.apply(step, ctx)

    now = world.port.read_limits(LIVE, made)
    assert now.memory == 128 * MIB
    assert now.memory_with_swap == (with_swap + 64 * MIB if with_swap > 0 else -1)


def test_who_was_made_with_rm_says_so(world: World) -> None:
    assert not world.port.read_container(LIVE, world.run("web")).removed_at_end
    assert world.port.read_container(LIVE, world.run_with_rm("job")).removed_at_end


def test_a_new_container_is_as_it_was_asked_for(world: World) -> None:
    new = NewContainer("made", IMAGE, LIMITS, ("sh", "-c", "sleep 60"), {"env": "prod", "mark": "x1"})
    made = world.port.create(LIVE, new)
    assert world.port.read_container(LIVE, made).state == "created"
    assert world.port.find_labelled(LIVE, "mark=x1") == (made,)
    assert world.port.find_labelled(LIVE, "mark=x2") == ()
    world.port.start(LIVE, made)
    read = world.port.read_container(LIVE, made)
    assert (read.name, read.image, read.state, read.environment) == ("made", IMAGE, "running", "prod")
    limits = world.port.read_limits(LIVE, made)
    assert (limits.memory, limits.cpus, limits.pids, limits.restart) == (64 * MIB, 0.5, 50, "no")


def test_images(world: World) -> None:
    found = world.port.local_image(LIVE, IMAGE)
    assert found is not None
    assert found.id.startswith("sha256:")
    assert world.port.local_image(LIVE, "nobody/has-this:1") is None


def test_the_environment_of_what_is_to_be_made(world: World) -> None:
    assert world.port.environment_of(LIVE, {"env": "prod"}) == "prod"
    assert world.port.environment_of(LIVE, {"env": "test"}) == "dev"


def test_what_is_gone_is_not_found(world: World) -> None:
    gone = "0" * 64
    for call in (
        lambda: world.port.read_anatomy(LIVE, gone),
        lambda: world.port.read_limits(LIVE, gone),
        lambda: world.port.count(LIVE, gone),
        lambda: world.port.processes(LIVE, gone),
        lambda: world.port.file_changes(LIVE, gone),
        lambda: world.port.kill(LIVE, gone, "KILL"),
        lambda: world.port.pause(LIVE, gone),
        lambda: world.port.unpause(LIVE, gone),
        lambda: world.port.rename(LIVE, gone, "other"),
        lambda: world.port.remove(LIVE, gone, force=True, volumes=False),
        lambda: world.port.update(LIVE, gone, Limits(pids=5)),
        lambda: world.port.new_logs(LIVE, gone, after="", most=1),
    ):
        with pytest.raises(TargetNotFoundError, match="No container `000000000000` on `edge-1`"):
            call()


# --- output ---------------------------------------------------------------------------------------------


def test_the_end_of_a_log(world: World) -> None:
    made = world.run("web", ("one", "two", "three"))
    lines = [line for line in world.port.logs(LIVE, made, tail=100) if line != "ready"]
    assert lines == ["one", "two", "three"]
    assert len(list(world.port.logs(LIVE, made, tail=2))) == 2


def test_a_log_since_a_time(world: World) -> None:
    made = world.run("web", ("old",))
    clock = world.port.server_time(LIVE)
    world.write(made, "new")
    assert list(world.port.logs(LIVE, made, tail=5, since=clock)) == ["new"]


def test_a_log_is_read_on_from_where_it_was(world: World) -> None:
    made = world.run("web", ("one",))
    first = world.port.new_logs(LIVE, made, after="", most=10)
    assert "one" in first.lines
    assert world.port.new_logs(LIVE, made, after=first.last, most=10).lines == ()
    world.write(made, "two")
    world.write(made, "three")
    second = world.port.new_logs(LIVE, made, after=first.last, most=10)
    assert second.lines == ("two", "three")
    assert world.port.new_logs(LIVE, made, after=second.last, most=10).lines == ()
    few = world.port.new_logs(LIVE, made, after=first.last, most=1)
    assert (few.lines, few.left_out, few.last) == (("three",), True, second.last)


def named(script: str, *, seconds: float = 10, most: int = 1024) -> NamedCommand:
    return NamedCommand("test", ("sh", "-c", script), ("*",), seconds, most)


@pytest.fixture
def real(engine: Engine) -> Iterator[RealWorld]:
    port = DockerContainers(engines_of(engine))
    yield RealWorld(port, engine)
    port.close()
    engine.remove_labelled()


def test_a_named_command_says_what_it_says_and_how_it_ended(world: World) -> None:
    made = world.run("web")
    command = named("echo planted; exit 3")
    if isinstance(world, FakeWorld):
        world.port.says = Ran(3, running=False, output="planted\n")
    prepared = world.port.prepare_command(LIVE, made, command)
    assert world.port.command_state(LIVE, made, prepared) == Ran(None, running=False)
    ran = world.port.run_command(LIVE, made, prepared, command, Eye())
    assert (ran.exit_code, ran.running, ran.output, ran.cut) == (3, False, "planted\n", False)
    assert world.port.command_state(LIVE, made, prepared) == Ran(3, running=False)
    assert world.port.command_state(LIVE, made, "0" * 64) is None


def test_what_says_too_much_is_cut_and_runs_to_its_end(real: RealWorld) -> None:
    made = real.run("web")
    command = named("yes | head -c 3000000; touch /done", most=1000)
    prepared = real.port.prepare_command(LIVE, made, command)
    ran = real.port.run_command(LIVE, made, prepared, command, Eye())
    assert (len(ran.output), ran.cut, ran.exit_code) == (1000, True, 0)
    assert any(change.path == "/done" for change in real.port.file_changes(LIVE, made))


def test_no_secret_of_a_log_or_of_a_command_is_told(engine: Engine, real: RealWorld) -> None:
    key = ["-----BEGIN PRIVATE KEY-----", *["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"] * 20]
    lines = ("before", *key, "-----END PRIVATE KEY-----", "a hunter2-hunter2 b", "end")
    script = 'for l in "$@"; do echo "$l"; done; trap exit TERM; sleep 60 & wait'
    made = real.engine.run_container("web", ["sh", "-c", script, "sh", *lines])
    hiding = DockerContainers(engines_of(engine), redactor=Redactor(["hunter2-hunter2"]))
    hidden = "-----BEGIN PRIVATE KEY-----[redacted]-----END PRIVATE KEY-----"
    rest = ["a [redacted] b", "end"]
    until(lambda: "end" in hiding.logs(LIVE, made, tail=1))

    assert list(hiding.logs(LIVE, made, tail=100)) == ["before", hidden, *rest]
    assert list(hiding.logs(LIVE, made, tail=3)) == [hidden, *rest]
    assert list(hiding.logs(LIVE, made, tail=2)) == rest
    assert hiding.new_logs(LIVE, made, after="", most=10).lines == (hidden, *rest)
    command = named("echo -n hunter2-; sleep 0.2; echo hunter2", most=12)
    prepared = hiding.prepare_command(LIVE, made, command)
    assert hiding.run_command(LIVE, made, prepared, command, Eye()).output == "[redacted]\n"
    command = named("echo 12345678 hunter2-hunter2", most=16)  # cut in the midst of it
    prepared = hiding.prepare_command(LIVE, made, command)
    assert hiding.run_command(LIVE, made, prepared, command, Eye()).output == "12345678 [redact"
    hiding.close()


def test_a_secret_across_the_cut_of_a_health_check_leaves_none_of_it(engine: Engine, real: RealWorld) -> None:
    check = ["CMD-SHELL", f"echo {'x' * 190} hunter2-hunter2; exit 1"]
    health = {"Test": check, "Interval": 1_000_000_000, "Retries": 1}
    body = {"Image": IMAGE, "Cmd": ["sleep", "60"], "Labels": {LABEL: engine.owner}, "Healthcheck": health}
    made = engine.api.call("POST", "/containers/create", query={"name": "web"}, body=body)["Id"]
    engine.api.call("POST", f"/containers/{made}/start")
    until(lambda: bool(real.port.read_anatomy(LIVE, made).failing_checks))
    hiding = DockerContainers(engines_of(engine), redactor=Redactor(["hunter2-hunter2"]))
    ctx, params = (
        Reader(watch=Eye(), site=None, ports=Ports(containers=hiding)),
        InfoParams(container=(made,)),
    )

    outcome = CONTAINER_INFO.run(params, ctx, CONTAINER_INFO.find(params, ctx))

    assert dict(outcome.fields)["Last health check"].startswith(f"{'x' * 190} [redacte")
    hiding.close()


def test_a_look_at_very_long_lines_takes_the_newest_and_says_so(engine: Engine, real: RealWorld) -> None:
    script = (
        "echo begun; mkfifo /f; read x < /f; x=$(head -c 200000 /dev/zero | tr '\\0' x);"
        " for n in $(seq 40); do echo $n $x; done; echo end; trap exit TERM; sleep 60 & wait"
    )
    made = engine.run_container("web", ["sh", "-c", script])
    until(lambda: "begun" in real.port.logs(LIVE, made, tail=1))
    first = real.port.new_logs(LIVE, made, after="", most=10)
    real._do(made, "go")
    until(lambda: "end" in real.port.logs(LIVE, made, tail=1))

    new = real.port.new_logs(LIVE, made, after=first.last, most=2000)

    assert (new.lines[-1], new.left_out) == ("end", True)
    assert [line.split()[0] for line in new.lines[:-1]] == [str(number) for number in range(22, 41)]
    assert sum(map(len, new.lines)) <= MOST_KEPT
    assert real.port.new_logs(LIVE, made, after=new.last, most=2000).lines == ()


def test_no_secret_of_a_path_is_told(engine: Engine, real: RealWorld) -> None:
    made = real.run("web")
    real.touch(made, "/hunter2-hunter2")
    hiding = DockerContainers(engines_of(engine), redactor=Redactor(["hunter2-hunter2"]))

    assert FileChange("added", "/[redacted]") in hiding.file_changes(LIVE, made)
    hiding.close()


def test_what_takes_too_long_is_left_and_said_to_run(real: RealWorld) -> None:
    made = real.run("web")
    command = named("echo begun; sleep 30", seconds=1)
    prepared = real.port.prepare_command(LIVE, made, command)
    began = time.monotonic()
    ran = real.port.run_command(LIVE, made, prepared, command, Eye())
    assert time.monotonic() - began < 5
    assert (ran.running, ran.exit_code, ran.output) == (True, None, "begun\n")


def test_a_silent_command_hears_the_watch(real: RealWorld) -> None:
    made = real.run("web")
    command = named("sleep 30")
    prepared = real.port.prepare_command(LIVE, made, command)
    over = DeadlineError("over", changed=Changed.UNKNOWN)
    with pytest.raises(DeadlineError):
        real.port.run_command(LIVE, made, prepared, command, Eye(ends_with=over))


def test_powers_come_out_as_they_were_asked_for(real: RealWorld) -> None:
    new = NewContainer(
        "strong", IMAGE, LIMITS, ("sleep", "60"), network="host", pid="host", ipc="host", uts="host",
        cgroup_namespace="host", binds=("/etc:/host/etc:ro",), capabilities=("NET_ADMIN",),
    )  # fmt: skip
    all_powerful = NewContainer("all-powerful", IMAGE, LIMITS, ("sleep", "60"), privileged=True)
    made = real.port.create(LIVE, new)
    real.port.start(LIVE, made)
    anatomy = real.port.read_anatomy(LIVE, made)
    assert {space.kind for space in anatomy.namespaces if space.shared_with == "host"} >= {
        "net", "pid", "ipc", "uts", "cgroup",
    }  # fmt: skip
    assert (anatomy.privileged, anatomy.added_capabilities) == (False, ("NET_ADMIN",))
    assert [volume.source for volume in anatomy.volumes] == ["/etc"]
    assert real.port.read_anatomy(LIVE, real.port.create(LIVE, all_powerful)).privileged
    own = {kind: Path(f"/proc/self/ns/{kind}").readlink() for kind in ("net", "ipc", "uts")}
    pid = real.port.read_container(LIVE, made).pid
    assert {kind: Path(f"/proc/{pid}/ns/{kind}").readlink() for kind in own} == own


def test_volumes_with_and_without_a_name_are_told_apart(real: RealWorld) -> None:
    owner = {LABEL: real.engine.owner}
    real.engine.api.call("POST", "/volumes/create", body={"Name": "planted-data", "Labels": owner})
    binds = ["planted-data:/data", "/etc:/etc2:ro"]
    body = {
        "Image": IMAGE,
        "Cmd": ["true"],
        "Labels": owner,
        "Volumes": {"/cache": {}},
        "HostConfig": {"Binds": binds},
    }
    made = real.engine.api.call("POST", "/containers/create", body=body)["Id"]
    volumes = {volume.destination: volume for volume in real.port.read_anatomy(LIVE, made).volumes}
    assert {path: volume.anonymous for path, volume in volumes.items()} == {
        "/cache": True, "/data": False, "/etc2": False,
    }  # fmt: skip
    assert (volumes["/data"].name, volumes["/etc2"].source) == ("planted-data", "/etc")
    real.port.remove(LIVE, made, force=False, volumes=True)


def test_namespaces_that_are_said_to_be_its_own_are(real: RealWorld) -> None:
    made = real.run("web")
    anatomy = real.port.read_anatomy(LIVE, made)
    pid = real.port.read_container(LIVE, made).pid
    for space in anatomy.namespaces:
        theirs = Path(f"/proc/{pid}/ns/{space.kind}").readlink()
        is_shared = theirs == Path(f"/proc/self/ns/{space.kind}").readlink()
        assert is_shared == (space.shared_with == "host"), space.kind


def test_a_published_port_is_reached(real: RealWorld) -> None:
    new = NewContainer("served", IMAGE, LIMITS, ("sleep", "60"), ports=("127.0.0.1:0:8080",))
    made = real.port.create(LIVE, new)
    real.port.start(LIVE, made)
    (port,) = real.port.read_container(LIVE, made).ports
    assert port.startswith("127.0.0.1:")
    assert port.endswith("-> 8080/tcp")
