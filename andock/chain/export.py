"""The audit record for other programs: JSON lines, or CSV that a spreadsheet takes for text only."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from pydantic import ValidationError

from andock.audit import AuditRecord
from andock.chain.lines import Line
from andock.durations import read_duration
from andock.errors import ConfigError

# A spreadsheet runs what begins so; the last four are the wide forms that some read as well.
_FORMULA = re.compile(r"^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


@dataclass(frozen=True, slots=True)
class Exported:
    """One record with what its line says of it."""

    line: Line
    record: AuditRecord


def read_moment(text: str, now: float) -> float:
    """`2026-11-01`, `2026-11-01T12:30` (both UTC unless they say otherwise) or `7d` ago, since the epoch.

    Raises:
        ValueError: it is none of these.
    """
    try:
        return now - read_duration(text).total_seconds()
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "is no time; write it like `2026-11-01`, `2026-11-01T12:30` or `7d` for seven days ago"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def select(lines: Iterable[Line], since: float, until: float) -> Iterator[Exported]:
    """The records of what happened from `since` on and before `until`.

    Raises:
        ConfigError: one cannot be read.
    """
    for line in lines:
        try:
            record = AuditRecord.model_validate_json(line.link.record)
        except ValidationError as error:
            raise ConfigError(
                "cannot be read.", where=f"record {line.seq}", fix="see what `andock audit verify` says."
            ) from error
        if since <= record.at < until:
            yield Exported(line, record)


def write_jsonl(rows: Iterable[Exported], out: TextIO) -> None:
    """A JSON object for each record, with its number, process and MAC."""
    for row in rows:
        line = {
            "seq": row.line.seq,
            "recorded_at": row.line.recorded_at,
            "process": row.line.link.process,
            **row.record.model_dump(mode="json"),
            "mac": row.line.mac,
        }
        out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_csv(rows: Iterable[Exported], out: TextIO) -> None:
    """A row for each record; several values in one cell are separated by semicolons."""
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow(_harmless(value(row)) for value in _COLUMNS.values())


def _harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


_COLUMNS: Mapping[str, Callable[[Exported], str]] = {
    "seq": lambda row: str(row.line.seq),
    "at": lambda row: _moment(row.record.at),
    "event": lambda row: row.record.event.value,
    "request": lambda row: row.record.request,
    "attempt": lambda row: str(row.record.attempt),
    "operation": lambda row: row.record.operation,
    "command": lambda row: row.record.command,
    "actor": lambda row: row.record.actor,
    "name": lambda row: row.record.name,
    "author": lambda row: row.record.author,
    "channel": lambda row: row.record.channel,
    "rule": lambda row: row.record.rule,
    "plan": lambda row: row.record.plan,
    "approvers": lambda row: ";".join(row.record.approvers),
    "targets": lambda row: ";".join(row.record.targets),
    "environments": lambda row: ";".join(row.record.environments),
    "result": lambda row: row.record.result,
    "changed": lambda row: row.record.changed,
    "seconds": lambda row: "" if row.record.seconds is None else f"{row.record.seconds:.3f}",
    "text": lambda row: row.record.text,
    "id": lambda row: row.record.id,
    "process": lambda row: row.line.link.process,
    "recorded_at": lambda row: _moment(row.line.recorded_at),
    "mac": lambda row: row.line.mac,
}
