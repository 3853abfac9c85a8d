"""What a read shows while it goes on, and keeps, in a real ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from andock.attempt import Attempt
from andock.display import RequestDisplay
from andock.errors import LeaseLostError
from andock.ledger import Ledger
from andock.messages import Reply, Request
from andock.outbox import Outbox
from andock.outputs import Outputs
from tests.integration.core.conftest import Accept


@pytest.fixture
def request_(accept: Accept) -> Request:
    return accept(reply=Reply(channel="C0OPS", private=False))


@pytest.fixture
def attempt(ledger: Ledger, request_: Request) -> Iterator[Attempt]:
    claimed = Attempt.claim(ledger, request_.id, 1)
    assert claimed is not None
    with claimed:
        yield claimed


@pytest.mark.parametrize(
    ("reply", "live"),
    [
        (Reply(channel="C0OPS", private=False), True),
        (Reply(channel="C0OPS", private=True), False),  # ephemeral, which nobody can edit
        (Reply(channel="D0OPS1", private=True, direct=True), True),
        (Reply(channel="", private=True), False),  # on the host
    ],
)
def test_what_can_be_edited(
    ledger: Ledger, attempt: Attempt, request_: Request, reply: Reply, live: bool
) -> None:
    asked = request_.model_copy(update={"reply": reply})
    assert RequestDisplay(ledger, attempt, asked).live is live


def test_what_is_shown_is_stored_and_due(ledger: Ledger, attempt: Attempt, request_: Request) -> None:
    display = RequestDisplay(ledger, attempt, request_)
    display.show("1 line", "one")
    display.show("2 lines", "one\ntwo")
    entry = ledger.read(request_.id)
    assert entry is not None
    assert entry.progress is not None
    assert entry.progress.so_far is not None
    assert (entry.progress.so_far.summary, entry.progress.so_far.text) == ("2 lines", "one\ntwo")
    assert [due.request for due in Outbox(ledger).take(10)] == [request_.id]


def test_each_output_of_an_attempt_is_one_of_its_own(
    ledger: Ledger, attempt: Attempt, request_: Request
) -> None:
    display = RequestDisplay(ledger, attempt, request_)
    kept = []
    for content in (b"first", b"second"):
        output = display.keep()
        output.write(content)
        kept.append(output.close())
    assert [each.id for each in kept] == [f"{request_.id}-1-1", f"{request_.id}-1-2"]
    assert [b"".join(Outputs(ledger).read(each.id)) for each in kept] == [b"first", b"second"]


def test_who_lost_the_request_shows_nothing_any_more(
    ledger: Ledger, attempt: Attempt, request_: Request
) -> None:
    ledger.redis.hset(ledger.key("request", request_.id), "owner", "another")
    with pytest.raises(LeaseLostError):
        RequestDisplay(ledger, attempt, request_).show("1 line", "one")
