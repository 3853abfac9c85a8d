"""Who lists the machines of a vCenter: Andock's reader, pyVmomi's property collector in bulk, and govmomi.

Each listing runs in a process of its own, which has logged in before the clock starts.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from config.sites import SecretReference, Vcenter, VcenterTls
from sandbox.vcenter import Vcenter as Simulator
from sandbox.vcenter.binary import CACHE, GO_PATH
from workers.vsphere import Sessions
from workers.vsphere.properties import IN_VIEW, specify, stream, view_all

PROPERTIES = (
    "name",
    "parent",
    "config.uuid",
    "runtime.powerState",
    "runtime.host",
    "guest.toolsRunningStatus",
)
SOURCE = Path(__file__).resolve().parent / "govmomi" / "main.go"
SECONDS = 120
SITE = "lab"
Machines = list[tuple[str, str]]  # name and power state, as vCenter calls it


@dataclass(frozen=True)
class Listed:
    """What a listing took, in seconds, and what it found."""

    wall: float
    cpu: float
    machines: frozenset[tuple[str, str]]


def list_with(lister: str, vcenter: Simulator) -> Listed:
    """One listing by `ours`, `pyvmomi` or `govmomi`."""
    if lister == "govmomi":
        argv = [
            str(build_lister()),
            f"-address={vcenter.host}:{vcenter.port}",
            f"-properties={','.join(PROPERTIES)}",
        ]
    else:
        argv = [sys.executable, "-m", "bench.listers", lister]
    env = {
        **os.environ,
        "BENCH_VCENTER_HOST": vcenter.host,
        "BENCH_VCENTER_PORT": str(vcenter.port),
        "BENCH_VCENTER_USER": vcenter.user,
        "BENCH_VCENTER_PASSWORD": vcenter.password,
    }
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=SECONDS)
    said = json.loads(done.stdout.splitlines()[-1])
    return Listed(said["wall"], said["cpu"], frozenset((name, power) for name, power in said["machines"]))


def build_lister() -> Path:
    """The Go program, built if its source changed since it was built last."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    binary = CACHE / "bench" / digest / "govmomi"
    binary.parent.mkdir(parents=True, exist_ok=True)
    with (binary.parent.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            go = {"GO111MODULE": "off", "GOPATH": str(GO_PATH), "GOCACHE": str(CACHE / "go"), "GOFLAGS": ""}
            unfinished = binary.with_suffix(".part")
            command = ["go", "build", "-o", str(unfinished), str(SOURCE)]
            subprocess.run(command, env={**os.environ, **go}, check=True, timeout=900)
            unfinished.rename(binary)
    return binary


def _measure(listing: Callable[[], Machines]) -> None:
    began, before = time.perf_counter(), _spent()
    machines = listing()
    said = {"wall": time.perf_counter() - began, "cpu": _spent() - before, "machines": machines}
    print(json.dumps(said))


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _run_ours() -> None:
    entry = Vcenter(
        host=os.environ["BENCH_VCENTER_HOST"],
        port=int(os.environ["BENCH_VCENTER_PORT"]),
        user=os.environ["BENCH_VCENTER_USER"],
        password=SecretReference(env="BENCH_VCENTER_PASSWORD"),
        tls=VcenterTls(verify=False),
        environment="dev",
    )
    password = SecretStr(os.environ["BENCH_VCENTER_PASSWORD"])
    session = Sessions({SITE: entry}, {SITE: password}, Path()).open(SITE)
    _ = session.login.version

    wanted: Mapping[type, Sequence[str]] = {vim.VirtualMachine: PROPERTIES}

    def listing() -> Machines:
        with view_all(session, list(wanted)) as view:
            found = list(stream(session, specify([view], IN_VIEW, wanted, skip=True)))
        return [(vm.values["name"], vm.values["runtime.powerState"]) for vm in found]

    try:
        _measure(lambda: session.read(lambda _: listing()))
    finally:
        session.close()


def _run_pyvmomi() -> None:
    service = SmartConnect(  # type: ignore[no-untyped-call]  # pyVmomi
        host=os.environ["BENCH_VCENTER_HOST"],
        port=int(os.environ["BENCH_VCENTER_PORT"]),
        user=os.environ["BENCH_VCENTER_USER"],
        pwd=os.environ["BENCH_VCENTER_PASSWORD"],
        disableSslCertValidation=True,
    )
    _measure(lambda: _list_in_bulk(service))
    Disconnect(service)  # type: ignore[no-untyped-call]  # pyVmomi


def _list_in_bulk(service: Any) -> Machines:
    collector: Any = vmodl.query.PropertyCollector
    content = service.content
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    way = collector.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
    subject = collector.ObjectSpec(obj=view, skip=True, selectSet=[way])
    wanted = collector.PropertySpec(type=vim.VirtualMachine, pathSet=list(PROPERTIES))
    specification = collector.FilterSpec(objectSet=[subject], propSet=[wanted])
    rows: Machines = []
    page = content.propertyCollector.RetrievePropertiesEx([specification], collector.RetrieveOptions())
    while page is not None:
        for one in page.objects:
            values = {prop.name: prop.val for prop in one.propSet}
            rows.append((values["name"], str(values["runtime.powerState"])))
        page = content.propertyCollector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    view.DestroyView()
    return rows


def main(argv: Sequence[str]) -> None:
    """Make one listing and print what it took."""
    {"ours": _run_ours, "pyvmomi": _run_pyvmomi}[argv[1]]()


if __name__ == "__main__":
    main(sys.argv)
