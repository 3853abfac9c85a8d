"""How large a snapshot is, from layouts as a vCenter answers them."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from pyVmomi import vim

from workers.vsphere.properties import Entity
from workers.vsphere.snapshots import sizes_of


def reference(identifier: str) -> Any:
    return vim.vm.Snapshot(identifier, None)  # type: ignore[call-arg]  # pyVmomi's managed objects take an id


def disks(*units: int) -> list[Any]:
    """One disk whose chain has these files."""
    return [SimpleNamespace(chain=[SimpleNamespace(fileKey=[unit]) for unit in units])]


def layout(snapshot: str, data: int, memory: int | None, *units: int) -> Any:
    return SimpleNamespace(key=reference(snapshot), dataKey=data, memoryKey=memory, disk=disks(*units))


def entity(files: Mapping[int, int], now: list[Any], *layouts: Any) -> Entity:
    values = {
        "layoutEx.file": [SimpleNamespace(key=key, size=size) for key, size in files.items()],
        "layoutEx.disk": now,
        "layoutEx.snapshot": list(layouts),
    }
    return Entity("vm-1", None, values)


FILES = {0: 1_000_000, 1: 5_000, 2: 700, 10: 11, 11: 13, 12: 2_048}


def test_data_memory_and_what_was_written_since_are_counted_to_it() -> None:
    vm = entity(FILES, disks(0, 1, 2), layout("s-1", 10, -1, 0), layout("s-2", 11, 12, 0, 1))
    sizes = sizes_of(vm, {"s-1": "", "s-2": "s-1"}, "s-2")
    assert sizes == {"s-1": 11 + 5_000, "s-2": 13 + 2_048 + 700}


def test_two_that_stand_on_one_are_both_counted_to_it() -> None:
    vm = entity(FILES, disks(0, 2), layout("s-1", 10, None, 0), layout("s-2", 11, None, 0, 1))
    assert sizes_of(vm, {"s-1": "", "s-2": "s-1"}, "s-1") == {"s-1": 11 + 5_000 + 700, "s-2": 13}


def test_without_a_layout_nothing_is_claimed() -> None:
    vm = entity(FILES, disks(0))
    assert sizes_of(vm, {"s-1": ""}, "s-1") == {}
