"""`/hooks/deploy`: what is signed rightly becomes one request, the rest is refused with the way out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from andock.audit import AuditRecord
from andock.entries import Post
from andock.outbox import Due, Outbox
from andock.ports.records import Halt
from andock.signing import load_verifier
from sandbox.redis_server import RedisServer, start_redis
from tests.hook_calls import ENVIRON, OTHER_SECRET, SECRET, Caller, describe_hooks
from tests.integration.bot.conftest import Door, StartBot

POLICY = """
groups:
  ops: {users: [U0OPS1]}
  machines: {users: ["hook:ci", "hook:other"]}
rules:
  - {name: not db, deny: ["vm off"], params: {vm: ["db-*"]}, to: [machines]}
  - {name: ci deploys, allow: ["vm off"], to: [machines], channels: [C0OPS]}
  - {name: ops, allow: ["*"], to: [ops]}
"""
HOOKS = describe_hooks(services="[!x]*", environment="dev")


@pytest.fixture(scope="session")
def hooked(start_bot: StartBot, redis_server: RedisServer) -> Door:
    files = {"policy.yaml": POLICY, "hooks.yaml": HOOKS}
    return start_bot(redis_server, module="tests.hooked_bot", files=files, env=ENVIRON)


@pytest.fixture
def door(hooked: Door) -> Door:
    hooked.forget()
    hooked.pretend_workers()
    return hooked


@dataclass(frozen=True)
class DevCaller(Caller):
    """Asks for what is there in this installation."""

    def call(self, **changes: object) -> dict[str, object]:
        return super().call(**({"environment": "dev"} | changes))


@pytest.fixture
def ci(door: Door) -> Caller:
    return DevCaller(door.port)


@pytest.fixture(autouse=True)
def no_traceback(hooked: Door) -> Iterator[None]:
    logged = len(hooked.process.output())
    yield
    news = hooked.process.output()[logged:]
    assert "Traceback" not in news
    assert '"exception"' not in news
    assert SECRET not in news


def records(door: Door) -> list[AuditRecord]:
    verifier = load_verifier(door.keys)
    entries = door.redis.xrange(door.ledger.audit)
    assert isinstance(entries, list)
    return [verifier.open(fields[b"sealed"], AuditRecord, by="bot") for _, fields in entries]


# --- what is taken ---------------------------------------------------------------------------------------


def test_a_signed_call_becomes_a_request_of_the_hook_in_the_authors_name(door: Door, ci: Caller) -> None:
    reply = ci.post(ci.call(service="web-01"))

    (request,) = door.requests()
    assert reply.status == 202
    assert reply.said == {"request": request.id, "status_url": f"/hooks/deploy/{request.id}"}
    assert reply.headers["location"] == f"/hooks/deploy/{request.id}"
    assert request.command == "vm off web-01"
    assert (request.actor.key, request.actor.name) == ("hook/hook:ci", "hook ci for ops-1")
    assert request.actor.author == f"{door.slack.team_id}/U0OPS1"
    assert (request.channel, request.reply.channel, request.reply.private) == ("C0OPS", "C0OPS", False)
    assert (request.reason, request.link) == ("merged", "https://ci.example/api/runs/1234567")
    assert [(record.actor, record.author) for record in records(door)] == [
        ("hook/hook:ci", f"{door.slack.team_id}/U0OPS1")
    ]


def test_an_author_may_be_named_by_e_mail(door: Door, ci: Caller) -> None:
    assert ci.post(ci.call(author="ops-2@sandbox.invalid")).status == 202
    assert door.requests()[0].actor.author == f"{door.slack.team_id}/U0OPS2"


def test_the_same_call_again_is_the_same_request(door: Door, ci: Caller) -> None:
    body = json.dumps(ci.call()).encode()

    first, again = ci.post(body), ci.post(body)

    assert (first.status, again.status) == (202, 200)
    assert first.said == again.said
    assert len(door.requests()) == 1


def test_a_nonce_with_another_body_is_409(door: Door, ci: Caller) -> None:
    ci.post(ci.call(nonce="build-1234"))

    reply = ci.post(ci.call(nonce="build-1234", version="v2"))

    assert (reply.status, reply.said["error"]) == (409, "nonce_used")
    assert "Make a new one" in reply.said["message"]
    assert len(door.requests()) == 1


def test_nonces_of_two_hooks_do_not_meet(door: Door, ci: Caller) -> None:
    other = replace(ci, hook="other", secret=OTHER_SECRET)

    assert ci.post(ci.call(nonce="build-1234")).status == 202
    assert other.post(ci.call(nonce="build-1234")).status == 202
    assert len(door.requests()) == 2


def test_a_call_that_failed_on_our_side_can_be_sent_again_as_it_is(door: Door, ci: Caller) -> None:
    body = json.dumps(ci.call()).encode()
    door.forget()

    refused = ci.post(body)
    door.pretend_workers()
    taken = ci.post(body)

    assert (refused.status, refused.said["error"]) == (503, "backend_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert taken.status == 202


def test_the_same_call_twenty_times_at_once_is_one_request(door: Door, ci: Caller) -> None:
    body = json.dumps(ci.call()).encode()

    with ThreadPoolExecutor(10) as wires:
        replies = list(wires.map(ci.post, [body] * 20))

    (request,) = door.requests()
    assert {reply.status for reply in replies} <= {200, 202}
    assert {reply.said["request"] for reply in replies} == {request.id}


def test_while_slack_does_not_say_who_the_author_is_it_is_503_and_can_be_sent_again(
    door: Door, ci: Caller
) -> None:
    body = json.dumps(ci.call(author="lead-1@sandbox.invalid")).encode()
    door.slack.fault("users.lookupByEmail", "http_error", status=503, times=9)
    try:
        refused = ci.post(body)
    finally:
        door.slack.clear_faults()

    assert (refused.status, refused.said["error"]) == (503, "service_unavailable")
    assert "the nonce makes it one request" in refused.said["message"]
    assert ci.post(body).status == 202


def test_an_app_that_may_not_look_up_e_mail_addresses_says_which_scope_it_lacks(
    door: Door, ci: Caller
) -> None:
    door.slack.set_app(scopes=["users:read", "channels:read", "usergroups:read", "chat:write"])
    try:
        refused = ci.post(ci.call(author="ops-1@sandbox.invalid"))
        taken = ci.post(ci.call(author="U0OPS1"))
    finally:
        door.slack.set_app(scopes=None)

    assert refused.status == 503
    assert "`users:read.email`; send the author's Slack user id instead" in refused.said["message"]
    assert taken.status == 202


def test_while_redis_is_away_it_is_503_and_nothing_is_done(start_bot: StartBot, tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    try:
        files = {"policy.yaml": POLICY, "hooks.yaml": HOOKS}
        ci = DevCaller(start_bot(server, module="tests.hooked_bot", files=files, env=ENVIRON).port)
        server.kill()

        replies = [ci.post(ci.call()), ci.look("rabcdefghjkm")]
    finally:
        server.stop()

    assert [(reply.status, reply.said["error"]) for reply in replies] == [(503, "backend_unavailable")] * 2
    assert "nothing was changed" in replies[0].said["message"]


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"x_andock_signature": None},
        {"x_andock_hook": None},
        {"x_andock_hook": "nobody"},
        {"x_andock_hook": "other"},
        {"x_andock_signature": "sha256=" + "0" * 64},
        {"x_andock_signature": "sha1=" + "0" * 40},
        {"x_andock_signature": "0" * 64},
        {"x_andock_signature": "sha256=" + "é" * 64},
        {"x_andock_signature": ""},
    ],
)
def test_what_the_hook_did_not_sign_is_401(door: Door, ci: Caller, headers: dict[str, str | None]) -> None:
    before = door.remembered()

    reply = ci.post(ci.call(), **headers)

    assert (reply.status, reply.said["error"]) == (401, "unauthorized")
    assert door.remembered() == before


def test_a_signature_of_another_body_is_401(door: Door, ci: Caller) -> None:
    assert ci.post(ci.call(), x_andock_signature=ci.sign(b"{}")).status == 401


@pytest.mark.parametrize("age", [301, 86_400, -310])
def test_too_old_or_from_the_future_is_401_however_well_signed(door: Door, ci: Caller, age: int) -> None:
    reply = ci.post(ci.call(time=int(time.time()) - age))

    assert reply.status == 401
    assert "look at the clocks" in reply.said["message"]
    assert door.requests() == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"service": None}, "`service`"),
        ({"servise": "api"}, "`servise` is not known. The keys are: service, version"),
        ({"service": "api; rm -rf /"}, "`service`"),
        ({"service": "api --site lab"}, "`service`"),
        ({"version": "--yes"}, "`version`"),
        ({"version": ""}, "`version`"),
        ({"environment": "de v"}, "`environment`"),
        ({"author": "ops-1"}, "`author`"),
        ({"author": "<@U0OPS1>"}, "`author`"),
        ({"author": "U0NOBODY1"}, "Slack knows no member `U0NOBODY1`"),
        ({"author": "nobody@sandbox.invalid"}, "Slack knows no member `nobody@sandbox.invalid`"),
        ({"nonce": "short"}, "`nonce`"),
        ({"nonce": None}, "`nonce`"),
        ({"time": "1764000000"}, "`time`"),
        ({"time": None}, "`time`"),
        ({"url": "javascript:alert(1)"}, "`url`"),
        ({"url": "https://ci.example/|<!channel>"}, "`url`"),
        ({"reason": "x" * 301}, "`reason`"),
        ({"reason": "password=hunter2hunter2"}, "secret"),
    ],
)
def test_a_body_that_is_not_as_it_must_be_is_400_and_says_what(
    door: Door, ci: Caller, changes: dict[str, object], says: str
) -> None:
    reply = ci.post(ci.call(**changes))

    assert reply.status == 400
    assert says in reply.said["message"]
    assert "hunter2" not in reply.said["message"]
    assert door.requests() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b"\xff\xfe{", b"[" * 9_000, b'{"a":' * 2_000])
def test_a_signed_body_that_is_no_object_is_400(door: Door, ci: Caller, body: bytes) -> None:
    assert ci.post(body).status == 400


def test_a_body_that_is_too_large_is_413_before_its_signature_is_looked_at(door: Door, ci: Caller) -> None:
    assert ci.post(b"x" * 16_385, x_andock_signature=None).status == 413


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"service": "xyz"}, "may not ask for service `xyz`"),
        ({"environment": "prod"}, "may not deploy to `prod`"),
        ({"author": "U0GUEST1"}, "guests never act"),
        ({"service": "db-1"}, "(rule: not db (policy.yaml:"),
    ],
)
def test_what_the_hook_or_policy_or_slack_does_not_let_is_403_names_the_rule_and_is_recorded(
    door: Door, ci: Caller, changes: dict[str, object], says: str
) -> None:
    reply = ci.post(ci.call(**changes))

    assert (reply.status, reply.said["error"]) == (403, "not_allowed")
    assert says in reply.said["message"]
    assert door.requests() == []
    (record,) = records(door)
    assert (record.actor, record.result) == ("hook/hook:ci", "denied")


def test_while_changes_are_halted_it_is_409(door: Door, ci: Caller) -> None:
    door.ledger.halt(Halt("*", "lead-1", "storage", datetime.now(UTC)))

    reply = ci.post(ci.call())

    assert (reply.status, reply.said["error"]) == (409, "halted")
    assert "halted by lead-1: storage" in reply.said["message"]


def test_other_methods_and_paths_are_not_there(door: Door) -> None:
    assert door.send("PUT", "/hooks/deploy", b"", []).status == 405
    assert door.send("POST", "/hooks/deploy/x", b"", []).status == 405
    assert door.send("POST", "/hooks", b"", []).status == 404


def test_without_hooks_there_is_no_such_path(shared_door: Door) -> None:
    assert shared_door.send("POST", "/hooks/deploy", b"{}", []).status == 404


def test_a_hook_may_ask_so_often_a_minute_and_then_hears_when_again(
    start_bot: StartBot, redis_server: RedisServer
) -> None:
    files = {"policy.yaml": POLICY, "hooks.yaml": describe_hooks(environment="dev", per_minute=2)}
    door = start_bot(redis_server, module="tests.hooked_bot", files=files, env=ENVIRON)
    door.pretend_workers()
    ci = DevCaller(door.port)
    first = json.dumps(ci.call()).encode()

    assert [ci.post(body).status for body in (first, ci.call(), first)] == [202, 202, 200]
    refused = ci.post(ci.call())

    assert (refused.status, refused.said["error"]) == (429, "too_many_commands")
    assert "hook `ci` has 2 commands a minute" in refused.said["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 30


def test_where_the_bot_is_no_member_it_is_409_and_says_to_invite_it(
    start_bot: StartBot, redis_server: RedisServer
) -> None:
    files = {"policy.yaml": POLICY, "hooks.yaml": describe_hooks(environment="dev", channel="C0LAB")}
    door = start_bot(redis_server, module="tests.hooked_bot", files=files, env=ENVIRON)
    ci = DevCaller(door.port)

    reply = ci.post(ci.call())

    assert reply.status == 409
    assert "not in the channel of hook `ci`, C0LAB: invite it there" in reply.said["message"]


# --- how it is -------------------------------------------------------------------------------------------


def test_the_status_is_one_of_githubs_and_links_to_the_message(door: Door, ci: Caller) -> None:
    request = ci.post(ci.call()).said["request"]
    Outbox(door.ledger).record_post(Due(request, "main"), Post(channel="C0OPS", ts="1764000000.000100"))

    reply = ci.look(request)

    assert reply.status == 200
    said = reply.said
    assert (said["request"], said["state"]) == (request, "queued")
    assert said["log_url"] == said["target_url"] == f"{door.slack.url}/archives/C0OPS/p1764000000000100"
    assert said["approvals"] == {"given": 0, "needed": 0}
    assert len(said["description"]) <= 140
    assert abs(datetime.fromisoformat(said["created_at"]).timestamp() - time.time()) < 60
    assert reply.headers["cache-control"] == "no-store"


def test_only_a_hooks_own_requests_can_be_read(door: Door, ci: Caller) -> None:
    own = ci.post(ci.call()).said["request"]
    door.slash("vm off web-01")
    typed = next(request.id for request in door.requests() if request.id != own)
    other = replace(ci, hook="other", secret=OTHER_SECRET)

    assert ci.look(own).status == 200
    unknown = [other.look(own), ci.look(typed), ci.look("rabcdefghjkm"), ci.look("nothing")]
    assert [reply.status for reply in unknown] == [404] * 4
    assert {reply.said["error"] for reply in unknown} == {"not_found"}


@pytest.mark.parametrize(
    "headers",
    [
        {"x_andock_signature": None},
        {"x_andock_signature": "sha256=" + "0" * 64},
        {"x_andock_time": None},
        {"x_andock_time": "now"},
        {"x_andock_hook": "other"},
    ],
)
def test_a_question_that_the_hook_did_not_sign_is_401(
    door: Door, ci: Caller, headers: dict[str, str | None]
) -> None:
    request = ci.post(ci.call()).said["request"]

    assert ci.look(request, **headers).status == 401


def test_an_old_question_and_one_about_another_request_are_401(door: Door, ci: Caller) -> None:
    request = ci.post(ci.call()).said["request"]
    signature = ci.sign(f"GET /hooks/deploy/other\n{int(time.time())}".encode())

    assert ci.look(request, at=int(time.time()) - 301).status == 401
    assert ci.look(request, x_andock_signature=signature).status == 401
