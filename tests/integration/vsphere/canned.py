"""A server behind TLS that answers what a test gives it, for what no simulator says."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox.certificates import Authority


@dataclass(frozen=True)
class Answer:
    """One answer; `promised` bytes are announced, however many there are."""

    status: int
    body: bytes = b""
    promised: int | None = None


class Canned:
    """Answers each request by what `answer` gives for its method, path and body."""

    def __init__(self, folder: Path, answer: Callable[[str, str, bytes], Answer]) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                given = answer(self.command, self.path, sent)
                self.send_response(given.status)
                promised = len(given.body) if given.promised is None else given.promised
                self.send_header("Content-Length", str(promised))
                self.end_headers()
                self.wfile.write(given.body)

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815  http.server's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        pair = Authority(folder, "canned-ca").issue("canned")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
