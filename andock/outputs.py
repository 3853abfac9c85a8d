"""What is too large for a message, in Redis: compressed chunks, bounded, for a day."""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import cast

from andock.ledger import Ledger
from andock.ports.display import Kept

CHUNK = 64 * 1024  # bytes of one chunk before it is compressed
MOST_STORED = 4 * 1024 * 1024  # bytes in Redis
MOST_BYTES = 16 * 1024 * 1024  # bytes once it is unpacked again
KEPT = 86_400  # seconds
_ID = re.compile(r"r[a-z0-9]{6,40}-\d{1,4}-\d{1,3}\Z")


class Outputs:
    """All kept outputs of one installation."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, output: str) -> Writer:
        """Begin an output; its id is `<request>-<attempt>-<number>`."""
        return Writer(self._ledger, output)

    def read(self, output: str) -> Iterator[bytes]:
        """Its bytes, chunk by chunk; nothing when it is no longer kept.

        A chunk that unpacks to more than one holds, or to nothing, was not written by us and ends it.
        """
        if not _ID.match(output):
            return
        key = self._ledger.key("output", output)
        number = 0
        while (packed := cast("bytes | None", self._ledger.redis.lindex(key, number))) is not None:
            unpacking = zlib.decompressobj()
            try:
                piece = unpacking.decompress(packed, CHUNK + 1)
            except zlib.error:
                return
            if not piece or len(piece) > CHUNK or number > MOST_BYTES // CHUNK:
                return
            yield piece
            number += 1


class Writer:
    """Implements `Output`: one chunk is held here, the others are in Redis."""

    def __init__(self, ledger: Ledger, output: str) -> None:
        self._redis = ledger.redis
        self._lines = ledger.redactor.stream()
        self._key = ledger.key("output", output)
        self._id = output
        self._buffer = bytearray()
        self._chunks: deque[tuple[int, int]] = deque()  # bytes in Redis, bytes unpacked
        self._dropped = 0

    def write(self, piece: bytes) -> None:
        """Add to its end; its oldest chunks go when it grows too large."""
        self._buffer += piece
        while len(self._buffer) >= CHUNK:
            self._store(bytes(self._buffer[:CHUNK]))
            del self._buffer[:CHUNK]

    def write_lines(self, lines: Iterable[str]) -> None:
        """Add lines of text without the secrets in them."""
        if said := self._lines.feed("".join(f"{line}\n" for line in lines)):
            self.write(said.encode())

    def close(self) -> Kept:
        """Store the rest."""
        self.write(self._lines.close().encode())
        if self._buffer:
            self._store(bytes(self._buffer))
            self._buffer.clear()
        return Kept(self._id, sum(size for _, size in self._chunks), self._dropped)

    def _store(self, chunk: bytes) -> None:
        packed = zlib.compress(chunk)
        self._chunks.append((len(packed), len(chunk)))
        pipe = self._redis.pipeline()
        pipe.rpush(self._key, packed)
        while self._too_large():
            self._dropped += self._chunks.popleft()[1]
            pipe.lpop(self._key)
        pipe.expire(self._key, KEPT)
        pipe.execute()

    def _too_large(self) -> bool:
        stored = sum(packed for packed, _ in self._chunks)
        return stored > MOST_STORED or sum(size for _, size in self._chunks) > MOST_BYTES
