"""Hostile HTTP: refused with 400, 401 or 413, without a traceback; only that it came is recorded."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.integration.bot.conftest import Answer, Door, slash_fields

FORM = "application/x-www-form-urlencoded"
BODY = b"command=%2Fandock&text=vm+list"
DEEP = b"[" * 200_000


@pytest.fixture(autouse=True)
def unharmed(door: Door) -> Iterator[None]:
    """After each: it answers, it logged no traceback, and nothing got behind the door."""
    before, logged = door.remembered(), len(door.process.output())
    yield
    assert door.get("/healthz").body == "ok\n"
    news = door.process.output()[logged:]
    assert "Traceback" not in news
    assert '"exception"' not in news
    assert door.remembered() == before


def send(door: Door, body: bytes = BODY, **headers: str | None) -> Answer:
    """A body signed rightly, with headers changed or (None) left out."""
    stamp = str(headers.pop("stamp", None) or int(time.time()))
    sent = {
        "content-type": FORM,
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": door.sign(body, stamp),
    }
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = [(name, value) for name, value in (sent | changed).items() if value is not None]
    return door.send("POST", "/slack/events", body, kept)


@pytest.mark.parametrize("left_out", ["x_slack_signature", "x_slack_request_timestamp"])
def test_unsigned_is_401(door: Door, left_out: str) -> None:
    assert send(door, **{left_out: None}).status == 401


@pytest.mark.parametrize(
    "signature",
    [
        "v0=" + "0" * 64,
        "v0=",
        "",
        "v1=" + "0" * 64,
        "v0=" + "é" * 64,
        "v0=" + "0" * 10_000,
        "v0=" + "A" * 64,
    ],
)
def test_a_wrong_signature_is_401(door: Door, signature: str) -> None:
    assert send(door, x_slack_signature=signature).status == 401


@pytest.mark.parametrize("stamp", ["yesterday", "1.5", "-1", "1e9", "9" * 40, "٣", " 1", "0x10", "nan"])
def test_a_time_stamp_that_is_no_number_is_401(door: Door, stamp: str) -> None:
    assert send(door, x_slack_request_timestamp=stamp.encode().decode("latin-1")).status == 401


@pytest.mark.parametrize("age", [301, 86_400, -301, -86_400])
def test_too_old_or_from_the_future_is_401_however_well_signed(door: Door, age: int) -> None:
    assert send(door, stamp=str(int(time.time()) - age)).status == 401


def test_a_signature_of_another_body_is_401_and_recorded_without_the_body(door: Door) -> None:
    stamp = str(int(time.time()))

    assert send(door, stamp=stamp, x_slack_signature=door.sign(b"other", stamp)).status == 401

    (record,) = door.refused()
    assert f"wrong signature ({len(BODY)} bytes, SHA-256 {hashlib.sha256(BODY).hexdigest()})" in record.text
    assert "vm" not in record.text


@pytest.mark.parametrize("name", ["X-Slack-Signature", "X-Slack-Request-Timestamp"])
def test_a_header_twice_is_401(door: Door, name: str) -> None:
    stamp = str(int(time.time()))
    headers = [
        ("Content-Type", FORM),
        ("X-Slack-Request-Timestamp", stamp),
        ("X-Slack-Signature", door.sign(BODY, stamp)),
    ]
    again = next(header for header in headers if header[0] == name)

    assert door.send("POST", "/slack/events", BODY, [*headers, again]).status == 401


@pytest.mark.parametrize("body", [b"ssl_check=1", b"ssl_check=1&token=x", b'{"type":"url_verification"}'])
def test_a_handshake_needs_a_signature_too(door: Door, body: bytes) -> None:
    assert send(door, body, x_slack_signature=None).status == 401


@pytest.mark.parametrize("body", [DEEP, b"[1,2]", b"payload=null", b"\xff\xfe", b""])
def test_an_unsigned_body_is_never_looked_into(door: Door, body: bytes) -> None:
    assert send(door, body, x_slack_signature=None, content_type="application/json").status == 401


def test_two_megabytes_are_413(door: Door) -> None:
    assert send(door, b"x" * 2_000_000).status == 413


def test_two_megabytes_without_a_length_are_413(door: Door) -> None:
    stamp = str(int(time.time()))
    headers = [("X-Slack-Request-Timestamp", stamp), ("X-Slack-Signature", "v0=" + "0" * 64)]
    pieces = (b"x" * 50_000 for _ in range(40))

    assert door.send("POST", "/slack/events", pieces, headers).status == 413


def test_a_length_that_promises_too_much_is_413_before_anything_is_read(door: Door) -> None:
    assert send(door, b"x" * 1_000_001).status == 413


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", DEEP),
        ("application/json", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        ("application/json", b"[1,2]"),
        ("application/json", b"null"),
        ("application/json", b'"text"'),
        ("application/json", b"{"),
        ("application/json", b"\xff\xfe{"),
        ("application/json", '{"type":"event_callback"}'.encode("utf-16")),
        ("application/json", b""),
        (FORM, b"payload=null"),
        (FORM, b"payload=[]"),
        (FORM, b"payload=" + DEEP),
        (FORM, b"payload="),
        (FORM, b"payload=%7B"),
        (FORM, b"payload=%7B%7D&payload=[]"),
        (FORM, b"a=1&payload=1"),
        (FORM, b"\xff\xfe=1"),
        (FORM, b"&".join(b"a%d=1" % n for n in range(200))),
    ],
)
def test_a_signed_body_that_is_no_object_is_400(door: Door, content_type: str, body: bytes) -> None:
    assert send(door, body, content_type=content_type).status == 400


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "block_actions"},
        {"type": "block_actions", "user": None, "actions": [1]},
        {"type": "block_actions", "user": {"id": "U0OPS1"}, "actions": "go"},
        {"type": "event_callback", "event": None},
        {"type": "event_callback", "event": []},
        {"type": "event_callback", "event": {"type": "app_mention", "user": "U0OPS1"}},
        {"type": "event_callback", "authorizations": [1], "event": {}},
        {"type": "view_submission"},
        {"type": ["x"]},
        {"enterprise": 5},
        {"team": 5, "user": 7},
        {"command": None},
    ],
)
def test_a_signed_object_that_is_not_slacks_does_nothing(door: Door, payload: dict[str, object]) -> None:
    body = json.dumps(payload).encode()

    assert send(door, body, content_type="application/json").status in {200, 400}


@pytest.mark.parametrize("text", ["{bad", "{type:1}", "[", "payload"])
def test_a_form_that_looks_like_something_else_is_a_form(door: Door, text: str) -> None:
    fields = slash_fields(door.slack, text, "U0OPS1", "C0OPS")

    answer = send(door, urlencode(fields).encode())

    assert answer.status == 200
    assert "There is no operation" in answer.text


def test_the_word_payload_in_a_command_is_only_a_word(door: Door) -> None:
    fields = slash_fields(door.slack, "vm lsit payload-api", "U0OPS1", "C0OPS")

    assert "Did you mean `vm list`" in send(door, urlencode(fields).encode()).text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_slack_bolt_lazy_only", "1"),
        ("x_slack_bolt_lazy_function_name", "dispatch"),
    ],
)
def test_bolts_own_headers_from_the_network_count_for_nothing(door: Door, name: str, value: str) -> None:
    fields = slash_fields(door.slack, "vm lsit", "U0OPS1", "C0OPS")

    answer = send(door, urlencode(fields).encode(), **{name: value})

    assert "Did you mean `vm list`" in answer.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "TRACE"])
def test_other_methods_are_refused(door: Door, method: str) -> None:
    assert door.send(method, "/slack/events", b"", []).status == 405


@pytest.mark.parametrize("path", ["/", "/slack", "/slack/events/../../etc", "/admin"])
def test_other_paths_are_not_there(door: Door, path: str) -> None:
    assert door.send("POST", path, BODY, []).status == 404


def test_slacks_handshake_is_answered(door: Door) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "c-123", "token": "t"}).encode()

    answer = send(door, body, content_type="application/json")

    assert (answer.status, "c-123" in answer.body) == (200, True)


def test_a_signed_check_of_the_certificate_is_answered(door: Door) -> None:
    assert send(door, b"ssl_check=1").status == 200
