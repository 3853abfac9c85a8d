"""What was confirmed is never cut off; what a crash left half written is, and it is said."""

from __future__ import annotations

import os
import resource
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from andock.chain.lines import Head, Link, read_lines
from andock.chain.proof import verify
from andock.chain.writer import ChainWriter, Hold
from andock.errors import ConfigError
from andock.signing import load_audit_key, make_keys
from tests.unit.chain.conftest import Book


def is_whole(book: Book) -> int:
    """How many records there are; all of them sound."""
    proof = verify(book.folder, book.key)
    assert proof.fault is None
    return proof.count


def test_a_record_begins_with_number_one(book: Book) -> None:
    writer = book.open()
    assert (writer.head, writer.entry, writer.mended) == (Head(0, "0" * 64), "0-0", "")

    book.write(2)

    assert [line.seq for line in read_lines(book.files)] == [1, 2]
    assert {stat.S_IMODE(path.stat().st_mode) for path in book.files} == {0o600}


def test_a_line_holds_the_record_as_its_process_signed_it(book: Book) -> None:
    link = book.link(text='with "quotes", ünïcode and a \n newline')
    book.open().append([link], book.now)

    (line,) = read_lines(book.files)

    assert line.link == link
    assert line.recorded_at == book.now


def test_the_record_goes_on_after_a_restart(book: Book) -> None:
    book.write(3)
    entry = book.writer.entry if book.writer else ""

    writer = book.open()
    assert (writer.head.seq, writer.entry, writer.mended) == (3, entry, "")
    book.write(2)

    assert is_whole(book) == 5
    assert len(book.files) == 1


@pytest.mark.parametrize("left", [1, 50, -75, -2, -1])
@pytest.mark.parametrize("confirmed", [None, 0, 3])
def test_a_line_that_a_crash_left_unfinished_is_cut_off_and_said(
    book: Book, left: int, confirmed: int | None
) -> None:
    book.write(4)
    book.bend(lambda lines: [*lines[:3], lines[3][:left]])

    writer = book.open(confirmed=confirmed)

    assert writer.head.seq == 3
    assert "behind record 3" in writer.mended
    book.write(1)
    assert is_whole(book) == 4


def test_a_confirmed_line_is_never_cut_off(book: Book) -> None:
    book.write(4)
    book.bend(lambda lines: [*lines[:3], lines[3][:-1]])
    before = book.files[0].read_bytes()

    with pytest.raises(ConfigError, match="record 4 is damaged"):
        book.open(confirmed=4)

    assert book.files[0].read_bytes() == before


def test_pages_that_a_power_cut_lost_are_cut_off_with_what_follows_if_nobody_confirmed_them(
    book: Book,
) -> None:
    book.write(6)
    book.bend(lambda lines: [*lines[:3], b"\0" * len(lines[3]) + lines[4], lines[5]])

    with pytest.raises(ConfigError, match="record 4 is damaged"):
        book.open(confirmed=None)  # it is not known what was confirmed: nothing whole is thrown away
    with pytest.raises(ConfigError, match="record 4 is damaged"):
        book.open(confirmed=5)
    writer = book.open(confirmed=3)

    assert writer.head.seq == 3
    assert writer.mended
    assert is_whole(book) == 3


def test_a_changed_record_stops_the_recorder_and_is_left_as_it_is(book: Book) -> None:
    book.write(4)
    book.bend(lambda lines: [*lines[:3], lines[3].replace(b"the 4th", b"the 5th")])
    before = book.files[0].read_bytes()

    for confirmed in (None, 0, 3, 4):
        with pytest.raises(ConfigError, match="record 4 was changed"):
            book.open(confirmed=confirmed)

    assert book.files[0].read_bytes() == before


def test_another_audit_key_stops_the_recorder(book: Book, tmp_path: Path) -> None:
    book.write(2)
    make_keys(tmp_path / "others")

    with pytest.raises(ConfigError, match=r"audit\.key is another"):
        ChainWriter.open(book.folder, load_audit_key(tmp_path / "others"), confirmed=None)


def test_a_file_with_nothing_but_an_unfinished_line_is_removed(book: Book) -> None:
    book.write(2)
    book.now += 86_400
    book.write(1)
    book.bend(lambda lines: [lines[0][:30]], number=1)

    writer = book.open()

    assert writer.head.seq == 2
    assert "behind record 2" in writer.mended
    assert len(book.files) == 1


def test_a_file_that_a_crash_left_empty_is_no_hindrance(book: Book) -> None:
    book.write(2)
    book.now += 86_400
    (book.folder / "000000000003-2026-11-25.jsonl").touch()

    book.open()
    book.write(1)

    assert is_whole(book) == 3


def test_the_files_before_may_have_been_moved_away(book: Book) -> None:
    book.write(2)
    book.now += 86_400
    book.write(2)
    head = Head(2, next(line.mac for line in read_lines(book.files) if line.seq == 2))
    book.close()
    book.files[0].unlink()

    book.open()
    book.write(1)

    assert verify(book.folder, book.key, [head]).count == 3


def test_the_clock_may_go_back_a_day(book: Book) -> None:
    book.write(1)
    book.now -= 86_400
    book.write(1)

    assert is_whole(book) == 2


def in_child(work: Callable[[], None]) -> int:
    """The exit status of a forked process that does this."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_what_a_full_disk_did_not_take_whole_is_taken_back(book: Book) -> None:
    book.write(3)
    writer = book.writer
    assert writer is not None
    links = [book.link() for _ in range(50)]

    def write_too_much() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = book.files[0].stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5_000, size + 5_000))
        try:
            writer.append(links, book.now)
        except OSError:
            os._exit(0)

    assert in_child(write_too_much) == 0
    assert is_whole(book) == 3


def test_a_killed_writer_leaves_a_record_that_goes_on(book: Book) -> None:
    def write_and_die() -> None:
        book.write(5)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(write_and_die) == -signal.SIGKILL

    assert book.open().head.seq == 5
    book.write(1)
    assert is_whole(book) == 6


@pytest.mark.parametrize("record", [b'{"a":1}\n{"b":2}', b"", b"[1]", b'{"a":1'])
def test_a_record_that_could_pass_for_two_is_not_taken(book: Book, record: bytes) -> None:
    with pytest.raises(ValueError, match="one line"):
        book.open().append([Link("1-1", "bot", "00", "00", record)], book.now)

    assert not book.files


def test_one_process_at_a_time_may_write(book: Book) -> None:
    first = Hold.take(book.folder)
    assert first is not None

    with first:
        assert Hold.take(book.folder) is None

    second = Hold.take(book.folder)
    assert second is not None
    with second:
        pass
