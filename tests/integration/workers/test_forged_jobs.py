"""Whoever can write to Redis can put jobs on a queue: they run nothing, and the worker goes on."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import secrets
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from andock.messages import State
from andock.rejections import Kind
from sandbox.redis_server import RedisServer
from tests.integration.workers.conftest import Playground, job_fields, playing

CANARY = "tests.integration.workers.toys.canary"
PERFORM = "workers.jobs.perform"


@pytest.fixture(scope="module")
def hostile(
    redis_server: RedisServer, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Playground]:
    """One worker for all of them: it has to live through every one."""
    with playing(redis_server, keys, tmp_path_factory.mktemp("hostile")) as playground:
        playground.start_worker()
        yield playground


def goes_on(toys: Playground) -> bool:
    """Whether the same worker does the next honest request, and nothing forged ran."""
    toy = f"t{secrets.token_hex(3)}"
    request = toys.ask(toy=toy)
    ended = toys.end_of(request)
    alive = len(toys.workers) == 1 and toys.workers[0].alive
    return ended.state is State.SUCCEEDED and alive and not toys.canary.exists()


def said_of(content: bytes) -> str:
    """What the record says of what was refused."""
    return f"{len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}"


@pytest.fixture(autouse=True)
def nothing_refused(hostile: Playground) -> None:
    """The record starts anew, and has room."""
    hostile.redis.delete(hostile.ledger.audit, hostile.ledger.key("budget", f"rejected:{Kind.JOB.name}"))


class Bomb:
    """Runs when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(["os.system", None, ["touch {canary}"], {}], id="a shell command"),
        pytest.param([CANARY, None, [], {}], id="another function of this tree"),
        pytest.param([CANARY, None, ["rabcdefgh", 1], {}], id="another function with a doorbell's arguments"),
        pytest.param(["builtins.eval", None, ["open('{canary}','w')"], {}], id="eval"),
        pytest.param(["system", "os", ["touch {canary}"], {}], id="a method of something"),
        pytest.param([PERFORM, "os", ["rabcdefgh", 1], {}], id="the doorbell as a method"),
        pytest.param([PERFORM, None, [], {}], id="a doorbell without arguments"),
        pytest.param([PERFORM, None, ["rabcdefgh"], {}], id="a doorbell without its attempt"),
        pytest.param([PERFORM, None, ["rabcdefgh", 1, 2], {}], id="a doorbell with too much"),
        pytest.param([PERFORM, None, [1, "rabcdefgh"], {}], id="a doorbell the wrong way round"),
        pytest.param([PERFORM, None, ["rabcdefgh", "1"], {}], id="an attempt that is text"),
        pytest.param([PERFORM, None, ["rabcdefgh", 10**30], {}], id="an attempt beyond all numbers"),
        pytest.param([PERFORM, None, ["../../etc", 1], {}], id="a request's id that is a path"),
        pytest.param([PERFORM, None, [["rabcdefgh"], 1], {}], id="a request's id that is a list"),
        pytest.param([PERFORM, None, "rabcdefgh", {}], id="text in the arguments' place"),
        pytest.param([PERFORM, None, ["rabcdefgh", 1], {"ports": 1}], id="named arguments"),
        pytest.param([PERFORM, None, ["rabcdefgh", 1], ["x"]], id="a list in the named arguments' place"),
        pytest.param([PERFORM], id="half a job"),
        pytest.param({}, id="an object"),
        pytest.param(None, id="null"),
        pytest.param([None, None, None, None], id="nulls"),
    ],
)
def test_a_job_other_than_a_doorbell_runs_nothing(hostile: Playground, data: object) -> None:
    text = json.dumps(data).replace("{canary}", str(hostile.canary))

    job = zlib.compress(text.encode())
    hostile.put_job(job_fields(job))

    assert goes_on(hostile)
    assert hostile.refused() == [f"a job was refused: it is no doorbell ({said_of(job)})"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xfe\x00", id="bytes that are no text"),
        pytest.param(b"[" * 200_000, id="deeper than a parser goes"),
        pytest.param(zlib.compress(b"{" * 10), id="no JSON"),
    ],
)
def test_data_that_is_no_job_runs_nothing(hostile: Playground, data: bytes) -> None:
    hostile.put_job(job_fields(data))

    assert goes_on(hostile)
    assert hostile.refused() == [f"a job was refused: it is no doorbell ({said_of(data)})"]


@pytest.mark.parametrize("compress", [True, False])
def test_pickled_data_is_not_unpickled(hostile: Playground, compress: bool) -> None:
    pickled = pickle.dumps(("os.system", None, [Bomb(hostile.canary)], {}))

    hostile.put_job(job_fields(zlib.compress(pickled) if compress else pickled, meta=pickled, result=pickled))

    assert goes_on(hostile)


@pytest.mark.parametrize("name", ["success_callback_name", "failure_callback_name", "stopped_callback_name"])
@pytest.mark.parametrize("legal", [True, False], ids=["of a job that works", "of a job that fails"])
def test_a_forged_callback_is_not_called(hostile: Playground, name: str, legal: bool) -> None:
    request = hostile.accept(toy=f"t{secrets.token_hex(3)}")
    data = [PERFORM if legal else "nowhere.nothing", None, [request.id, 1], {}]
    callback = {name: CANARY.encode(), name.replace("name", "timeout"): b"10"}

    hostile.put_job(job_fields(data, **callback))

    assert goes_on(hostile)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", b"bad"),
        ("status", b"\xff"),
        ("status", b"finished"),
        ("created_at", b"yesterday"),
        ("created_at", b"9999-99-99T99:99:99Z"),
        ("created_at", b"\xff\xfe"),
        ("enqueued_at", b"2026-13-32T25:61:61.5+00:00"),
        ("timeout", b"soon"),
        ("timeout", b"-1"),
        ("timeout", b"99999999999999999999"),
        ("timeout", "²".encode()),
        ("origin", b"\xff\xfe"),
        ("worker_name", b"\xff\xfe"),
        ("result_ttl", b"never"),
        ("failure_ttl", b"x"),
        ("meta", b"\x80\x04}"),
        ("dependency_ids", b"[\xff"),
        ("dependency_id", b"\xff"),
        ("group_id", b"\xff"),
        ("retries_left", b"many"),
        ("retry_intervals", b"[["),
        ("repeats_left", b"5"),
        ("webhooks", b"[[[["),
        ("ended_at", b"then"),
        ("last_heartbeat", b"now"),
        ("success_callback_timeout", b"x"),
        ("description", b"\xff"),
    ],
)
@pytest.mark.parametrize("legal", [True, False], ids=["honest work", "forged work"])
def test_a_malformed_field_does_not_end_the_worker(
    hostile: Playground, field: str, value: bytes, legal: bool
) -> None:
    request = hostile.accept(toy=f"t{secrets.token_hex(3)}")
    data = [PERFORM if legal else CANARY, None, [request.id, 1], {}]

    hostile.put_job(job_fields(data) | {field: value})

    assert goes_on(hostile)


@pytest.mark.parametrize("job", ["gone-job", "../../../etc/passwd", "x" * 10_000, "\x00\n"])
def test_a_job_that_is_only_an_id_does_not_end_the_worker(hostile: Playground, job: str) -> None:
    hostile.put_job({}, job=job)

    assert goes_on(hostile)


def test_an_id_that_is_no_text_does_not_end_the_worker(hostile: Playground) -> None:
    hostile.redis.rpush(f"rq:queue:{hostile.queue()}", b"\xff\xfe")

    assert goes_on(hostile)
    said = said_of(b"\xff\xfe")
    assert hostile.refused() == [f"a job was refused: its id is none of ours ({said})"]


def test_a_job_without_data_does_not_end_the_worker(hostile: Playground) -> None:
    hostile.put_job({"status": b"queued"})

    assert goes_on(hostile)


def test_a_value_of_another_kind_in_a_jobs_place_does_not_end_the_worker(hostile: Playground) -> None:
    hostile.redis.set("rq:job:forged-text", b"text")
    hostile.put_job({}, job="forged-text")

    assert goes_on(hostile)


@pytest.mark.parametrize("status", ["finished", "failed"])
def test_a_forged_webhook_is_not_fetched(hostile: Playground, status: str) -> None:
    asked: list[str] = []

    class Witness(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Witness)
    Thread(target=server.serve_forever, daemon=True).start()
    request = hostile.accept(toy=f"t{secrets.token_hex(3)}")
    data = [PERFORM if status == "finished" else "nowhere.nothing", None, [request.id, 1], {}]
    hook = {
        "url": f"http://127.0.0.1:{server.server_port}/",
        "job_status": status,
        "method": "POST",
        "headers": None,
        "timeout": 2,
    }

    hostile.put_job(job_fields(data, webhooks=json.dumps([hook]).encode()))

    assert goes_on(hostile)
    server.shutdown()
    server.server_close()
    assert asked == []


def test_a_doorbell_for_a_request_that_nobody_signed_changes_nothing(hostile: Playground) -> None:
    toy = f"t{secrets.token_hex(3)}"
    request = hostile.accept(toy=toy)
    sealed = hostile.redis.hget(hostile.ledger.key("request", request.id), "sealed")
    hostile.set(request, sealed=sealed.replace(toy.encode(), b"other"))

    hostile.put_job(job_fields([PERFORM, None, [request.id, 1], {}]))

    assert goes_on(hostile)
    assert hostile.end_of(request).state is State.FAILED
    assert "poke:other" not in hostile.world.effects()


def test_a_doorbell_rung_again_for_a_request_that_has_ended_changes_nothing(hostile: Playground) -> None:
    toy = f"t{secrets.token_hex(3)}"
    request = hostile.ask(toy=toy)
    hostile.end_of(request)

    for attempt in (0, 1, 2, -1):
        hostile.put_job(job_fields([PERFORM, None, [request.id, attempt], {}]))

    assert goes_on(hostile)
    assert hostile.world.effects().count(f"poke:{toy}") == 1
