"""What containers write and what named commands say, within bounds of memory and time."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime
from typing import Any

import docker.errors
import requests
import urllib3.exceptions

from andock.errors import TargetNotFoundError
from andock.ports.allowances import NamedCommand
from andock.ports.container_output import NewLines, Ran
from andock.ports.watch import Watch
from andock.redaction import Redactor
from workers.containers.bodies import read_body
from workers.containers.calls import Calls, ask, tell
from workers.containers.engines import EngineClient
from workers.containers.inventory import read_clock
from workers.containers.logs import (
    ABOVE,
    clean,
    count_above,
    join_lines,
    keep_newest,
    redact_below,
    split_frames,
)

_CHUNK = 64 * 1024
_LOOK_SECONDS = 0.5
_STAMP = len("2026-01-01T00:00:00.000000000Z")  # in front of a line and a blank


class OutputCalls(Calls):
    """Implements `ContainerOutput`."""

    def logs(self, site: str, container: str, *, tail: int, since: datetime | None = None) -> Iterator[str]:
        """See `ContainerOutput`."""
        query = {"timestamps": "1"}
        if since is not None:
            query["since"] = f"{since.timestamp():.6f}"
        with self._asking(site, container) as client:
            with contextlib.closing(_lines(client, container, query | {"tail": str(tail)})) as batches:
                first = next(itertools.chain.from_iterable(batches), None)
            if first is None:
                return
            batches = _lines(client, container, query | {"tail": str(tail + ABOVE)})
            above, below = _part(batches, first[:_STAMP])
            yield from redact_below(above, below, self._redactor)

    def new_logs(self, site: str, container: str, *, after: str, most: int) -> NewLines:
        """See `ContainerOutput`."""
        with self._asking(site, container) as client:
            last = after or f"{read_clock(client):%Y-%m-%dT%H:%M:%S.%f}000Z"
            query = {"timestamps": "1", "tail": str(most + ABOVE)}
            lines, gone = keep_newest(_stamped(client, container, query))
        # what had no room may have begun a secret that ends in the first of those that had
        begun = count_above([text for _, text in lines]) if gone else 0
        known = [text for _, text in lines[:begun]]
        known += [text for stamp, text in lines[begun:] if after and stamp <= after]
        shown = [text for stamp, text in lines[begun:] if stamp > after]
        above, below = [*known, *shown[:-most]][-ABOVE:], shown[-most:]
        last = max((stamp for stamp, _ in lines if stamp > after), default=last)
        said = tuple(redact_below(above, below, self._redactor)) if below else ()
        return NewLines(said, last, left_out=bool(after) and (len(shown) > most or gone > after))

    def prepare_command(self, site: str, container: str, command: NamedCommand) -> str:
        """See `ContainerOutput`."""
        body = {"Cmd": list(command.argv), "AttachStdout": True, "AttachStderr": True}
        with self._asking(site, container) as client:
            return str(tell(client, f"/containers/{container}/exec", body).json()["Id"])

    def run_command(
        self, site: str, container: str, prepared: str, command: NamedCommand, watch: Watch
    ) -> Ran:
        """See `ContainerOutput`."""
        with self._telling(site, container) as client:
            url = f"{client.base_url}/v{client.api_version}/exec/{prepared}/start"
            with client.post(url, json={"Detach": False, "Tty": False}, stream=True) as response:
                response.raise_for_status()
                output, cut = _collect(response, command, watch, self._redactor)
            state = _state(client, prepared)
        return Ran(state.exit_code, state.running, output, cut)

    def command_state(self, site: str, container: str, prepared: str) -> Ran | None:
        """See `ContainerOutput`."""
        try:
            with self._asking(site, container) as client:
                return _state(client, prepared)
        except TargetNotFoundError:
            return None


def _lines(client: EngineClient, container: str, query: dict[str, str]) -> Generator[list[bytes]]:
    """A log's lines, in batches as they arrive.

    Not by the SDK's own `logs`: that one keeps all in memory, or takes the time-out off the connection.
    """
    tty = bool(client.inspect_container(container)["Config"].get("Tty"))
    url = f"{client.base_url}/v{client.api_version}/containers/{container}/logs"
    with client.get(url, params={"stdout": "1", "stderr": "1"} | query, stream=True) as response:
        response.raise_for_status()
        body = read_body(response)
        yield from join_lines(([(0, piece)] for piece in body) if tty else split_frames(body))


def _stamped(client: EngineClient, container: str, query: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Lines that were asked for with `timestamps`, each behind its own."""
    for line in itertools.chain.from_iterable(_lines(client, container, query)):
        yield line[:_STAMP].decode("ascii", errors="replace"), _text(line)


def _part(batches: Iterator[list[bytes]], first: bytes) -> tuple[list[str], Iterator[str]]:
    """The newest lines above that moment, not too many; and those from then on, as they arrive."""
    above: deque[bytes] = deque(maxlen=ABOVE)
    for lines in batches:
        for number, line in enumerate(lines):
            if line[:_STAMP] >= first:
                below = itertools.chain(lines[number:], itertools.chain.from_iterable(batches))
                return [_text(line) for line in above], map(_text, below)
            above.append(line)
    return [_text(line) for line in above], iter(())


def _text(line: bytes) -> str:
    """What stands behind its stamp."""
    return clean(line[_STAMP + 1 :])


def _state(client: EngineClient, prepared: str) -> Ran:
    found: dict[str, Any] = ask(client, f"/exec/{prepared}/json")
    return Ran(exit_code=found.get("ExitCode"), running=bool(found.get("Running")))


def _collect(
    response: requests.Response, command: NamedCommand, watch: Watch, redactor: Redactor
) -> tuple[str, bool]:
    """What it says until it ends or its time is over, without secrets; what is too much is dropped."""
    deadline = time.monotonic() + min(command.seconds, watch.remaining())
    kept = bytearray()
    cut = False
    # a secret that is cut in two is known by none of its halves
    most = command.most_bytes + redactor.hold
    for piece in _until(deadline, response, watch):
        room = most - len(kept)
        kept += piece[:room]
        cut = cut or len(piece) > room
    lines = redactor.redact_lines(clean(line) for line in bytes(kept).split(b"\n"))
    text = "\n".join(lines).encode()
    cut = cut or len(text) > command.most_bytes
    return text[: command.most_bytes].decode(errors="ignore"), cut


def _until(deadline: float, response: requests.Response, watch: Watch) -> Iterator[bytes]:
    """The pieces of a stream that may be silent for long; a thread waits for them, so that we can look up."""
    arrived: queue.Queue[bytes | Exception | None] = queue.Queue(maxsize=64)
    reader = threading.Thread(target=_read_into, args=(arrived, response), name="exec", daemon=True)
    reader.start()
    try:
        while (left := deadline - time.monotonic()) > 0:
            try:
                piece = arrived.get(timeout=min(left, _LOOK_SECONDS))
            except queue.Empty:
                watch.look()
                continue
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise piece
            yield piece
    finally:
        with contextlib.suppress(OSError, RuntimeError):  # it is over already
            response.raw.shutdown()  # closing alone would wait for the thread, and that for the stream
        reader.join()


def _read_into(arrived: queue.Queue[bytes | Exception | None], response: requests.Response) -> None:
    try:
        for frames in split_frames(_arriving(response)):
            arrived.put(b"".join(piece for _, piece in frames), timeout=_LOOK_SECONDS)
        arrived.put(None, timeout=_LOOK_SECONDS)
    except queue.Full:
        return  # nobody listens any more
    except (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        arrived.put(error)  # raised where it is waited for; ValueError: the stream was closed over there


def _arriving(response: requests.Response) -> Iterable[bytes]:
    """What has come, without waiting for a whole chunk."""
    while piece := response.raw.read1(_CHUNK):
        yield piece
