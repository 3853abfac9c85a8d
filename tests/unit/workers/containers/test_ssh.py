"""Engines by SSH, against a real sshd and dockerd."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from andock.errors import BackendUnavailableError, ConfigError
from config.sites import Engine, EngineSsh, SecretReference
from sandbox.engine import Engine as SandboxEngine
from sandbox.engine import Transport, start_engine
from sandbox.engine.sshd import Sshd
from sandbox.processes import free_port
from workers.containers import DockerContainers, Engines
from workers.containers.engines import CONNECT_SECONDS

Opening = Callable[..., Engines]
ROOT = Path(__file__).resolve().parents[4]
WORKER = """
import signal
from pathlib import Path
from config.sites import Engine
from workers.containers import Engines
engines = Engines({{"far": Engine.model_validate({site!r})}}, Path("/"))
engines.prepare()
engines.client("far")
print(engines._tunnels["far"]._process.pid, engines._tunnels["far"]._folder, flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxEngine]:
    engine = start_engine(tmp_path_factory.mktemp("far"), transport=Transport.SSH)
    engine.import_busybox()
    yield engine
    engine.stop()


@pytest.fixture
def sshd(far: SandboxEngine) -> Sshd:
    assert far.sshd is not None
    return far.sshd


@pytest.fixture
def open_engines() -> Iterator[Opening]:
    opened: list[Engines] = []

    def build(site: Engine, environ: dict[str, str] | None = None) -> Engines:
        opened.append(Engines({"far": site}, Path("/"), environ or {}))
        return opened[-1]

    yield build
    for engines in opened:
        engines.close()


def site_of(engine: SandboxEngine, **changes: object) -> Engine:
    return Engine.model_validate({"environment": "dev", **engine.site, **changes})


def ssh_with(sshd: Sshd, **changes: object) -> dict[str, object]:
    return {"key": {"file": str(sshd.key)}, "known_hosts": str(sshd.known_hosts), **changes}


def why(engines: Engines) -> str:
    with pytest.raises(BackendUnavailableError) as caught:
        engines.client("far")
    return caught.value.why


def new_key(folder: Path, *options: str) -> Path:
    path = folder / f"key-{secrets.token_hex(3)}"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", *options, "-f", path], check=True)
    return path


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_what_runs_there_is_listed_and_stopped_from_here(far: SandboxEngine, open_engines: Opening) -> None:
    name = f"planted-{secrets.token_hex(4)}"
    made = far.run_container(name, ["sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"])
    port = DockerContainers(open_engines(site_of(far)))
    assert [row.id for row in port.list_containers().rows if row.name == name] == [made]
    port.stop("far", made, 5)
    assert far.inspect(name).state == "exited"


def test_a_job_uses_the_connection_that_its_worker_holds(far: SandboxEngine, open_engines: Opening) -> None:
    """A handshake costs some 200 ms, a job's own connection through an open one a few."""
    engines = open_engines(site_of(far))
    engines.prepare()
    engines.client("far")
    engines.forget("far")
    held = engines._tunnels["far"]._process
    for _ in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                engines.prepare()
                answered = engines.client("far").ping()
                status = 0 if answered and engines._tunnels["far"]._process is held else 2
                engines.close()
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert engines.client("far").ping()
    assert engines._tunnels["far"]._process is held


def test_an_ssh_that_was_killed_is_started_again_for_the_next_job(
    far: SandboxEngine, open_engines: Opening
) -> None:
    engines = open_engines(site_of(far))
    engines.prepare()
    engines.client("far")
    process = engines._tunnels["far"]._process
    assert process is not None
    process.kill()
    assert gone(process.pid)
    engines.forget("far")
    engines.prepare()
    assert engines.client("far").ping()


def test_a_killed_worker_leaves_no_ssh_and_the_next_one_removes_its_folder(
    far: SandboxEngine, open_engines: Opening
) -> None:
    source = WORKER.format(site={"environment": "dev", **far.site})
    worker = subprocess.Popen([sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    pid, folder = worker.stdout.readline().split()
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert gone(int(pid))
    assert Path(folder).is_dir()
    open_engines(site_of(far)).client("far")
    assert not Path(folder).exists()


def test_closing_ends_ssh_and_leaves_no_folder(far: SandboxEngine, open_engines: Opening) -> None:
    engines = open_engines(site_of(far))
    engines.client("far")
    tunnel = engines._tunnels["far"]
    assert tunnel._process is not None
    pid, folder = tunnel._process.pid, tunnel._folder
    assert folder.stat().st_mode & 0o777 == 0o700
    engines.close()
    assert gone(pid)
    assert not folder.exists()
    assert engines.client("far").ping()


def test_a_key_from_the_environment_is_in_no_folder(
    far: SandboxEngine,
    sshd: Sshd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    open_engines: Opening,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    key = sshd.key.read_text()
    site = site_of(far, ssh=ssh_with(sshd, key={"env": "FAR_KEY"}))
    engines = open_engines(site, {"FAR_KEY": key})
    assert engines.client("far").ping()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if "PRIVATE KEY" in path.read_text()]


def test_another_host_key_is_not_spoken_to(
    far: SandboxEngine, sshd: Sshd, tmp_path: Path, open_engines: Opening
) -> None:
    other = new_key(tmp_path).with_suffix(".pub").read_text()
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{sshd.port} {other}")
    engines = open_engines(site_of(far, ssh=ssh_with(sshd, known_hosts=str(known))))
    assert why(engines).startswith("its host key is not the one in ssh.known_hosts; find out why")


def test_a_host_that_is_not_known_is_not_spoken_to(
    far: SandboxEngine, sshd: Sshd, tmp_path: Path, open_engines: Opening
) -> None:
    (tmp_path / "known_hosts").touch()
    engines = open_engines(site_of(far, ssh=ssh_with(sshd, known_hosts=str(tmp_path / "known_hosts"))))
    assert why(engines) == "its host key is not in ssh.known_hosts of this engine"


def test_a_key_that_is_not_let_in(
    far: SandboxEngine, sshd: Sshd, tmp_path: Path, open_engines: Opening
) -> None:
    engines = open_engines(site_of(far, ssh=ssh_with(sshd, key={"file": str(new_key(tmp_path))})))
    assert why(engines) == "it did not accept our SSH key; see ssh.key of this engine"


def test_a_socket_that_is_not_there(far: SandboxEngine, sshd: Sshd, open_engines: Opening) -> None:
    url = f"ssh://{sshd.user}@127.0.0.1:{sshd.port}/nowhere/docker.sock"
    assert why(open_engines(site_of(far, url=url))) == (
        f"/nowhere/docker.sock there cannot be opened; does dockerd run, and is `{sshd.user}` "
        "in the group `docker`?"
    )


def test_a_port_that_nobody_listens_on(far: SandboxEngine, open_engines: Opening) -> None:
    engines = open_engines(site_of(far, url=f"ssh://root@127.0.0.1:{free_port()}"))
    began = time.monotonic()
    assert why(engines) == "connection refused"
    assert why(engines) == "connection refused"  # also when it is asked again at once
    assert time.monotonic() - began < CONNECT_SECONDS


def test_a_port_that_never_answers(far: SandboxEngine, open_engines: Opening) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        engines = open_engines(site_of(far, url=f"ssh://root@127.0.0.1:{server.getsockname()[1]}"))
        began = time.monotonic()
        assert why(engines) == "no answer in time"
        assert time.monotonic() - began < CONNECT_SECONDS + 0.5


def test_a_key_that_others_can_read_stops_the_worker_at_its_start(
    far: SandboxEngine, sshd: Sshd, tmp_path: Path, open_engines: Opening
) -> None:
    key = new_key(tmp_path)
    key.chmod(0o644)
    with pytest.raises(ConfigError, match=r"can be read by others.*chmod 600"):
        open_engines(site_of(far, ssh=ssh_with(sshd, key={"file": str(key)}))).prepare()


@pytest.mark.parametrize("kind", ["no key", "locked"])
def test_a_key_that_cannot_be_used_stops_the_worker_at_its_start(
    far: SandboxEngine, sshd: Sshd, tmp_path: Path, kind: str, open_engines: Opening
) -> None:
    key = new_key(tmp_path)
    if kind == "locked":
        subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a passphrase", "-f", key], check=True)
    else:
        key.write_text("no key\n")
    with pytest.raises(ConfigError, match="without a passphrase"):
        open_engines(site_of(far, ssh=ssh_with(sshd, key={"file": str(key)}))).prepare()


def test_a_file_that_is_not_there_stops_the_worker_at_its_start(
    far: SandboxEngine, sshd: Sshd, open_engines: Opening
) -> None:
    with pytest.raises(ConfigError, match=r"engines\.far\.ssh: /nowhere/known_hosts cannot be read"):
        open_engines(site_of(far, ssh=ssh_with(sshd, known_hosts="/nowhere/known_hosts"))).prepare()


def test_a_model_of_the_file_has_both(sshd: Sshd) -> None:
    ssh = EngineSsh(key=SecretReference(file=sshd.key), known_hosts=sshd.known_hosts)
    assert Engine(url="ssh://a@h:22", environment="dev", ssh=ssh).ssh == ssh
