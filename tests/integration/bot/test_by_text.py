"""What people say to a request by text, and what help offers them: each as far as they may."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from andock.approvals import Approval, Need
from andock.entries import Entry
from andock.messages import Failed, State, Succeeded
from andock.operation import Plan, Step, Target
from andock.redaction import SHAPES_ONLY
from andock.seals import StoredPlan, seal_plan
from andock.signing import load_signer
from tests.integration.bot.conftest import Door

TARGET = Target(kind="vm", site="lab", id="vm-1", name="web-01", environment="dev")
PLAN = Plan(batches=((Step(action="power off", target=TARGET, text="power off `web-01`"),),))
APPROVAL = Approval(rule="ops", needs=(Need(count=2, groups=("ops",), people=("U0OPS2",)),), within=600.0)


@dataclass(frozen=True)
class Asked:
    """A request of ops-1, and what became of it and of what was said to it."""

    door: Door
    id: str

    def park(self, state: State) -> None:
        """Let it wait for people."""
        self.door.ledger.claim(self.id, 1, "me")
        stored = StoredPlan(instance=self.door.ledger.instance, request=self.id, attempt=1, plan=PLAN)
        plan = seal_plan(stored, load_signer(self.door.keys, "worker"), SHAPES_ONLY)
        fields = {"plan": plan, "digest": PLAN.digest, "approval": APPROVAL}
        self.door.ledger.park(self.id, "me", state, fields, look_again=60_000)

    def entry(self) -> Entry:
        """As it is now."""
        found = self.door.ledger.read(self.id)
        assert found is not None
        return found

    def hear(self, text: str, user: str) -> str:
        """What somebody is answered who types this."""
        said = self.door.slash(f"{text} {self.id}", user=user).text
        return said or answer(self.door)


def answer(door: Door) -> str:
    """What the newest request came to."""
    result = door.ledger.recent(actor=None, limit=1)[0].result
    if isinstance(result, Failed):
        return result.sentence
    assert isinstance(result, Succeeded)
    return str(result.outcome)


@pytest.fixture
def asked(door: Door) -> Asked:
    door.slash("vm off web-01")
    return Asked(door, door.requests()[0].id)


def test_a_no_by_text_ends_it_with_its_reason(asked: Asked) -> None:
    asked.park(State.APPROVING)

    assert "Denied" in asked.hear("request deny --reason 'not during the backup'", "U0OPS2")

    entry = asked.entry()
    assert entry.state is State.CANCELLED
    assert isinstance(entry.result, Failed)
    assert entry.result.sentence.endswith("said No: not during the backup")


@pytest.mark.parametrize("user", ["U0OPS1", "U0LEAD1"])
def test_a_no_by_text_is_not_for_the_asker_nor_for_others(asked: Asked, user: str) -> None:
    asked.park(State.APPROVING)

    assert "Not allowed" in asked.hear("request deny", user)

    assert asked.entry().state is State.APPROVING


def test_help_offers_what_a_person_may_do_and_marks_the_rest(door: Door) -> None:
    assert {"info", "list"} <= offered(door, "U0LEAD1")
    assert "off" not in offered(door, "U0LEAD1")
    assert "off" in offered(door, "U0OPS1")

    for user, marked in (("U0LEAD1", True), ("U0OPS1", False)):
        door.slash("help vm off", user=user)
        assert ("Policy has no rule that would let you" in answer(door)) is marked


def offered(door: Door, user: str) -> set[str]:
    """What help says that one can ask of VMs."""
    door.slash("help", user=user)
    result = door.ledger.recent(actor=None, limit=1)[0].result
    assert isinstance(result, Succeeded)
    return set(dict(result.outcome.fields)["vm"].split(", "))
