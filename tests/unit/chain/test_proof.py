"""Whatever is done to the record on disk, its first bad line is named, with what was done to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andock.audit import Event
from andock.chain.lines import Head, Link, bind, write_body
from andock.chain.proof import Fault, Proof, Wrong, verify
from andock.chain.writer import ChainWriter
from andock.signing import load_audit_key, load_verifier, make_keys
from tests.unit.chain.conftest import NOON, Book

DAY = 86_400.0


def check(book: Book, *heads: Head) -> Proof:
    return verify(book.folder, book.key, heads)


def fault_of(book: Book, *heads: Head) -> Fault:
    proof = check(book, *heads)
    assert proof.fault is not None
    return proof.fault


def test_an_untouched_record_is_whole(book: Book) -> None:
    book.write(3)
    book.write(4)

    proof = check(book)

    assert proof.fault is None
    assert (proof.first, proof.head.seq, proof.count, proof.files) == (1, 7, 7, 1)
    assert book.writer is not None
    assert proof.head == book.writer.head


def changed_text(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4].replace(b"the 5th", b"the 6th"), *lines[5:]]


def changed_time(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4].replace(b'"recorded_at":1', b'"recorded_at":2'), *lines[5:]]


def changed_number(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4].replace(b'"seq":5', b'"seq":9'), *lines[5:]]


def changed_mac(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4][:-67] + b"0" * 64 + b'"}\n', *lines[5:]]


def garbled(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], b"\0" * len(lines[4][:-1]) + b"\n", *lines[5:]]


def emptied(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], b"\n", *lines[5:]]


def removed(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], *lines[5:]]


def several_removed(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], *lines[8:]]


def removed_and_renumbered(lines: list[bytes]) -> list[bytes]:
    later = [line.replace(b'"seq":%d,' % number, b'"seq":%d,' % (number - 1)) for number, line in
             enumerate(lines[5:], 6)]  # fmt: skip
    return [*lines[:4], *later]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[5], lines[4], *lines[6:]]


def moved_to_the_end(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], *lines[5:], lines[4]]


def twice(lines: list[bytes]) -> list[bytes]:
    return [*lines[:5], lines[4], *lines[5:]]


def cut_in_its_middle(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4][:100]]


def without_its_end(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4][:-1]]


@pytest.mark.parametrize(
    ("change", "seq", "wrong"),
    [
        (changed_text, 5, Wrong.CHANGED),
        (changed_time, 5, Wrong.CHANGED),
        (changed_number, 5, Wrong.CHANGED),
        (changed_mac, 5, Wrong.CHANGED),
        (garbled, 5, Wrong.CHANGED),
        (emptied, 5, Wrong.CHANGED),
        (removed, 5, Wrong.REMOVED),
        (several_removed, 5, Wrong.REMOVED),
        (removed_and_renumbered, 5, Wrong.CHANGED),
        (swapped, 5, Wrong.REORDERED),
        (moved_to_the_end, 5, Wrong.REORDERED),
        (twice, 5, Wrong.REORDERED),
        (cut_in_its_middle, 5, Wrong.CUT),
        (without_its_end, 5, Wrong.CUT),
    ],
)
def test_the_first_bad_record_and_what_was_done_to_it_are_named(
    book: Book, change: Callable[[list[bytes]], list[bytes]], seq: int, wrong: Wrong
) -> None:
    book.write(10)
    book.bend(change)

    fault = fault_of(book)

    assert (fault.seq, fault.wrong) == (seq, wrong)
    assert fault.where.startswith(book.files[0].name + ":")
    assert check(book).head.seq == (5 if change is twice else 4)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_altered_byte_goes_unnoticed(book: Book, data: st.DataObject) -> None:
    if not book.files:
        book.write(6)
        book.close()
    path = book.files[0]
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
    try:
        assert check(book).fault is not None
    finally:
        path.write_bytes(whole)


def test_a_record_that_was_put_in_is_noticed(book: Book, tmp_path: Path) -> None:
    """Somebody who holds a process' key but not the audit key adds a genuine record of that process."""
    book.write(4)
    forged = bind(b"guessed" * 5, book.lines()[-1][-67:-3], write_body(5, book.link(), NOON))
    book.bend(lambda lines: [*lines, forged])

    assert fault_of(book) == Fault(5, Wrong.CHANGED, f"{book.files[0].name}:5", "is not what was written")


# --- over several files ---------------------------------------------------------------------------------


def fill_days(book: Book, days: int) -> None:
    for _ in range(days):
        book.write(3)
        book.now += DAY


def test_the_chain_goes_on_over_files(book: Book) -> None:
    fill_days(book, 3)

    proof = check(book)

    assert [path.name for path in book.files] == [
        "000000000001-2026-11-24.jsonl",
        "000000000004-2026-11-25.jsonl",
        "000000000007-2026-11-26.jsonl",
    ]
    assert (proof.fault, proof.head.seq, proof.files) == (None, 9, 3)


def test_a_full_file_is_followed_by_another_of_the_same_day(book: Book) -> None:
    book.open(largest=2000)
    for _ in range(6):
        book.write(2)

    assert len(book.files) > 1
    assert all(path.name.endswith("2026-11-24.jsonl") for path in book.files)
    assert check(book).head.seq == 12


def test_a_removed_file_in_the_middle_is_named(book: Book) -> None:
    fill_days(book, 3)
    book.files[1].unlink()

    fault = fault_of(book)

    assert (fault.seq, fault.wrong) == (4, Wrong.REMOVED)
    assert "all up to 6" in fault.text


def test_a_removed_first_file_is_named(book: Book) -> None:
    fill_days(book, 3)
    book.files[0].unlink()

    assert (fault_of(book).seq, fault_of(book).wrong) == (1, Wrong.REMOVED)


def test_a_head_stands_for_files_that_were_moved_away(book: Book) -> None:
    fill_days(book, 1)
    assert book.writer is not None
    head = book.writer.head
    fill_days(book, 2)
    book.files[0].unlink()

    proof = check(book, head)

    assert (proof.fault, proof.first, proof.count) == (None, 4, 6)
    wrong = Head(head.seq, "0" * 64)
    assert (fault_of(book, wrong).seq, fault_of(book, wrong).wrong) == (4, Wrong.CHANGED)


def test_files_that_changed_places_are_noticed(book: Book) -> None:
    fill_days(book, 3)
    first, second, third = book.files
    second.rename(second.with_name("away"))
    third.rename(second)
    second.with_name("away").rename(third)

    assert (fault_of(book).seq, fault_of(book).wrong) == (4, Wrong.REORDERED)
    assert first.exists()


def test_a_renamed_file_is_noticed(book: Book) -> None:
    fill_days(book, 2)
    book.files[0].rename(book.folder / "000000000002-2026-11-24.jsonl")

    assert fault_of(book).wrong is Wrong.REMOVED


def test_lines_moved_into_the_next_file_are_still_the_same_record(book: Book) -> None:
    """What counts is the order of the lines; where a file begins is only its name's business."""
    fill_days(book, 2)
    first, second = book.files
    second.write_bytes(first.read_bytes() + second.read_bytes())
    first.write_bytes(b"")

    assert check(book).fault is None


def test_other_files_in_the_folder_are_left_alone(book: Book) -> None:
    book.write(2)
    (book.folder / "notes.txt").write_text("seen by nobody")
    (book.folder / "000000000001-2026-11-24.jsonl.gz").write_bytes(b"x")

    assert check(book).count == 2


# --- the end, and what a posted head proves -------------------------------------------------------------


def test_a_cut_tail_shows_by_a_head_given_by_hand(book: Book) -> None:
    book.write(10)
    assert book.writer is not None
    head = book.writer.head
    book.bend(lambda lines: lines[:7])

    fault = fault_of(book, head)

    assert (fault.seq, fault.wrong) == (8, Wrong.CUT)
    assert "the record ends at 7" in fault.text
    assert check(book).fault is None  # without it nothing shows


def test_a_record_written_anew_by_whoever_has_the_key_shows_by_a_head(book: Book, tmp_path: Path) -> None:
    book.write(5)
    assert book.writer is not None
    head = book.writer.head
    book.write(3)
    again = ChainWriter.open(tmp_path, book.key, confirmed=None)
    again.append([book.link(text="nothing happened") for _ in range(8)], NOON)
    again.close()

    fault = verify(tmp_path, book.key, [head]).fault

    assert fault is not None
    assert (fault.seq, fault.wrong) == (5, Wrong.CHANGED)


def test_what_lies_behind_the_last_posted_head_is_unprovable(book: Book) -> None:
    book.write(5)
    assert book.writer is not None
    head = book.writer.head
    book.write(1, process="recorder", event=Event.HEAD, text=str(head), channel="C0AUDIT")
    book.write(2)

    proof = check(book)

    assert proof.posted is not None
    assert (proof.posted.head, proof.posted.channel) == (head, "C0AUDIT")
    assert (proof.proven, proof.head.seq) == (5, 8)


def test_a_head_given_by_hand_proves_further_than_the_record_itself(book: Book) -> None:
    book.write(5)
    assert book.writer is not None
    first = book.writer.head
    book.write(1, process="recorder", event=Event.HEAD, text=str(first))
    book.write(2)

    assert check(book, book.writer.head, first).proven == 8


def test_words_about_heads_are_no_head(book: Book) -> None:
    book.write(1, text='"event":"head" "process":"recorder" 1:' + "0" * 64)
    book.write(1, event=Event.HEAD, text="1:" + "0" * 64)  # another process' word

    assert check(book).posted is None


def test_a_recorders_word_that_is_no_head_proves_nothing(book: Book) -> None:
    book.write(1, process="recorder", event=Event.HEAD, text="all is well")

    assert check(book).posted is None


def test_a_line_that_is_being_written_is_waited_for(book: Book) -> None:
    book.write(3)
    path, whole = book.files[0], book.files[0].read_bytes()
    path.write_bytes(whole[:-40])
    timer = threading.Timer(0.15, path.write_bytes, [whole])
    timer.start()
    try:
        assert check(book).fault is None
    finally:
        timer.join()


def test_an_empty_folder_proves_nothing_and_a_head_shows_what_is_gone(book: Book) -> None:
    assert check(book).count == 0
    assert fault_of(book, Head(3, "0" * 64)).wrong is Wrong.CUT


# --- keys -----------------------------------------------------------------------------------------------


def test_another_key_than_the_records_own_finds_the_first_record_bad(book: Book, tmp_path: Path) -> None:
    book.write(2)
    make_keys(tmp_path / "others")

    fault = verify(book.folder, load_audit_key(tmp_path / "others")).fault

    assert fault is not None
    assert fault.seq == 1


def test_each_records_own_signature_is_checked_on_request(book: Book) -> None:
    """The recorder's host was taken: it can bind anything, but sign only as the recorder."""
    book.write(3)
    genuine = book.link()
    altered = Link(
        genuine.entry,
        genuine.process,
        genuine.key_id,
        genuine.signature,
        genuine.record.replace(b"asked", b"denied"),
    )
    assert book.writer is not None
    book.writer.append([altered], NOON)
    book.write(1)

    assert check(book).fault is None
    proof = verify(book.folder, book.key, (), load_verifier(book.keys))
    assert proof.fault is not None
    assert (proof.fault.seq, proof.fault.wrong) == (4, Wrong.FORGED)


def test_the_recorder_cannot_sign_as_another(book: Book) -> None:
    by_recorder = book.link(process="recorder")
    assert book.writer is None
    claimed = Link(by_recorder.entry, "bot", by_recorder.key_id, by_recorder.signature, by_recorder.record)
    book.open().append([claimed], NOON)

    proof = verify(book.folder, book.key, (), load_verifier(book.keys))

    assert proof.fault is not None
    assert proof.fault.wrong is Wrong.FORGED
