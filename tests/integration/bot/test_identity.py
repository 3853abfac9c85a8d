"""Who somebody is, and in which user groups: what was last known counts while Slack is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from andock.errors import BackendUnavailableError
from andock.ledger import Ledger
from andock.memberships import Membership, Roster
from andock.messages import Actor
from andock.refusals import NotAllowedError
from andock.signing import Signer, Verifier
from bot import identity
from bot.identity import Directory
from bot.usergroups import METHOD, RENEWED, TIER, UserGroups
from config.installation import connect
from sandbox.slack.client import Workspace
from tests.conftest import untold


@dataclass
class Office:
    """Makes bots of one installation in one workspace, and lets time pass for them."""

    workspace: Workspace
    ledger: Ledger
    verifier: Verifier
    signer: Signer
    named: list[str] = field(default_factory=lambda: ["S0OPS", "S0LEADS"])

    @property
    def roster(self) -> Roster:
        return Roster(self.ledger, self.verifier, untold)

    def groups(self) -> UserGroups:
        slack = AsyncWebClient(
            token=self.workspace.bot_token, base_url=self.workspace.api_url, timeout=2, retry_handlers=[]
        )
        instance = self.ledger.prefix.split(":")[1]
        return UserGroups(slack, self.roster, self.signer, instance, lambda: tuple(self.named))

    def directory(self) -> Directory:
        groups = self.groups()
        return Directory(groups.slack, self.workspace.team_id, groups)

    def write(self, group: str, *members: str, at: float) -> None:
        instance = self.ledger.prefix.split(":")[1]
        snapshot = Membership(instance=instance, group=group, members=frozenset(members), at=at)
        self.roster.write(snapshot, self.signer)

    def asked(self) -> list[str]:
        """User groups that Slack was asked about since the last look."""
        return [str(call.args["usergroup"]) for call in self.workspace.calls(METHOD, reset=True)]


@pytest.fixture
def office(workspace: Workspace, ledger: Ledger, verifier: Verifier, signer: Signer) -> Iterator[Office]:
    workspace.clear_faults()
    workspace.set_limits(enabled=False)
    workspace.calls(reset=True)
    yield Office(workspace, ledger, verifier, signer)
    workspace.clear_faults()
    workspace.set_limits(enabled=False)
    workspace.set_group("S0OPS", users=["U0OPS1", "U0OPS2"])


def identify(directory: Directory, user: str = "U0OPS1") -> Actor:
    return asyncio.run(directory.identify(directory.team, user))


def age(directory: Directory, seconds: float) -> None:
    """Let what is known of people and channels grow older."""
    for known in (directory._people, directory._channels):
        for name, (at, fact) in list(known.items()):
            known[name] = (at - seconds, fact)  # type: ignore[assignment]  # a person or a channel, as before


def test_of_a_group_that_nobody_asked_about_slack_is_asked_once_for_all_bots(office: Office) -> None:
    first = identify(office.directory())
    second = identify(office.directory(), "U0OPS2")

    assert (first.usergroups, second.usergroups) == (("S0OPS",), ("S0OPS",))
    assert time.time() - first.groups_at < 10
    assert sorted(office.asked()) == ["S0LEADS", "S0OPS"]


def test_a_snapshot_saves_waiting_for_slack_and_its_age_is_the_actors(office: Office) -> None:
    then = time.time() - 1000
    office.write("S0OPS", "U0OPS1", at=then)
    office.write("S0LEADS", "U0OPS1", at=time.time())
    office.workspace.fault(METHOD, "delay", seconds=5, times=9)
    directory = office.directory()

    started = time.monotonic()
    actor = identify(directory)

    assert time.monotonic() - started < 2
    assert (actor.usergroups, actor.groups_at) == (("S0OPS", "S0LEADS"), then)
    assert office.asked() == []


def test_a_group_that_is_gone_has_no_members_and_that_is_known(office: Office) -> None:
    office.named[:] = ["S0NOWHERE"]

    actor = identify(office.directory())

    assert actor.usergroups == ()
    assert time.time() - actor.groups_at < 10


def test_with_slack_away_from_the_start_nobody_is_known_to_be_in_a_group(office: Office) -> None:
    office.workspace.fault(METHOD, "http_error", status=503, times=99)

    assert identify(office.directory()).groups_at == 0.0


def test_groups_that_a_new_policy_names_are_asked_for(office: Office) -> None:
    office.named[:] = ["S0OPS"]
    directory = office.directory()
    assert identify(directory, "U0LEAD1").usergroups == ()

    office.named.append("S0LEADS")

    assert identify(directory, "U0LEAD1").usergroups == ("S0LEADS",)


def test_the_oldest_is_renewed_first(office: Office) -> None:
    office.write("S0OPS", "U0GONE1", at=time.time() - RENEWED)
    office.write("S0LEADS", "U0GONE1", at=time.time() - RENEWED - 100)

    asyncio.run(office.groups().renew_old())

    assert office.asked() == ["S0LEADS", "S0OPS"]


def test_what_is_old_is_renewed_by_one_of_two_bots(office: Office) -> None:
    office.write("S0OPS", "U0GONE1", at=time.time() - RENEWED)
    office.write("S0LEADS", "U0GONE1", at=time.time() - RENEWED - 100)

    async def two_bots() -> None:
        await asyncio.gather(office.groups().renew_old(), office.groups().renew_old())

    asyncio.run(two_bots())

    assert sorted(office.asked()) == ["S0LEADS", "S0OPS"]
    known = office.roster.read(("S0OPS", "S0LEADS"))
    assert known.groups_of("U0GONE1") == ()
    assert known.groups_of("U0LEAD1") == ("S0LEADS",)
    assert time.time() - known.at < 10


def test_what_is_new_enough_is_left_alone(office: Office) -> None:
    office.write("S0OPS", at=time.time() - RENEWED + 60)
    office.write("S0LEADS", at=time.time())

    asyncio.run(office.groups().renew_old())

    assert office.asked() == []


def test_all_bots_together_stay_within_slacks_rate(office: Office) -> None:
    office.named[:] = [f"S0MANY{number:02}" for number in range(30)]

    async def bots() -> None:
        await asyncio.gather(*(office.groups().renew_old() for _ in range(3)))

    asyncio.run(bots())

    assert len(office.asked()) <= TIER[1] + 1


@pytest.mark.parametrize("fault", [("http_error", {"status": 503}), ("ratelimited", {"retry_after": 1})])
def test_while_slack_is_away_the_last_snapshot_stays_with_its_age(
    office: Office, fault: tuple[str, dict[str, object]]
) -> None:
    then = time.time() - 2000
    office.write("S0OPS", "U0OPS1", at=then)
    office.write("S0LEADS", at=then)
    office.workspace.fault(METHOD, fault[0], times=99, **fault[1])

    asyncio.run(office.groups().renew_old())

    assert office.roster.read(("S0OPS", "S0LEADS")).actor(identify(office.directory())).groups_at == then


def test_a_person_who_is_known_may_act_while_slack_is_away(office: Office) -> None:
    directory = office.directory()
    known = identify(directory)
    age(directory, identity.KEPT + 1)
    office.workspace.fault("users.info", "http_error", status=503, times=99)

    assert identify(directory) == known
    assert identify(directory) == known
    assert len(office.workspace.calls("users.info")) == 2  # nobody waits for Slack again just now


def test_after_an_hour_nobody_is_known_any_more(office: Office) -> None:
    directory = office.directory()
    identify(directory)
    age(directory, identity.KEPT_WITHOUT_SLACK + 1)
    office.workspace.fault("users.info", "http_error", status=503, times=99)

    with pytest.raises(SlackApiError):
        identify(directory)


def test_whom_slack_called_a_guest_since_does_not_act_while_it_is_away(office: Office) -> None:
    office.workspace.set_user("U0TURNED1", name="turned-1")
    directory = office.directory()
    identify(directory, "U0TURNED1")
    office.workspace.set_user("U0TURNED1", is_restricted=True)
    age(directory, identity.KEPT + 1)
    with pytest.raises(NotAllowedError):
        identify(directory, "U0TURNED1")

    office.workspace.fault("users.info", "http_error", status=503, times=99)

    with pytest.raises(SlackApiError):
        identify(directory, "U0TURNED1")


def test_a_channel_that_is_known_stays_so_while_slack_is_away(office: Office) -> None:
    directory = office.directory()
    assert asyncio.run(directory.find_channel("C0OPS")).writable
    age(directory, identity.KEPT + 1)
    office.workspace.fault("conversations.info", "http_error", status=503, times=99)

    assert asyncio.run(directory.find_channel("C0OPS")).writable


def test_without_redis_what_was_read_before_counts_and_else_it_is_said(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.write("S0OPS", "U0OPS1", at=time.time())
    office.write("S0LEADS", at=time.time())
    groups = office.groups()
    known = asyncio.run(groups.members())
    nowhere = Roster(Ledger(connect("redis://127.0.0.1:1/0"), "x"), office.verifier, untold)
    groups.roster = nowhere
    monkeypatch.setattr("bot.usergroups.BELIEVED", 0.0)

    assert asyncio.run(groups.members()) == known
    fresh = office.groups()
    fresh.roster = nowhere
    with pytest.raises(BackendUnavailableError):
        asyncio.run(fresh.members())
