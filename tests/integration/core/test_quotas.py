"""Commands a minute, for one person and one channel, over all bots together."""

from __future__ import annotations

import pytest

from andock.ledger import Ledger
from andock.messages import Actor
from andock.quotas import Quotas
from andock.refusals import TooManyCommandsError
from andock.rulebook import Limit, Limits

OPS = Actor(team="T1", user="U0OPS1", name="ops-1")
LEAD = Actor(team="T1", user="U0LEAD1", name="lead-1")


def take(
    ledger: Ledger, limits: Limits, actor: Actor = OPS, channel: str = "C0OPS", dedupe: str = "d"
) -> bool:
    try:
        Quotas(ledger).charge(limits, actor, channel, dedupe)
    except TooManyCommandsError:
        return False
    return True


def test_a_person_gets_as_many_commands_a_minute_as_policy_says(ledger: Ledger) -> None:
    limits = Limits(user=Limit(per_minute=3))

    assert [take(ledger, limits) for _ in range(5)] == [True, True, True, False, False]
    assert take(ledger, limits, LEAD)


def test_a_channel_gets_as_many_whoever_asks(ledger: Ledger) -> None:
    limits = Limits(channel=Limit(per_minute=2))

    assert [take(ledger, limits, actor) for actor in (OPS, LEAD, OPS)] == [True, True, False]
    assert take(ledger, limits, channel="C0PROD")


def test_what_is_refused_for_the_channel_does_not_cost_the_person(ledger: Ledger) -> None:
    limits = Limits(user=Limit(per_minute=2), channel=Limit(per_minute=1))

    assert [take(ledger, limits), take(ledger, limits), take(ledger, limits)] == [True, False, False]
    assert take(ledger, limits, channel="C0PROD")


def test_the_refusal_says_how_many_and_when_again(ledger: Ledger) -> None:
    limits = Limits(user=Limit(per_minute=4))
    for _ in range(4):
        take(ledger, limits)

    with pytest.raises(TooManyCommandsError) as refused:
        Quotas(ledger).charge(limits, OPS, "C0OPS", "d")

    assert refused.value.sentence in {
        f"Too fast: you have 4 commands a minute. Ask again in {wait} s." for wait in (14, 15)
    }


def test_a_command_delivered_again_costs_nothing(ledger: Ledger) -> None:
    limits = Limits(user=Limit(per_minute=1))
    take(ledger, limits, dedupe="slash:1")
    ledger.redis.set(ledger.key("seen", "slash:1"), "rabc")  # as accepting it does

    assert take(ledger, limits, dedupe="slash:1")
    assert not take(ledger, limits, dedupe="slash:2")


def test_without_limits_redis_is_not_asked(ledger: Ledger) -> None:
    assert take(ledger, Limits(user=Limit(targets=5)))
    assert ledger.redis.keys(f"{ledger.prefix}*") == []
