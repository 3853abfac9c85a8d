"""What a listing of VMs shows: its columns, their order, and how old it is."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from andock.operation import Table
from andock.ports.sites import Listing
from andock.ports.vsphere import VmRow

SHOWN = ("name", "power", "address", "environment", "host", "folder", "site")


@dataclass(frozen=True, slots=True)
class Column:
    """How a VM is shown in one column, and what it is sorted by there."""

    text: Callable[[VmRow, datetime], str]
    key: Callable[[VmRow], Any]


def _plain(name: str) -> Column:
    def text(row: VmRow, _now: datetime) -> str:
        return str(getattr(row, name))

    return Column(text, lambda row: str(getattr(row, name)).casefold())


def say_tools(row: VmRow) -> str:
    """Whether VMware Tools run in its guest, and whether they are old."""
    if row.tools_version == "none":
        return "none"
    return ("running" if row.tools_running else "stopped") + (", old" if row.tools_version == "old" else "")


def _say_snapshot(row: VmRow, now: datetime) -> str:
    return "" if row.oldest_snapshot is None else say_span(now - row.oldest_snapshot)


def _address_key(row: VmRow) -> tuple[int, int]:
    """Addresses in the order of their numbers; those without one last."""
    if not row.ip:
        return (9, 0)
    address = ipaddress.ip_address(row.ip)
    return (address.version, int(address))


def _snapshot_key(row: VmRow) -> float:
    """The oldest first; those without one last."""
    return float("inf") if row.oldest_snapshot is None else row.oldest_snapshot.timestamp()


COLUMNS: Mapping[str, Column] = {
    "name": _plain("name"),
    "power": Column(lambda row, _: row.power.value, lambda row: row.power.value),
    "address": Column(lambda row, _: row.ip, _address_key),
    "environment": _plain("environment"),
    "host": _plain("host"),
    "folder": _plain("folder"),
    "site": _plain("site"),
    "tools": Column(lambda row, _: say_tools(row), say_tools),
    "tags": Column(lambda row, _: ", ".join(row.labels), lambda row: row.labels),
    "snapshot": Column(_say_snapshot, _snapshot_key),
    "id": _plain("id"),
    "uuid": _plain("uuid"),
    "path": _plain("path"),
}


def sort_rows(rows: Sequence[VmRow], column: str, *, reverse: bool) -> list[VmRow]:
    """The rows in the order of a column; within the same, by name and site."""
    ordered = sorted(rows, key=lambda row: (row.name.casefold(), row.site))
    return sorted(ordered, key=COLUMNS[column].key, reverse=reverse)


def make_table(rows: Sequence[VmRow], columns: Sequence[str], now: datetime) -> Table:
    """The rows as people see them."""
    texts = [COLUMNS[column].text for column in columns]
    return Table(columns=tuple(columns), rows=tuple(tuple(text(row, now) for text in texts) for row in rows))


def tell_age(listing: Listing[VmRow]) -> tuple[str, ...]:
    """One note about how old the rows are, if they come out of the index."""
    if not listing.ages:
        return ()
    said = ", ".join(f"{age.site} as it was {max(1, round(age.seconds))} s ago" for age in listing.ages)
    return (f"{said}; `--fresh` asks vCenter itself",)


def say_span(span: timedelta) -> str:
    """A span in its two greatest units: `3 d 4 h`."""
    hours, rest = divmod(span.seconds, 3600)
    parts = [(span.days, "d"), (hours, "h"), (rest // 60, "min")]
    said = [f"{number} {unit}" for number, unit in parts if number][:2]
    return " ".join(said) or "less than a minute"
