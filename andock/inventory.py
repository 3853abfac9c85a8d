"""The inventory index: every VM as its vCenter's watcher last heard of it, in Redis, and how old that is.

A watcher fills it (`andock.indexing`); who reads gets nothing at all when it is missing or stale, and asks
vCenter instead. Half a filling is never seen: a new one is put in the old one's place at once.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, make_dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from redis.client import Pipeline

from andock.ledger import Ledger
from andock.ports.vsphere import PowerState, VmRow

log = structlog.get_logger()
STALE = 30_000  # ms after which what the index says counts no more
_STORED = tuple(field.name for field in fields(VmRow) if field.name != "site")
FORMAT = ",".join((*_STORED, "tags_as_of"))  # an index that another version has written is as good as none
_SNAPSHOT = _STORED.index("oldest_snapshot")
_STATES = {state.value: state for state in PowerState}
# A row that is not frozen yet: a frozen one sets each of its fields through `object`, which takes three times
# as long, and there may be ten thousand.
_Open: Any = make_dataclass("_Open", [field.name for field in fields(VmRow)], slots=True)


@dataclass(frozen=True, slots=True)
class IndexKeys:
    """The keys in Redis that hold one site's index."""

    meta: str  # hash: who writes it, until when, its epoch, its format, as of when
    rows: str  # hash: id -> row
    names: str  # zset, all of score 0: name in lower case, NUL, id
    paths: str  # the same of inventory paths

    @property
    def contents(self) -> tuple[str, str, str]:
        """The keys that are filled anew."""
        return self.rows, self.names, self.paths


@dataclass(frozen=True, slots=True)
class Aged:
    """What the index says of one site, and how many seconds old that is.

    Attributes:
        tags_age: how many seconds old the VMs' tags are; None when they are not known, and no row has any.
    """

    rows: tuple[VmRow, ...]
    age: float
    tags_age: float | None

    @property
    def tagged(self) -> bool:
        """Whether the VMs' tags are known."""
        return self.tags_age is not None


class Inventory:
    """Reads the index. Every method gives None where it is missing or stale: then vCenter has to be asked.

    Raises redis' own errors when Redis is away.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def age(self, site: str) -> float | None:
        """How many seconds old the index of this site is."""
        found = self._run(site, "none")
        return None if found is None else found.age

    def named(self, site: str, name: str) -> Aged | None:
        """The VMs with this name, inventory path or id; names compare without case."""
        return self._run(site, "named", fold(name), name)

    def borne(self, site: str, ids: Sequence[str]) -> Aged | None:
        """The VMs with these ids, in this order; those that it does not know are left out."""
        return self._run(site, "borne", *ids)

    def starting(self, site: str, prefix: str, *, most: int) -> Aged | None:
        """The first VMs whose name begins so, by name."""
        return self._run(site, "starting", fold(prefix), most)

    def rows(self, site: str) -> Aged | None:
        """All VMs of the site, in no order."""
        keys = keys_of(self._ledger, site)
        looks = self._ledger.redis.pipeline()
        self._look(keys, "none", within=looks)
        looks.hvals(keys.rows)  # not by the script: Lua would copy every row
        answer, rows = looks.execute()
        return self._tell(site, answer, b"[%b]" % b",".join(rows))

    def names(self, site: str) -> tuple[str, ...] | None:
        """The names of all VMs of the site."""
        found = self.rows(site)
        return None if found is None else tuple(row.name for row in found.rows)

    def _run(self, site: str, *args: str | int) -> Aged | None:
        answer = self._look(keys_of(self._ledger, site), *args)
        return self._tell(site, answer, answer[-1] if answer else b"")

    def _look(self, keys: IndexKeys, *args: str | int, within: Pipeline | None = None) -> Any:
        script = self._ledger.scripts.run
        return script("look", (keys.meta, *keys.contents), FORMAT, STALE, *args, within=within)

    def _tell(self, site: str, answer: Sequence[Any], rows: bytes) -> Aged | None:
        """What the script and the rows say; nothing where they say nothing."""
        if not answer:
            return None
        age, tags_age, _ = answer
        # one text for all rows: ten thousand texts would take longer to read
        try:
            with _collecting_later():
                read = tuple(_read(site, json.loads(rows)))
        except (ValueError, LookupError, TypeError) as error:
            log.error("damaged_index", site=site, error=type(error).__name__)  # noqa: TRY400  no row in the log
            return None
        tags_known = int(tags_age) >= 0
        return Aged(read, max(0, int(age)) / 1000, int(tags_age) / 1000 if tags_known else None)


def keys_of(ledger: Ledger, site: str, suffix: str = "") -> IndexKeys:
    """Where the index of a site lies; a suffix names another place, which nobody reads."""
    at = ledger.key("inventory", site)
    return IndexKeys(at, f"{at}:rows{suffix}", f"{at}:names{suffix}", f"{at}:paths{suffix}")


def fold(name: str) -> str:
    """A name or path as it is looked up; NUL ends a name in the index, so none may be in it."""
    return name.casefold().replace("\0", "")


def write_row(row: VmRow) -> str:
    """A row as it lies in the index."""
    values: list[Any] = [getattr(row, name) for name in _STORED]
    if row.oldest_snapshot is not None:
        values[_SNAPSHOT] = row.oldest_snapshot.timestamp()
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def members_of(row: VmRow) -> tuple[str, str]:
    """The row's members among names and among paths."""
    return f"{fold(row.name)}\0{row.id}", f"{fold(row.path)}\0{row.id}"


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Ten thousand rows at once would have Python look through all its objects again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read(site: str, rows: Sequence[Sequence[Any]]) -> Iterator[VmRow]:
    """Rows as they lie in the index. Raises ValueError, LookupError or TypeError for what is none."""
    for identifier, name, path, power, *middle, labels, snapshot in rows:
        oldest = None if snapshot is None else datetime.fromtimestamp(snapshot, UTC)
        row = _Open(site, identifier, name, path, _STATES[power], *middle, tuple(labels), oldest)
        row.__class__ = VmRow
        yield row
