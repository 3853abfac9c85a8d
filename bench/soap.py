"""The SOAP calls that `vm info` makes, recorded once and sent again with nothing around them.

`python -m bench.soap NAME` performs one `vm info` as a worker would and prints what went over the wire.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from andock.audit import Event, record_of
from andock.doorbell import queue_name
from andock.messages import Actor, Reply, Request, make_request_id
from andock.operation import Backend
from andock.signing import load_signer
from config.installation import load_installation
from config.settings import Settings, read_settings
from sandbox.installation import Installation
from workers.jobs import perform
from workers.performers import prepare_worker

POOL = "vsphere"
_COLLECTOR = re.compile(rb'type="PropertyCollector"[^>]*>([^<]+)<')


@dataclass
class Replay:
    """Sends recorded calls over one open connection in the same session, and takes the answers unread."""

    bodies: tuple[bytes, ...]
    made: bytes  # the property collector that was made while they were recorded
    action: str
    cookie: str
    _connection: http.client.HTTPSConnection = field(repr=False)

    def send(self) -> None:
        """Make the calls once.

        Raises:
            RuntimeError: vCenter refused one.
        """
        collector = self.made
        for body in self.bodies:
            answer = self._call(body.replace(self.made, collector) if self.made else body)
            found = _COLLECTOR.search(answer)
            if b"CreatePropertyCollectorResponse" in answer and found:
                collector = found.group(1)

    def _call(self, body: bytes) -> bytes:
        headers = {
            "Cookie": self.cookie,
            "SOAPAction": self.action,
            "Content-Type": "text/xml; charset=UTF-8",
        }
        self._connection.request("POST", "/sdk", body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"vCenter answered {response.status}: {answer[:500]!r}")
        return answer


def record(installation: Installation, name: str) -> Replay:
    """Let a worker's code perform `vm info NAME` in a process of its own; its calls, to be sent again."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.soap", name],
        env=dict(installation.env),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    recorded = json.loads(done.stdout.splitlines()[-1])
    vcenter = installation.vcenter
    return Replay(
        bodies=tuple(call["body"].encode() for call in recorded["calls"]),
        made=recorded["collector"].encode(),
        action=recorded["calls"][0]["action"],
        cookie=recorded["calls"][0]["cookie"],  # the session outlives its process
        _connection=http.client.HTTPSConnection(
            vcenter.host,
            vcenter.port,
            timeout=30,
            context=ssl._create_unverified_context(),  # noqa: S323, SLF001  loopback, made-up certificate
        ),
    )


class _Recorder:
    """Stands in the way of http.client while a job runs."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []
        self.collector = ""
        self._request = http.client.HTTPConnection.request
        self._read = http.client.HTTPResponse.read

    def __enter__(self) -> Self:
        recorder = self

        def request(connection: Any, method: str, url: str, body: Any = None, headers: Any = None) -> None:
            if method == "POST" and urlsplit(url).path == "/sdk":
                text = body.decode() if isinstance(body, bytes) else str(body)
                call = {"body": text, "action": headers["SOAPAction"], "cookie": headers["Cookie"]}
                recorder.calls.append(call)
            recorder._request(connection, method, url, body, headers or {})

        def read(response: Any, amount: int | None = None) -> bytes:
            answer = recorder._read(response, amount)
            found = _COLLECTOR.search(answer)
            if found and b"CreatePropertyCollectorResponse" in answer:
                recorder.collector = found.group(1).decode()
            return answer

        http.client.HTTPConnection.request = request  # type: ignore[method-assign,assignment]
        http.client.HTTPResponse.read = read  # type: ignore[method-assign,assignment]
        return self

    def __exit__(self, *_: object) -> None:
        http.client.HTTPConnection.request = self._request  # type: ignore[method-assign]
        http.client.HTTPResponse.read = self._read  # type: ignore[method-assign]


def _perform_recorded(name: str) -> dict[str, object]:
    """One `vm info`, from the ledger to its result, in this process."""
    settings = read_settings(Settings)
    installation = load_installation(settings)
    instance = installation.sites.instance
    prepare_worker(installation, settings, Backend.VSPHERE, POOL, queue_name(instance, POOL, "bench"))
    request = _ask(name, instance)
    signer = load_signer(settings.keys_dir, "bot")
    record = signer.sign(record_of(request, Event.ASKED))
    installation.ledger.accept(request, signer.sign(request), dedupe=f"bench:{request.id}", record=record)
    with _Recorder() as recorder:
        perform(request.id, 1)
    entry = installation.ledger.read(request.id)
    if entry is None or entry.state.value != "succeeded":
        raise RuntimeError(f"vm info {name} did not succeed: {entry and entry.result}")
    return {"calls": recorder.calls, "collector": recorder.collector}


def _ask(name: str, instance: str) -> Request:
    now = time.time()
    return Request(
        id=make_request_id(),
        instance=instance,
        operation="vm info",
        params={"vm": name},
        command=f"vm info {name}",
        actor=Actor(team="T0BENCH", user="U0OPS1", name="bench"),
        channel="C0OPS",
        reply=Reply(channel="", private=True),
        accepted_at=now,
        not_after=now + 60,
    )


if __name__ == "__main__":
    print(json.dumps(_perform_recorded(sys.argv[1])))
