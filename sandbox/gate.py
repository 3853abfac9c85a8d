"""A gate before an engine or a registry: which calls are refused, held back or lose their answer."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self, assert_never
from urllib.parse import urlsplit

from sandbox.processes import LOOPBACK

FULL = "no space left on device"
_CHUNK = 64 * 1024
_HEAD_END = b"\r\n\r\n"
_TLS = b"\x16"  # how a client begins that tries TLS first
_NO_TLS = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
_DRAIN_SECONDS = 2.0
_ALL = 1_000_000_000


class Kind(Enum):
    """What becomes of a call."""

    REFUSE = auto()  # it never arrives, and an error comes back
    CUT = auto()  # it never arrives, and nothing comes back
    LOSE = auto()  # it arrives and is done, and nothing comes back
    HOLD = auto()  # it waits at the gate
    STALL = auto()  # its answer stops in the middle


@dataclass
class Fault:
    """What happens to the calls that fit, after `skip` of them and `times` times.

    Attributes:
        met: set when it happens for the first time.
    """

    calls: re.Pattern[str]
    kind: Kind
    times: int = 1
    skip: int = 0
    status: int = 500
    message: str = ""
    most: int = 0  # bytes of an answer's body that get through
    met: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _broken: bool = False

    def wait_met(self, seconds: float = 30.0) -> None:
        """Wait until a call has met it.

        Raises:
            TimeoutError: none did.
        """
        if not self.met.wait(seconds):
            raise TimeoutError(f"no call like {self.calls.pattern} came within {seconds:g} s")

    def release(self) -> None:
        """Let go on what is held or stalled; what comes later passes."""
        self._over.set()

    def break_off(self) -> None:
        """Cut what is held or stalled: a held call never arrives; what comes later passes."""
        self._broken = True
        self._over.set()

    def wait_over(self) -> bool:
        """Wait until it is over; whether the call goes on."""
        self._over.wait()
        return not self._broken

    def takes(self, call: str) -> bool:
        """Whether this call meets it now; counts it."""
        if self._over.is_set() or self.times <= 0 or not self.calls.search(call):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Gate:
    """Listens on a loopback port and passes on to `url`, unix:///path or tcp://host:port, without TLS.

    A call is named as in `POST /v1.41/containers/create?name=api-1`; the patterns are searched in that.
    """

    def __init__(self, url: str) -> None:
        self._server = url
        self._listener = socket.create_server((LOOPBACK, 0))
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.calls: list[str] = []
        self.address = f"{LOOPBACK}:{self._listener.getsockname()[1]}"
        self.url = f"tcp://{self.address}"
        self.site = {"url": self.url, "insecure": True}  # what sites.yaml says of an engine behind it
        threading.Thread(target=self._serve, daemon=True, name="gate").start()

    def refuse(
        self, calls: str, *, status: int = 500, message: str = FULL, times: int = 1, skip: int = 0
    ) -> Fault:
        """Answer calls in the server's place, as it does when it cannot; they never arrive."""
        return self._add(
            Fault(re.compile(calls), Kind.REFUSE, times=times, skip=skip, status=status, message=message)
        )

    def cut(self, calls: str, *, times: int = 1, skip: int = 0) -> Fault:
        """Close the connection; the calls never arrive."""
        return self._add(Fault(re.compile(calls), Kind.CUT, times=times, skip=skip))

    def lose(self, calls: str, *, times: int = 1, skip: int = 0) -> Fault:
        """Let calls be done and their answers be lost."""
        return self._add(Fault(re.compile(calls), Kind.LOSE, times=times, skip=skip))

    def hold(self, calls: str, *, times: int = 1, skip: int = 0) -> Fault:
        """Keep calls at the gate until the fault is released or broken off."""
        return self._add(Fault(re.compile(calls), Kind.HOLD, times=times, skip=skip))

    def stall(self, calls: str, *, most: int) -> Fault:
        """Let so many bytes of each answer's body through, and the rest when the fault is released.

        Shorter answers pass, and it is not met by them.
        """
        return self._add(Fault(re.compile(calls), Kind.STALL, times=_ALL, most=most))

    def clear(self) -> None:
        """No faults any more; what is held goes on."""
        with self._lock:
            over, self._faults = self._faults, []
        for fault in over:
            fault.release()

    def close(self) -> None:
        """Let nobody in any more; again is harmless."""
        for fault in self._faults:
            fault.break_off()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass, args=(client,), daemon=True, name="gate").start()

    def _pass(self, client: socket.socket) -> None:
        """One call: each connection carries one, since both sides are told that it is the last."""
        with client:
            with contextlib.suppress(OSError):
                head, body = _read_head(client)
                if head:
                    self._treat(client, head, body)
            # however that ended: a thread that reads from it would keep the connection open for ever
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _treat(self, client: socket.socket, head: bytes, body: bytes) -> None:
        fault = self._met_by(head.split(b"\r\n", 1)[0].decode(errors="replace").rpartition(" ")[0])
        if fault is None:
            self._forward(client, head, body)
            return
        match fault.kind:
            case Kind.REFUSE:
                _refuse(client, fault)
            case Kind.CUT:
                pass
            case Kind.LOSE:
                self._forward(client, head, body, lost=True)
            case Kind.HOLD:
                if fault.wait_over():
                    self._forward(client, head, body)
            case Kind.STALL:
                self._forward(client, head, body, stall=fault)
            case _:
                assert_never(fault.kind)

    def _met_by(self, call: str) -> Fault | None:
        with self._lock:
            self.calls.append(call)
            met = next((fault for fault in self._faults if fault.takes(call)), None)
        if met is not None and met.kind is not Kind.STALL:
            met.met.set()
        return met

    def _forward(
        self,
        client: socket.socket,
        head: bytes,
        body: bytes,
        *,
        lost: bool = False,
        stall: Fault | None = None,
    ) -> None:
        with _connect(self._server) as server:
            server.sendall(_last_of_connection(head) + body)
            threading.Thread(target=_pump, args=(client, server), daemon=True, name="gate").start()
            for data in _received(server) if stall is None else _stalling(server, stall):
                if not lost:
                    client.sendall(data)


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return socket.create_connection((parts.hostname or LOOPBACK, parts.port or 0))
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.connect(parts.path)
    return server


def _read_head(source: socket.socket) -> tuple[bytes, bytes]:
    """The head with its end, and what came with it; nothing if there is no whole one."""
    read = b""
    while _HEAD_END not in read:
        data = source.recv(_CHUNK)
        if not read and data.startswith(_TLS):
            source.sendall(_NO_TLS)
            return b"", b""
        if not data:
            return b"", b""
        read += data
    head, _, rest = read.partition(_HEAD_END)
    return head + _HEAD_END, rest


def _last_of_connection(head: bytes) -> bytes:
    """The head, asking to close the connection afterwards; one that is to become a stream stays as it is."""
    lines = head.removesuffix(_HEAD_END).split(b"\r\n")
    if any(line.lower().startswith(b"upgrade:") for line in lines):
        return head
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*kept, b"Connection: close"]) + _HEAD_END


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for data in _received(source):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _received(source: socket.socket) -> Iterator[bytes]:
    while data := source.recv(_CHUNK):
        yield data


def _stalling(server: socket.socket, fault: Fault) -> Iterator[bytes]:
    """The answer, stopped in its body; the rest of it only if the fault is released and not broken off."""
    head, rest = _read_head(server)
    yield head + rest[: fault.most]
    passed, rest = min(len(rest), fault.most), rest[fault.most :]
    while not rest and (data := server.recv(_CHUNK)):
        room = fault.most - passed
        yield data[:room]
        passed, rest = passed + len(data[:room]), data[room:]
    if not rest:
        return
    fault.met.set()
    if fault.wait_over():
        yield rest
        yield from _received(server)


def _refuse(client: socket.socket, fault: Fault) -> None:
    body = json.dumps({"message": fault.message}).encode()
    head = f"HTTP/1.1 {fault.status} Refused\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    client.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
    client.shutdown(socket.SHUT_WR)
    client.settimeout(_DRAIN_SECONDS)  # closed with unread bytes, the answer would be thrown away
    for _ in _received(client):
        pass
