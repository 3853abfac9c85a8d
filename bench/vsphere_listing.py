"""Ten thousand machines: listing them, looking them up in the inventory index, and keeping that current."""

from __future__ import annotations

import gc
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from andock.inventory import Inventory
from andock.ledger import Ledger
from andock.operations.vm.filters import FilterParams, by_anything, by_name, chooser
from andock.ports.vsphere import PowerState, VmRow
from andock.signing import make_keys
from bench.lab import DisagreementError, Lab
from bench.listers import Listed, list_with
from bench.meters import most_resident_mib
from bench.rows import Row, at_most_for, compare, limit, middle
from config.installation import connect
from sandbox.installation.configuration import SITE, default_policy, describe_sites, write_configuration
from sandbox.processes import Child, start
from sandbox.redis_server import start_redis
from sandbox.vcenter import Inventory as Machines
from sandbox.vcenter import Vcenter, start_vcenter
from workers.vsphere.references import refer

WALL_OF_GOVMOMI = 0.75
CPU_OF_GOVMOMI = 0.45
OF_PYVMOMI = 0.5
MOST_LOOK_UP = 10.0  # ms
MOST_FILTER = 150.0  # ms
MOST_LATE = 1000.0  # ms
MOST_MEMORY = 150.0  # MiB
PATIENCE = 60.0  # seconds
TOLD = {"alarms": {"channel": "C0OPS"}, "events": {"channel": "C0OPS"}}  # the watcher's other threads
LISTERS = ("ours", "govmomi", "pyvmomi")


@dataclass(frozen=True)
class Watched:
    """A vCenter with many machines, its watcher and its index."""

    vcenter: Vcenter
    watcher: Child
    index: Inventory
    rows: tuple[VmRow, ...]


def measure(lab: Lab) -> list[Row]:
    """The rows of this family."""
    lab.close()  # an installation of another family would only get in the way
    with ExitStack() as undo:
        lab.tell(f"starting a vCenter with {lab.effort.machines} machines and a watcher")
        vcenter = undo.enter_context(_start_vcenter(lab))
        with _watch(lab, vcenter, {}) as watched:
            rows = [*_list(lab, vcenter), *_look_up(lab, watched), _change(lab, watched)]
        # told of other news first, the simulator's own notice of a change would not be the index's
        with _watch(lab, vcenter, TOLD) as watched:
            return [*rows, _weigh(lab, watched)]


@contextmanager
def _start_vcenter(lab: Lab) -> Iterator[Vcenter]:
    clusters = 8 if lab.effort.machines >= 1000 else 1
    machines = Machines(clusters=clusters, hosts=24, vms=lab.effort.machines // clusters)
    vcenter = start_vcenter(lab.state / "listing", inventory=machines)
    try:
        yield vcenter
    finally:
        vcenter.stop()


@contextmanager
def _watch(lab: Lab, vcenter: Vcenter, told: Mapping[str, object]) -> Iterator[Watched]:
    """A watcher that has filled its index; `told` is what of alarms and events it tells besides."""
    state = lab.state / "listing"
    with ExitStack() as undo:
        redis = start_redis(state)
        undo.callback(redis.stop)
        instance = f"bench-{os.getpid()}-{len(told)}"
        write_configuration(
            state / "config", describe_sites(instance, vcenter, {}, None, told), default_policy()
        )
        make_keys(state / "keys")
        environment = {
            **os.environ,
            "REDIS_URL": redis.url,
            "ANDOCK_CONFIG_DIR": str(state / "config"),
            "ANDOCK_KEYS_DIR": str(state / "keys"),
            "LAB_PASSWORD": vcenter.password,
        }
        command = [sys.executable, "-m", "workers", "watch", "vsphere", "vsphere"]
        watcher = start(command, log=state / "watcher.log", env=environment)
        undo.callback(watcher.stop)
        client = connect(redis.url)
        undo.callback(client.close)
        index = Inventory(Ledger(client, instance))
        _wait_until(lambda: index.age(SITE) is not None)
        found = index.rows(SITE)
        if found is None or len(found.rows) != len(vcenter.control.vms()):
            raise DisagreementError("the index and the simulator do not have the same machines")
        yield Watched(vcenter, watcher, index, found.rows)


def _list(lab: Lab, vcenter: Vcenter) -> list[Row]:
    """Ours and the peers, one listing each in turn."""
    listed: dict[str, list[Listed]] = {lister: [] for lister in LISTERS}
    for number in range(lab.effort.rounds + 1):
        for lister in LISTERS:
            found = list_with(lister, vcenter)
            if number:  # the first round fills the machine's caches
                listed[lister].append(found)
        if len({listing[-1].machines for listing in listed.values() if listing}) > 1:
            raise DisagreementError("ours and the peers did not list the same machines")
    wall = {lister: middle([one.wall for one in listed[lister]]) for lister in LISTERS}
    cpu = {lister: middle([one.cpu for one in listed[lister]]) for lister in LISTERS}
    lab.tell("; ".join(f"{one}: {wall[one]:.2f} s wall, {cpu[one]:.2f} s CPU" for one in LISTERS))
    what = "listing 10,000 VMs, 6 properties"

    def row(kind: str, figures: Mapping[str, float], peer: str, most: float) -> Row:
        name = f"{what}, {kind}, against {peer}"
        return compare(name, ours=figures["ours"], peer=figures[peer.lower()], most=most, unit="s")

    return [
        row("wall", wall, "govmomi", WALL_OF_GOVMOMI),
        row("client CPU", cpu, "govmomi", CPU_OF_GOVMOMI),
        row("wall", wall, "pyVmomi", OF_PYVMOMI),
        row("client CPU", cpu, "pyVmomi", OF_PYVMOMI),
    ]


def _look_up(lab: Lab, watched: Watched) -> list[Row]:
    """Single machines by name, prefix and id, and filters over all of them."""
    index, rows = watched.index, watched.rows
    gc.collect()
    gc.freeze()  # as the supervisor does before it forks workers: Python looks through none of that again
    sample = rows[:: max(1, len(rows) // lab.effort.commands)]
    looks: dict[str, list[float]] = {"name": [], "prefix": [], "id": []}
    for row in sample:
        looks["name"].append(_time(partial(index.named, SITE, row.name.upper())))
        looks["id"].append(_time(partial(index.named, SITE, row.id)))
        looks["prefix"].append(_time(partial(index.starting, SITE, row.name[:-1], most=25)))
    filters = [
        _time(partial(_filter, index, choose))
        for _ in range(lab.effort.rounds * 4)
        for choose in _choosers(rows[0])
    ]
    worst = {what: at_most_for(0.99, times) for what, times in looks.items()}
    lab.tell(f"look-ups p99 {worst}, filters median {middle(filters):.0f} ms")
    return [
        limit(
            "index look-up among 10,000 by name, prefix or id, p99",
            ours=max(worst.values()),
            most=MOST_LOOK_UP,
            unit="ms",
        ),
        limit("index filter over 10,000, p99", ours=at_most_for(0.99, filters), most=MOST_FILTER, unit="ms"),
    ]


def _choosers(row: VmRow) -> list[Callable[[VmRow], bool]]:
    now = datetime.now(UTC)
    options = (
        FilterParams(power=PowerState.OFF),
        FilterParams(host=row.host),
        FilterParams(folder="prod"),
        FilterParams(ip="10.77.3.0/24"),
        FilterParams(tag=("env=prod",), tools="old"),
        FilterParams(snapshot_older=timedelta(days=3)),
    )
    return [*(chooser(params, now) for params in options), by_name("*_VM77*"), by_anything("10.77.3.")]


def _filter(index: Inventory, choose: Callable[[VmRow], bool]) -> Sequence[VmRow]:
    found = index.rows(SITE)
    if found is None:
        raise DisagreementError("the index is gone")
    return [row for row in found.rows if choose(row)]


def _time(call: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _change(lab: Lab, watched: Watched) -> Row:
    """From vCenter's notice of a change to the index."""
    late = _turn(lab, watched)
    lab.tell(f"{len(late)} changes, median {middle(late):.0f} ms after vCenter's notice")
    return limit(
        "a change is in the index of 10,000 VMs after vCenter's notice, the latest",
        ours=max(late),
        most=MOST_LATE,
        unit="ms",
    )


def _weigh(lab: Lab, watched: Watched) -> Row:
    """What the watcher held at most, with alarms and events told and machines turned on and off."""
    _turn(lab, watched)
    memory = most_resident_mib(watched.watcher.pid)
    return limit("watcher of 10,000 VMs, the most resident", ours=memory, most=MOST_MEMORY, unit="MiB")


def _turn(lab: Lab, watched: Watched) -> list[float]:
    """Turn machines on and off; how many ms after vCenter's notice each change was in the index."""
    control, late = watched.vcenter.control, list[float]()
    with _somebody(watched.vcenter) as service:
        for row in itertools.islice(watched.rows, 0, None, max(1, len(watched.rows) // lab.effort.questions)):
            machine: Any = refer(vim.VirtualMachine, row.id, service._stub)  # noqa: SLF001  pyVmomi's own way
            off = row.power is PowerState.ON
            control.notices()
            (machine.PowerOffVM_Task if off else machine.PowerOnVM_Task)()
            wanted = PowerState.OFF if off else PowerState.ON
            _wait_until(partial(_has_power, watched.index, row.id, wanted))
            seen = datetime.now(UTC)
            late.append((seen - control.notices()[0]).total_seconds() * 1000)
    return late


@contextmanager
def _somebody(vcenter: Vcenter) -> Iterator[Any]:
    """The vCenter as its own client uses it."""
    service = SmartConnect(  # type: ignore[no-untyped-call]  # pyVmomi
        host=vcenter.host,
        port=vcenter.port,
        user=vcenter.user,
        pwd=vcenter.password,
        disableSslCertValidation=True,
        httpConnectionTimeout=PATIENCE,
    )
    try:
        yield service
    finally:
        Disconnect(service)  # type: ignore[no-untyped-call]  # pyVmomi


def _has_power(index: Inventory, vm: str, wanted: PowerState) -> bool:
    found = index.named(SITE, vm)
    return found is not None and bool(found.rows) and found.rows[0].power is wanted


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come to pass")
        time.sleep(0.002)
