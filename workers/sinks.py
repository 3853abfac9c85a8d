"""Copies of the record for other systems: JSON lines on stdout, syslog (RFC 5424). None can hold it up."""

from __future__ import annotations

import contextlib
import errno
import queue
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

import structlog

from andock.audit import AuditRecord, Event

log = structlog.get_logger()
KEPT = 10_000  # records that wait for a sink that is away; more are left out, and counted
TIMEOUT = 5.0  # seconds for a connection and for one write
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds until a sink that is away is tried again
FAREWELL = 2.0  # seconds that sinks get at the end for what still waits
AUDIT_FACILITY = 13  # "log audit"
NOTICE, WARNING = 5, 4  # severities
_LOUD = frozenset({Event.REFUSED, Event.DENIED, Event.BROKE_GLASS, Event.MENDED})
_UNPRINTABLE = re.compile(r"[^!-~]")


@dataclass(frozen=True, slots=True)
class Copy:
    """One line of the record, as it lies on disk."""

    line: bytes
    record: AuditRecord
    at: float  # when it was recorded


class Outlet(Protocol):
    """Takes copies; raises OSError when it cannot."""

    def write(self, copy: Copy) -> None:
        """Hand over one."""
        ...

    def close(self) -> None:
        """Let go of what is open; the next write begins anew."""
        ...


class StdoutOutlet:
    """JSON lines on standard output."""

    def write(self, copy: Copy) -> None:
        """The line as it lies on disk."""
        sys.stdout.buffer.write(copy.line)
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Nothing is open."""


class SyslogOutlet:
    """A syslog server: by datagrams over UDP or a unix socket, or by TCP with octet counting (RFC 6587)."""

    def __init__(self, sink: str) -> None:
        self._sink = urlsplit(sink)
        self._socket: socket.socket | None = None

    def write(self, copy: Copy) -> None:
        """One message."""
        connected = self._socket or self._connect()
        message = format_syslog(copy)
        if connected.type == socket.SOCK_STREAM:
            _check_open(connected)
            message = b"%d %s" % (len(message), message)
        connected.sendall(message)

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        family, kind, address = _resolve(self._sink)
        fresh = socket.socket(family, kind)
        fresh.settimeout(TIMEOUT)
        try:
            fresh.connect(address)
        except OSError:
            fresh.close()
            raise
        self._socket = fresh
        return fresh


def _resolve(sink: SplitResult) -> tuple[int, int, Any]:
    """Family, kind and address of the server; Any, because each family has its own kind of address."""
    if sink.scheme == "syslog+unix":
        return socket.AF_UNIX, socket.SOCK_DGRAM, sink.path
    kind = socket.SOCK_DGRAM if sink.scheme == "syslog+udp" else socket.SOCK_STREAM
    family, _, _, _, address = socket.getaddrinfo(sink.hostname, sink.port, type=kind)[0]
    return family, kind, address


def _check_open(connected: socket.socket) -> None:
    """Notice that the other side hung up: one more write would succeed, and go nowhere.

    Raises:
        ConnectionResetError: it did.
    """
    readable, _, _ = select.select([connected], [], [], 0)
    if readable and not connected.recv(1024):
        raise ConnectionResetError("the server hung up")


def format_syslog(copy: Copy) -> bytes:
    """An RFC 5424 message; its text is the line, its message id the event."""
    severity = WARNING if copy.record.event in _LOUD else NOTICE
    at = datetime.fromtimestamp(copy.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    host = _UNPRINTABLE.sub("", socket.gethostname())[:255] or "-"
    head = f"<{AUDIT_FACILITY * 8 + severity}>1 {at} {host} andock - {copy.record.event.value} - "
    return head.encode() + copy.line.rstrip(b"\n")


class Feed:
    """Hands copies to one outlet, in a thread of its own, and leaves out what there is no room for."""

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._outlet: Outlet = StdoutOutlet() if sink == "stdout" else SyslogOutlet(sink)
        self._waiting: queue.Queue[Copy | None] = queue.Queue(KEPT)
        self._lost = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sink {sink}", daemon=True)
        self._thread.start()

    def offer(self, copy: Copy) -> None:
        """Never waits."""
        try:
            self._waiting.put_nowait(copy)
        except queue.Full:
            self._lost += 1

    def close(self, deadline: float) -> None:
        """Hand over what waits, until `deadline` (monotonic)."""
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while (copy := self._waiting.get()) is not None:
            self._deliver(copy)
        self._outlet.close()

    def _deliver(self, copy: Copy) -> None:
        """Hand over one copy, however long that takes, unless it is too large to be taken at all."""
        pause = FIRST_PAUSE
        while True:
            try:
                self._outlet.write(copy)
            except OSError as error:
                self._outlet.close()
                if error.errno == errno.EMSGSIZE:
                    self._lost += 1
                    return
                if pause == FIRST_PAUSE:
                    log.warning("sink_away", sink=self._sink, error=type(error).__name__)
                if self._closing.wait(pause):
                    return
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._say_lost()
                return

    def _say_lost(self) -> None:
        lost, self._lost = self._lost, 0
        if lost:
            log.warning("sink_left_out", sink=self._sink, records=lost)


class Sinks:
    """All sinks of an installation."""

    def __init__(self, sinks: Sequence[str]) -> None:
        self._feeds = [Feed(sink) for sink in sinks]

    def send(self, copies: Iterable[Copy]) -> None:
        """Hand copies to each sink; never waits, whatever becomes of them."""
        for copy in copies if self._feeds else ():
            for feed in self._feeds:
                feed.offer(copy)

    def close(self) -> None:
        """Let each hand over what waits, for two seconds at most."""
        deadline = time.monotonic() + FAREWELL
        for feed in self._feeds:
            feed.close(deadline)
