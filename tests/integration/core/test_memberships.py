"""Snapshots of user groups in Redis: believed when a bot of ours signed them for this very group."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from andock.ledger import Ledger
from andock.memberships import KEPT, Membership, Roster
from andock.messages import CLI_TEAM, Actor
from andock.policy import Group, Policy
from andock.signing import Signer, Verifier, load_signer
from tests.conftest import untold

GROUPS = ("S0CALL", "S0OPS")


@pytest.fixture
def roster(ledger: Ledger, verifier: Verifier) -> Roster:
    return Roster(ledger, verifier, untold)


def snapshot(roster: Roster, group: str, *members: str, at: float = 0.0, instance: str = "") -> Membership:
    return Membership(
        instance=instance or roster.ledger.prefix.split(":")[1],
        group=group,
        members=frozenset(members),
        at=at or time.time(),
    )


def actor(*usergroups: str, at: float = 0.0) -> Actor:
    return Actor(team="T1", user="U0OPS1", name="ops-1", usergroups=usergroups, groups_at=at)


def test_who_is_in_which_group_is_known_to_every_process_and_as_old_as_its_oldest_part(
    roster: Roster, signer: Signer
) -> None:
    roster.write(snapshot(roster, "S0OPS", "U0OPS1", "U0OPS2", at=2000.0), signer)
    roster.write(snapshot(roster, "S0CALL", "U0OPS1", at=1000.0), signer)

    known = roster.read(GROUPS)

    assert known.groups_of("U0OPS1") == ("S0CALL", "S0OPS")
    assert known.groups_of("U0OPS2") == ("S0OPS",)
    assert known.groups_of("U0OTHER") == ()
    assert known.at == 1000.0
    assert known.actor(actor()) == actor("S0CALL", "S0OPS", at=1000.0)


def test_with_one_group_unknown_nothing_is_known_in_time(roster: Roster, signer: Signer) -> None:
    roster.write(snapshot(roster, "S0OPS", "U0OPS1"), signer)

    known = roster.read(GROUPS)

    assert known.unknown == ("S0CALL",)
    assert known.at == 0.0


def test_a_policy_without_user_groups_asks_nothing(roster: Roster) -> None:
    assert roster.read(()).actor(actor()) == actor()


def test_a_snapshot_is_forgotten_after_a_week(roster: Roster, signer: Signer) -> None:
    roster.write(snapshot(roster, "S0OPS", "U0OPS1"), signer)

    key = roster.ledger.key("members", "S0OPS")
    assert KEPT - 10 <= int(roster.ledger.redis.ttl(key)) <= KEPT  # type: ignore[arg-type]  # redis-py


def test_what_no_bot_of_ours_signed_counts_as_unknown(roster: Roster, signer: Signer, keys: Path) -> None:
    key = roster.ledger.key("members", "S0OPS")
    honest = signer.sign(snapshot(roster, "S0OPS", "U0OPS2"))
    forgeries = {
        "altered": honest.replace(b"U0OPS2", b"U0OPS1"),
        "of a worker": load_signer(keys, "worker").sign(snapshot(roster, "S0OPS", "U0OPS1")),
        "of another group": signer.sign(snapshot(roster, "S0LEADS", "U0OPS1")),
        "of another installation": signer.sign(snapshot(roster, "S0OPS", "U0OPS1", instance="other")),
        "another kind": signer.sign(actor()),
        "nonsense": b"\x00\xff",
    }
    for what, sealed in forgeries.items():
        roster.ledger.redis.set(key, sealed)
        assert roster.read(("S0OPS",)).unknown == ("S0OPS",), what


def test_the_newest_that_is_known_of_somebody_counts(roster: Roster, signer: Signer) -> None:
    asked = actor("S0CALL", "S0OPS", at=1000.0)
    assert roster.know(asked, GROUPS) == asked  # nothing in Redis: what the bot signed into the request

    for group in GROUPS:
        roster.write(snapshot(roster, group, at=2000.0), signer)
    assert roster.know(asked, GROUPS) == actor(at=2000.0)

    for group in GROUPS:
        roster.write(snapshot(roster, group, "U0OPS1", at=500.0), signer)  # somebody put an old one back
    assert roster.know(actor(at=1000.0), GROUPS) == actor(at=1000.0)


def test_who_asks_on_the_host_is_in_no_user_group(roster: Roster, signer: Signer) -> None:
    roster.write(snapshot(roster, "S0OPS", "cli:root"), signer)
    host = Actor(team=CLI_TEAM, user="cli:root", name="root")

    assert roster.know(host, ("S0OPS",)) == host


def test_a_hook_in_a_group_is_nobody_to_tell(roster: Roster) -> None:
    policy = Policy(groups={"ops": Group(users=frozenset({"U0OPS1", "hook:ci", "cli:root"}))})

    assert roster.people_of(policy, ("ops",)) == ("U0OPS1",)


def test_of_two_bots_one_asks_slack_about_a_group(roster: Roster) -> None:
    assert [roster.reserve("S0OPS"), roster.reserve("S0OPS"), roster.reserve("S0CALL")] == [True, False, True]
