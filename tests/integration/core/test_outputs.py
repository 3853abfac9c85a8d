"""Large outputs on a real Redis: bounded there, bounded here, and for a day."""

from __future__ import annotations

import random
import tracemalloc
import zlib

import pytest

from andock.ledger import Ledger
from andock.outputs import CHUNK, KEPT, MOST_BYTES, MOST_STORED, Outputs
from andock.redaction import MARK, Redactor

ID = "rabcdefgh-1-1"


def test_what_was_written_comes_back_and_is_kept_for_a_day(ledger: Ledger) -> None:
    outputs = Outputs(ledger)
    writer = outputs.begin(ID)
    written = b"".join(f"line {number}\n".encode() for number in range(50_000))
    for at in range(0, len(written), 1000):
        writer.write(written[at : at + 1000])
    kept = writer.close()
    assert (kept.id, kept.size, kept.dropped) == (ID, len(written), 0)
    assert b"".join(outputs.read(ID)) == written
    key = ledger.key("output", ID)
    assert KEPT - 60 < ledger.redis.ttl(key) <= KEPT
    assert ledger.redis.llen(key) == len(written) // CHUNK + 1


def test_of_too_much_the_newest_is_kept(ledger: Ledger) -> None:
    outputs = Outputs(ledger)
    writer = outputs.begin(ID)
    for number in range(MOST_BYTES // CHUNK + 10):
        writer.write(bytes([number % 256]) * CHUNK)
    kept = writer.close()
    assert (kept.size, kept.dropped) == (MOST_BYTES, 10 * CHUNK)
    assert next(outputs.read(ID)) == bytes([10]) * CHUNK


def test_what_cannot_be_compressed_takes_no_more_of_redis_than_it_may(ledger: Ledger) -> None:
    noise = random.Random(1)  # noqa: S311  noise, no secret
    writer = Outputs(ledger).begin(ID)
    for _ in range(MOST_STORED // CHUNK + 5):
        writer.write(noise.randbytes(CHUNK))
    assert writer.close().dropped >= 5 * CHUNK
    stored = ledger.redis.lrange(ledger.key("output", ID), 0, -1)
    assert sum(len(chunk) for chunk in stored) <= MOST_STORED


def test_memory_does_not_grow_with_the_output(ledger: Ledger) -> None:
    writer = Outputs(ledger).begin(ID)
    writer.write(b"x" * CHUNK)
    tracemalloc.start()
    for number in range(50_000):
        writer.write(b"%06d: what a server writes about one request of many\n" % number)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    writer.close()
    assert most < 1_000_000


@pytest.mark.parametrize(
    "chunk", [b"no zlib", zlib.compress(b"x" * (CHUNK + 1)), zlib.compress(b""), zlib.compress(bytes(10**8))]
)
def test_a_chunk_that_is_none_of_ours_ends_the_output(ledger: Ledger, chunk: bytes) -> None:
    key = ledger.key("output", ID)
    ledger.redis.rpush(key, zlib.compress(b"ours"), chunk, zlib.compress(b"after"))
    assert list(Outputs(ledger).read(ID)) == [b"ours"]


@pytest.mark.parametrize("output", ["", "x", "../request", "rabcdefgh-1-1\n", "rabcdefgh:1"])
def test_no_other_key_can_be_read_as_an_output(ledger: Ledger, output: str) -> None:
    ledger.redis.rpush(ledger.key("output", output), zlib.compress(b"planted"))
    assert list(Outputs(ledger).read(output)) == []


def test_an_output_that_is_no_longer_kept_is_empty(ledger: Ledger) -> None:
    assert list(Outputs(ledger).read(ID)) == []


def test_no_secret_is_stored_of_the_lines_of_a_text_wherever_a_chunk_ends(ledger: Ledger) -> None:
    secret = "hunter2-hunter2"
    ledger = Ledger(ledger.redis, ledger.instance, Redactor([secret]))
    writer = Outputs(ledger).begin(ID)
    for number in range(CHUNK // 10):
        writer.write_lines([f"{number} {secret}"])
    writer.close()
    kept = b"".join(Outputs(ledger).read(ID)).decode()
    assert kept == "".join(f"{number} {MARK}\n" for number in range(CHUNK // 10))
