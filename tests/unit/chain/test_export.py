"""The `andock audit` commands, as they are typed on the host."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from andock.audit import Event
from andock.chain.export import read_moment
from tests.unit.chain.conftest import NOON, Book

ROOT = Path(__file__).resolve().parents[3]


def run(book: Book, *words: str, status: int = 0) -> str:
    """What the command says."""
    done = subprocess.run(
        [sys.executable, "-m", "andock", "audit", *words],
        cwd=ROOT,
        env={**os.environ, "ANDOCK_STATE_DIR": str(book.folder.parent), "ANDOCK_KEYS_DIR": str(book.keys)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == status, said
    return said


def test_a_whole_record_is_said_to_be_whole_and_how_far_that_is_proven(book: Book) -> None:
    book.write(3)
    assert book.writer is not None
    head = book.writer.head
    book.write(1, process="recorder", event=Event.HEAD, text=str(head), channel="C0AUDIT", at=NOON)
    book.write(1)

    said = run(book, "verify")

    assert "5 records, 1 to 5, in 1 file: all as they were written." in said
    assert f"Last posted, as the record says: {head} (2026-11-24 12:00 UTC, C0AUDIT)." in said
    assert "Unprovable: 2 records behind record 3 could be cut off without a trace." in said
    said = run(book, "verify", "--head", str(book.writer.head), "--signatures")
    assert "each is signed by its process" in said
    assert "The head given for record 5 fits." in said
    assert "nothing was cut off" in said


def test_the_first_bad_record_ends_with_exit_code_one(book: Book) -> None:
    book.write(5)
    book.bend(lambda lines: [*lines[:2], *lines[3:]])

    said = run(book, "verify", "--dir", str(book.folder), status=1)

    assert "NOT WHOLE: record 3 is missing (removed, 000000000001-2026-11-24.jsonl:3)." in said
    assert "Records 1 to 2 before it are as they were written." in said


def test_no_record_at_all_is_no_success(book: Book) -> None:
    assert "There is no record in" in run(book, "verify", status=1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("verify", "--head", "12"), "SEQ:HASH"),
        (("verify", "--head", "1:" + "0" * 64, "--head", "1:" + "1" * 64), "two different heads"),
        (("verify", "--dir", "/nowhere"), "there is no such folder"),
        (("verify", "--keys", "/nowhere"), "andock keys init"),
        (("export", "--format", "csv", "--since", "yesterday"), "write it like"),
        (("export",), "--format"),
    ],
)
def test_a_mistake_is_one_sentence(book: Book, words: tuple[str, ...], says: str) -> None:
    said = run(book, *words, status=2)

    assert says in said
    assert "Traceback" not in said


def test_nothing_in_a_csv_is_a_formula(book: Book) -> None:
    evil = ("=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "plain = text", "a,b\"c'\nd")
    for text in evil:
        book.write(1, text=text, command=text, targets=(text, "vm:lab/1 web-01"), seconds=1.5)

    rows = list(csv.DictReader(io.StringIO(run(book, "export", "--format", "csv"), newline="")))

    assert [row["text"].removeprefix("'") for row in rows] == list(evil)
    for row in rows:
        for cell in row.values():
            assert not cell or cell[0] not in "=+-@\t\r\n\uff1d"
    assert rows[0]["targets"] == "'=HYPERLINK(1);vm:lab/1 web-01"
    assert (rows[0]["seq"], rows[0]["at"], rows[0]["seconds"]) == (
        "1",
        "2026-11-24T12:00:00.000+00:00",
        "1.500",
    )


def test_jsonl_has_every_field_and_only_what_was_asked_for(book: Book) -> None:
    for _ in range(4):
        book.write(1, approvers=("T1/U0LEAD1",), plan="ab" * 32)
        book.now += 86_400

    said = run(book, "export", "--format", "jsonl", "--since", "2026-11-25", "--until", "2026-11-27")

    rows = [json.loads(line) for line in said.splitlines()]
    assert [row["seq"] for row in rows] == [2, 3]
    assert rows[0]["approvers"] == ["T1/U0LEAD1"]
    assert rows[0]["plan"] == "ab" * 32
    assert rows[0]["process"] == "worker"
    assert len(rows[0]["mac"]) == 64


def test_a_damaged_line_ends_the_export_with_a_sentence(book: Book) -> None:
    book.write(2)
    book.bend(lambda lines: [lines[0], b"{}\n"])

    assert "andock audit verify" in run(book, "export", "--format", "csv", status=2)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("7d", NOON - 7 * 86_400),
        ("1h30m", NOON - 5_400),
        ("2026-11-24", NOON - 43_200),
        ("2026-11-24T12:00", NOON),
        ("2026-11-24T13:00+01:00", NOON),
    ],
)
def test_times_are_dates_or_how_long_ago(text: str, moment: float) -> None:
    assert read_moment(text, NOON) == moment
