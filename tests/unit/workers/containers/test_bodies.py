from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from andock.errors import BackendUnavailableError
from workers.containers.bodies import join_chunks, read_body
from workers.containers.faults import reading

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20), st.integers(min_value=1, max_value=17))
def test_chunks_become_what_is_in_them_wherever_the_connection_cuts_them(
    chunks: list[bytes], size: int
) -> None:
    sent = b"".join(map(chunk, chunks)) + chunk(b"") + b"what comes later"
    assert b"".join(join_chunks(cut(sent, size))) == b"".join(chunks)


def test_what_a_chunk_says_of_itself_behind_its_length_is_passed_over() -> None:
    assert list(join_chunks([b"A;name=value\r\n0123456789\r\n", b"0\r\n\r\n"])) == [b"0123456789", b""]


@pytest.mark.parametrize("sent", [b"", b"5\r\nabc", chunk(b"abc"), b"xyz\r\n", b"-5\r\nabc", b"5" * 2000])
def test_another_coding_or_one_that_breaks_off_is_no_end(sent: bytes) -> None:
    with pytest.raises(ValueError, match=r"chunk|invalid literal"):
        list(join_chunks(cut(sent, 100)))


@contextmanager
def serve(*pieces: bytes, until: threading.Event | None = None) -> Iterator[requests.Response]:
    """An answer whose body is still to be read; its connection stays open until that event."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                for piece in pieces:
                    connection.sendall(piece)
                if until is not None:
                    until.wait()

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        try:
            with requests.get(url, stream=True, timeout=(2, 0.3)) as response:
                yield response
        finally:
            if until is not None:
                until.set()
            thread.join()


def test_a_body_is_read_in_chunks_and_without() -> None:
    with serve(CHUNKED, chunk(b"one "), chunk(b"two"), chunk(b"")) as response:
        assert b"".join(read_body(response)) == b"one two"
    with serve(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\none two") as response:
        assert b"".join(read_body(response)) == b"one two"


def test_a_body_that_breaks_off_or_falls_silent_is_told() -> None:
    with (
        serve(CHUNKED, chunk(b"one"), b"5\r\nab") as response,
        pytest.raises(BackendUnavailableError, match="the connection was lost"),
        reading("edge-1"),
    ):
        list(read_body(response))
    with (
        serve(CHUNKED, chunk(b"one"), until=threading.Event()) as response,
        pytest.raises(BackendUnavailableError, match="no answer in time"),
        reading("edge-1"),
    ):
        list(read_body(response))
