"""Filling the inventory index of one site and keeping it current: one writer at a time."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from andock.inventory import FORMAT, keys_of, members_of, write_row
from andock.ledger import Ledger
from andock.ports.vsphere import VmRow
from andock.redaction import Redactor

T = TypeVar("T")
HOLD = 10_000  # ms that the index stays a writer's own after its last sign of life
KEPT = 3_600  # seconds that an index is kept that nobody writes
_BATCH = 500  # rows in one script


class IndexLostError(Exception):
    """Somebody else writes this index now, or it was taken away: it has to be filled anew, or left alone."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """What became of one VM's row: as it was written last and as it is now; None for not there."""

    id: str
    old: VmRow | None
    new: VmRow | None

    @property
    def flat(self) -> tuple[str, ...]:
        """As the script takes it."""
        old = ("", "") if self.old is None else members_of(self.old)
        new = ("", "") if self.new is None else members_of(self.new)
        return (self.id, "" if self.new is None else write_row(self.new), *old, *new)


class IndexWriter:
    """One watcher's hold on one site's index; what it writes is without secrets.

    Of several watchers one writes, and the others stand by: `hold` says who. A filling is an epoch; changes
    are only taken on top of the filling that they belong to. Raises redis' own errors when Redis is away.
    """

    def __init__(self, ledger: Ledger, site: str) -> None:
        self._scripts = ledger.scripts
        self._redactor = ledger.redactor
        self._keys = keys_of(ledger, site)
        self._next = keys_of(ledger, site, ":next")
        self._owner = secrets.token_hex(8)
        self._epoch = 0

    def hold(self) -> bool:
        """Be the writer, or go on being it; False while another one is."""
        return bool(self._scripts.run("index_hold", [self._keys.meta], self._owner, HOLD, KEPT))

    def release(self) -> None:
        """Let another one write; what is there stays, and grows old."""
        self._scripts.run("index_release", [self._keys.meta], self._owner)

    def fill(self, rows: Sequence[VmRow], *, lag: float, tagged: bool, tags_lag: float = 0.0) -> None:
        """Put these rows in the place of all that there are.

        Args:
            rows: every VM of the site.
            lag: seconds that have gone by since they were like this.
            tagged: whether the VMs' tags are known; else no row has any.
            tags_lag: seconds that have gone by since the tags were like this.

        Raises:
            IndexLostError: somebody else is the writer.
        """
        keys = [self._keys.meta, *self._next.contents]
        for number, batch in enumerate(_batches(rows)):
            hidden = hide_in_rows(batch, self._redactor)
            flat = [part for row in hidden for part in (row.id, write_row(row), *members_of(row))]
            self._run("index_fill", keys, HOLD, int(number == 0), *flat)
        keys = [self._keys.meta, *self._keys.contents, *self._next.contents]
        self._epoch = self._run(
            "index_publish", keys, HOLD, KEPT, FORMAT, int(lag * 1000), _since(tags_lag, tagged)
        )

    def change(
        self, changes: Sequence[RowChange], *, lag: float, tagged: bool, tags_lag: float = 0.0
    ) -> None:
        """Let rows come, change and go, and say that the index is as of `lag` seconds ago; also without any.

        The arguments are those of `fill`.

        Raises:
            IndexLostError: somebody else is the writer, or the index was taken away.
        """
        keys = [self._keys.meta, *self._keys.contents]
        batches = list(_batches(changes))
        for number, batch in enumerate(batches, 1):
            as_of = int(lag * 1000) if number == len(batches) else -1
            flat = [part for change in self._hidden(batch) for part in change.flat]
            self._run("index_change", keys, HOLD, KEPT, self._epoch, as_of, _since(tags_lag, tagged), *flat)

    def _hidden(self, changes: Sequence[RowChange]) -> Iterator[RowChange]:
        rows = [row for change in changes for row in (change.old, change.new) if row is not None]
        hidden = iter(hide_in_rows(rows, self._redactor))
        for change in changes:
            old = None if change.old is None else next(hidden)
            yield RowChange(change.id, old, None if change.new is None else next(hidden))

    def _run(self, script: str, keys: Sequence[str], *args: str | int) -> int:
        answer = int(self._scripts.run(script, keys, self._owner, *args))
        if not answer:
            raise IndexLostError
        return answer


def _since(tags_lag: float, tagged: bool) -> int:
    return int(tags_lag * 1000) if tagged else -1


def hide_in_rows(rows: Sequence[VmRow], redactor: Redactor) -> Sequence[VmRow]:
    """The rows with secrets hidden that somebody put into a name, a folder or a tag."""
    # one look at all texts together, since nearly no row holds anything
    if not redactor.find("\n".join(text for row in rows for text in (row.path, row.host, *row.labels))):
        return rows
    hide = redactor.redact
    return [
        replace(
            row,
            name=hide(row.name),
            path=hide(row.path),
            host=hide(row.host),
            labels=tuple(hide(label) for label in row.labels),
        )
        for row in rows
    ]


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts that fit into one script; at least one, which may be empty."""
    for at in range(0, max(1, len(items)), _BATCH):
        yield items[at : at + _BATCH]
