"""Other systems get a copy of each record; one that is away or slow holds nothing up."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from andock.audit import AuditRecord, Event
from sandbox.processes import LOOPBACK, free_port
from tests.integration.recorder.conftest import Office, events, until
from workers.sinks import KEPT, Copy, Feed, format_syslog

MESSAGE = re.compile(
    rb"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+) andock - (\w+) - (\{.*\})", re.DOTALL
)


def check(message: bytes, record: AuditRecord) -> None:
    """An RFC 5424 message about this record."""
    match = MESSAGE.fullmatch(message)
    assert match is not None, message
    assert int(match[1]) // 8 == 13
    assert match[4].decode() == record.event.value
    assert json.loads(match[5])["record"]["id"] == record.id


def read_frame(stream: socket.socket) -> bytes:
    """One message with octet counting (RFC 6587)."""
    digits = b""
    while not digits.endswith(b" "):
        digits += stream.recv(1)
    left, message = int(digits), b""
    while len(message) < left:
        message += stream.recv(left - len(message))
    return message


@contextmanager
def listening(
    kind: int, family: int = socket.AF_INET, address: object = (LOOPBACK, 0)
) -> Iterator[socket.socket]:
    with socket.socket(family, kind) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(address)
        server.settimeout(15)
        if kind == socket.SOCK_STREAM:
            server.listen()
        yield server


def test_syslog_over_udp_gets_every_record(office: Office) -> None:
    with listening(socket.SOCK_DGRAM) as server:
        office.configure(sinks=[f"syslog+udp://{LOOPBACK}:{server.getsockname()[1]}"])
        office.start()
        made = office.confirmed(3, text="ünïcode")

        for record in made:
            check(server.recv(65_536), record)


def test_syslog_over_tcp_counts_octets_and_connects_again(office: Office) -> None:
    with listening(socket.SOCK_STREAM) as server:
        office.configure(sinks=[f"syslog+tcp://{LOOPBACK}:{server.getsockname()[1]}"])
        office.start()
        made = office.confirmed(2, text="ünïcode")
        first, _ = server.accept()
        with first:
            first.settimeout(15)
            for record in made:
                check(read_frame(first), record)
        made = office.confirmed(2)
        second, _ = server.accept()
        with second:
            second.settimeout(15)
            for record in made:
                check(read_frame(second), record)


def test_syslog_over_a_unix_socket(office: Office, tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with listening(socket.SOCK_DGRAM, socket.AF_UNIX, path) as server:
        office.configure(sinks=[f"syslog+unix://{path}"])
        office.start()
        (record,) = office.confirmed()

        check(server.recv(65_536), record)


def test_stdout_gets_the_lines_as_they_lie_on_disk(office: Office) -> None:
    office.configure(sinks=["stdout"])
    recorder = office.start()
    made = office.confirmed(2)

    def shown() -> list[str]:
        return [line for line in recorder.output().splitlines() if '"mac":' in line]

    assert until(lambda: len(shown()) == 2)
    (path,) = office.folder.glob("*.jsonl")
    assert shown() == path.read_text().splitlines()
    assert [json.loads(line)["record"]["id"] for line in shown()] == [record.id for record in made]


def test_a_sink_that_is_away_holds_nothing_up_and_gets_what_waited(office: Office) -> None:
    port = free_port()
    office.configure(sinks=[f"syslog+tcp://{LOOPBACK}:{port}"])
    recorder = office.start()

    made = office.confirmed(20)

    assert until(lambda: bool(events(recorder, "sink_away")))
    with listening(socket.SOCK_STREAM, address=(LOOPBACK, port)) as server:
        stream, _ = server.accept()
        with stream:
            stream.settimeout(15)
            for record in made:
                check(read_frame(stream), record)


def test_a_sink_that_takes_nothing_holds_nothing_up(office: Office) -> None:
    with listening(socket.SOCK_STREAM) as server:
        office.configure(sinks=[f"syslog+tcp://{LOOPBACK}:{server.getsockname()[1]}"])
        office.start()
        stream, _ = server.accept() if office.confirmed() else (None, None)
        assert stream is not None
        with stream:
            office.write(300, text="x" * 20_000)  # more than the sockets' buffers hold
            office.confirmed(3)

        assert office.proof().count == 304


def copy(number: int, event: Event = Event.ASKED) -> Copy:
    return Copy(b'{"seq":%d}\n' % number, AuditRecord(event=event, at=0), 0.0)


def test_what_a_sink_has_no_room_for_is_left_out_and_counted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = str(tmp_path / "log")
    feed = Feed(f"syslog+unix://{path}")
    for number in range(KEPT + 100):
        feed.offer(copy(number))
    seen: list[bytes] = []

    with listening(socket.SOCK_DGRAM, socket.AF_UNIX, path) as server:

        def take() -> None:
            while not seen or not seen[-1].endswith(b"stop"):
                seen.append(server.recv(65_536))

        taker = threading.Thread(target=take)
        taker.start()
        assert until(lambda: len(seen) >= KEPT)
        feed.close(time.monotonic() + 5)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"stop", path)
        taker.join()

    assert KEPT <= len(seen) - 1 <= KEPT + 1
    assert seen[0].endswith(b'{"seq":0}')
    assert "sink_left_out" in capsys.readouterr().out


def test_a_record_that_is_too_large_for_a_datagram_is_left_out(tmp_path: Path) -> None:
    with listening(socket.SOCK_DGRAM) as server:
        feed = Feed(f"syslog+udp://{LOOPBACK}:{server.getsockname()[1]}")
        feed.offer(Copy(b"x" * 70_000, AuditRecord(event=Event.ASKED), 0.0))
        feed.offer(copy(2))

        assert server.recv(65_536).endswith(b'{"seq":2}')
        feed.close(time.monotonic() + 5)


@pytest.mark.parametrize(
    ("event", "priority"),
    [(Event.ASKED, 13 * 8 + 5), (Event.REFUSED, 13 * 8 + 4), (Event.MENDED, 13 * 8 + 4)],
)
def test_what_somebody_should_look_at_is_a_warning(event: Event, priority: int) -> None:
    assert format_syslog(copy(1, event)).startswith(f"<{priority}>1 1970-01-01T00:00:00.000Z ".encode())
