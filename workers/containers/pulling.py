"""Lets an engine pull one image: its progress is passed on, and what it says of its failure becomes ours."""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import requests

from andock.errors import BackendRejectedError
from andock.ports.registry import ImageName
from andock.ports.watch import Watch
from andock.redaction import Redactor
from workers.containers.distribution import Login
from workers.containers.engines import EngineClient
from workers.containers.faults import explain_words, said_by

_LOOK_SECONDS = 0.4
_SILENT_SECONDS = 300  # an engine may check a big layer for minutes without a word
_ENDED = frozenset({"Pull complete", "Already exists"})
_Line: TypeAlias = Mapping[str, Any] | Exception | None


@dataclass
class Progress:
    """How far a pull is, out of the lines that an engine writes."""

    layers: dict[str, str] = field(default_factory=dict)  # by layer: what is being done with it
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)  # by layer: bytes fetched, of how many

    def take(self, line: Mapping[str, Any]) -> None:
        """Note one line."""
        layer, status = str(line.get("id", "")), str(line.get("status", ""))
        if not layer or status.startswith("Pulling from"):
            return
        self.layers[layer] = status
        detail = line.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            self.sizes[layer] = (int(detail.get("current", 0)), int(detail["total"]))
        elif status in {"Download complete", *_ENDED} and layer in self.sizes:
            self.sizes[layer] = (self.sizes[layer][1], self.sizes[layer][1])

    @property
    def percent(self) -> int | None:
        """Of what is known to be fetched; None before anything is."""
        total = sum(size for _, size in self.sizes.values())
        return min(99, 100 * sum(got for got, _ in self.sizes.values()) // total) if total else None

    @property
    def text(self) -> str:
        """One line for a person."""
        done = sum(status in _ENDED for status in self.layers.values())
        return f"{done} of {len(self.layers)} layers" if self.layers else "asking the registry"


def pull(
    client: EngineClient, site: str, name: ImageName, login: Login | None, watch: Watch, redactor: Redactor
) -> None:
    """Pull what the digest names; ends when the engine has it. `redactor` hides secrets in what it says.

    The engine is read in a thread of its own, so that `watch` is heard in time. When it ends the wait, the
    connection is closed, and then the engine stops too.

    Raises:
        BackendRejectedError: the engine says that it failed. requests' errors: its answer was lost.
    """
    reading = _Reading()
    threading.Thread(target=reading.run, args=(client, name, login), name="pull", daemon=True).start()
    try:
        _follow(reading.lines, site, name, watch, redactor)
    finally:
        reading.stop()


def _follow(
    lines: queue.SimpleQueue[_Line], site: str, name: ImageName, watch: Watch, redactor: Redactor
) -> None:
    progress = Progress()
    while True:
        try:
            line = lines.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            line = {}
        if line is None:
            return
        if isinstance(line, requests.HTTPError):
            said = said_by(line.response, redactor)
            raise BackendRejectedError(f"Engine `{site}`", said) from line
        if isinstance(line, Exception):
            raise line
        if "error" in line:
            said = explain_words(str(line["error"]), redactor)
            raise BackendRejectedError(f"Engine `{site}`", said)
        progress.take(line)
        if lines.empty():
            watch.look(percent=progress.percent, text=f"pull `{name.familiar}`: {progress.text}")


class _Reading:
    """The engine's lines, as they come; None behind the last, or what went wrong."""

    def __init__(self) -> None:
        self.lines: queue.SimpleQueue[_Line] = queue.SimpleQueue()
        self._response: requests.Response | None = None
        self._stopped = False

    def run(self, client: EngineClient, name: ImageName, login: Login | None) -> None:
        url = f"{client.base_url}/v{client.api_version}/images/create"
        query = {"fromImage": name.path, "tag": name.digest}
        headers = {"X-Registry-Auth": _header(name, login)}
        try:
            with client.post(
                url, params=query, headers=headers, stream=True, timeout=_SILENT_SECONDS
            ) as response:
                self._response = response
                if not response.ok:
                    response.content  # noqa: B018  read now and kept, for the error that it becomes
                response.raise_for_status()
                for line in response.iter_lines():
                    if self._stopped:
                        return
                    if line.strip():
                        self.lines.put(json.loads(line))
        except (requests.RequestException, OSError, ValueError) as error:
            self.lines.put(error)
        else:
            self.lines.put(None)
        finally:
            self._response = None

    def stop(self) -> None:
        """Close the connection under the thread that waits on it; nothing if it is through."""
        self._stopped = True
        response = self._response
        if response is not None:
            with contextlib.suppress(OSError, RuntimeError, ValueError):  # it ended at this moment
                response.raw.shutdown()


def _header(name: ImageName, login: Login | None) -> str:
    """Always given, or the SDK would look into ~/.docker/config.json."""
    known = {"serveraddress": name.registry}
    if login is not None:
        known |= {"username": login.user, "password": login.password}
    return base64.urlsafe_b64encode(json.dumps(known).encode()).decode()
