"""A way to a server that lets so many bytes of its answers through and then stalls."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_CHUNK = 16 * 1024


@dataclass
class Stalling:
    """Listens on `address`; `stalled` is set at the limit. Once `over`, nothing stalls any more."""

    address: str
    server: tuple[str, int]  # may be set before the first connection
    most: int
    stalled: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    _passed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                backend = socket.create_connection(self.server)
                threading.Thread(target=self._up, args=(client, backend), daemon=True).start()
                threading.Thread(target=self._down, args=(backend, client), daemon=True).start()

    def _up(self, client: socket.socket, backend: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(_CHUNK):
                backend.sendall(data)
        backend.close()

    def _down(self, backend: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := backend.recv(_CHUNK):
                with self._lock:
                    self._passed += len(data)
                    full = self._passed > self.most and not self.over.is_set()
                if full:
                    self.stalled.set()
                    self.over.wait(60)
                    break
                client.sendall(data)
        client.close()


@contextlib.contextmanager
def stalling(server: str, most: int) -> Iterator[Stalling]:
    """In front of the server at `host:port`; lets `most` bytes through, then nothing until it is over."""
    host, _, port = server.partition(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way = Stalling(f"127.0.0.1:{listener.getsockname()[1]}", (host, int(port)), most)
        threading.Thread(target=way.serve, args=(listener,), daemon=True).start()
        try:
            yield way
        finally:
            way.over.set()
