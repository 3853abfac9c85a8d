"""What the recorder says it has on disk, and how others wait for its word. Only its signature counts."""

from __future__ import annotations

import time
from typing import Literal, TypeAlias, cast

from pydantic import Field
from redis.exceptions import RedisError

from andock.errors import RecordNotConfirmedError, SignatureError
from andock.ledger import Ledger
from andock.operation import Value
from andock.signing import Signer, Verifier

RECORDER = "recorder"
SEALED = "sealed"  # the one field of an entry
_FIELD = SEALED.encode()
KEPT = 4_096  # receipts; some seconds' worth under the heaviest load
BLOCK = 500  # ms that one read waits; a client gives up on its socket after 2 s
SLACK = 1_000  # ms before the record's own place from which receipts are read: clocks of two Redis differ
SILENCE = 5.0  # seconds that a record waits to be confirmed before reads say so
TRUSTED = 100  # of the newest receipts are looked at for one that is genuine


Answer: TypeAlias = tuple[bytes, dict[bytes, bytes]]  # an entry of a stream: its place and its fields


def place_of(entry: str) -> tuple[int, int]:
    """An entry's place in the order of its stream: ms since the epoch by Redis' clock, and a number."""
    ms, _, number = entry.partition("-")
    return int(ms), int(number)


class AuditReceipt(Value):
    """Signed by the recorder when lines are on disk.

    It names each record: "everything up to here" could be bent by whoever deletes an entry in time.
    """

    version: Literal[1] = 1
    instance: str
    entry: str = Field(description="the last place on the stream that was read")
    seq: int = Field(description="the last record's number on disk")
    mac: str = Field(description="the last record's MAC")
    records: tuple[str, ...] = Field(description="ids of the records that came on disk since the last one")
    at: float = Field(description="seconds since the epoch")


class Receipts:
    """The small stream on which the recorder answers."""

    def __init__(self, ledger: Ledger, verifier: Verifier) -> None:
        self._ledger = ledger
        self._verifier = verifier
        self.stream = ledger.key("audit", "receipts")

    def publish(self, receipt: AuditReceipt, signer: Signer) -> None:
        """Say what is on disk."""
        sealed = signer.sign(receipt)
        self._ledger.redis.xadd(self.stream, {SEALED: sealed}, maxlen=KEPT, approximate=True)

    def latest(self) -> AuditReceipt | None:
        """The newest genuine receipt, if there is one; an old one that was put there again is none."""
        found = cast("list[Answer]", self._ledger.redis.xrevrange(self.stream, count=TRUSTED))
        genuine = [receipt for _, fields in found if (receipt := self._open(fields)) is not None]
        return max(genuine, key=lambda receipt: receipt.at, default=None)

    def silent(self, stream: str) -> bool:
        """Whether something waits on the stream for longer than a recorder that lives would let it."""
        looks = self._ledger.redis.pipeline(transaction=False)
        looks.xrevrange(self.stream, count=1)
        looks.xrevrange(stream, count=1)
        receipts, records = cast("list[list[Answer]]", looks.execute())
        receipt = self._open(receipts[0][1]) if receipts else None
        if receipt is not None and records and place_of(records[0][0].decode()) <= place_of(receipt.entry):
            return False
        since = f"({receipt.entry}" if receipt is not None else "-"
        waiting = cast("list[Answer]", self._ledger.redis.xrange(stream, min=since, count=1))
        return bool(waiting) and time.time() - place_of(waiting[0][0].decode())[0] / 1000 > SILENCE

    def await_receipt(self, entry: str, record: str, within: float) -> None:
        """Wait until a record that was put at this place of the audit stream is on disk.

        Raises:
            RecordNotConfirmedError: the recorder did not say so within that many seconds, or Redis is away.
        """
        deadline = time.monotonic() + within
        # a place that somebody forged may lie in the future, and receipts do not
        began = min(place_of(entry)[0], int(time.time() * 1000))
        place = f"{max(0, began - SLACK)}-0"
        try:
            while (left := deadline - time.monotonic()) > 0:
                for number, fields in self._read(place, min(BLOCK, int(left * 1000) + 1)):
                    place = number.decode()
                    if self._confirms(fields, record):
                        return
        except RedisError as error:
            raise RecordNotConfirmedError(record, within) from error
        raise RecordNotConfirmedError(record, within)

    def _read(self, place: str, block: int) -> list[Answer]:
        answer = cast(
            "list[tuple[bytes, list[Answer]]]", self._ledger.redis.xread({self.stream: place}, block=block)
        )
        return answer[0][1] if answer else []

    def _confirms(self, fields: dict[bytes, bytes], record: str) -> bool:
        if record.encode() not in fields.get(_FIELD, b""):
            return False  # others' receipts are not worth a signature's check
        receipt = self._open(fields)
        return receipt is not None and record in receipt.records

    def _open(self, fields: dict[bytes, bytes]) -> AuditReceipt | None:
        try:
            receipt = self._verifier.open(fields.get(_FIELD, b""), AuditReceipt, by=RECORDER)
        except SignatureError:
            return None
        return receipt if receipt.instance == self._ledger.instance else None
