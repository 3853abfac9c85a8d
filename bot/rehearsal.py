"""Cases that a team writes beside its policy, and what the policy decides on them: `andock policy test`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from andock import policy as rules
from andock.catalogue import Catalogue
from andock.durations import Duration
from andock.errors import ConfigError, OpsError
from andock.messages import Actor, team_outside
from andock.operation import DeskOperation, Target, Value
from bot.parsing import parse
from config.documents import Document, Place
from config.sites import Sites


class Verdict(StrEnum):
    """What a case expects."""

    ALLOW = "allow"
    CONFIRM = "confirm"  # allowed after the asker's Go ahead
    APPROVAL = "approval"
    DENY = "deny"
    BREAK_GLASS = "break_glass"  # allowed at once, without the approvals that it needs


class Facts(Value):
    """What policy sees of a target."""

    site: str
    environment: str
    name: str = Field(default="", description="left out: the name that the target has in this file")
    id: str = Field(default="", description="left out: the name")
    path: str = ""
    labels: tuple[str, ...] = Field(default=(), description="tags or labels as key=value")


class Case(Value):
    """One command of one person, and the decision that is expected."""

    user: str = Field(description="Slack user id, `cli:NAME`, `hook:NAME` or `schedule:NAME`")
    groups: tuple[str, ...] | None = Field(
        default=None, description="user group ids; left out: as `people` says"
    )
    channel: str = Field(default="", description="channel id; left out: `cli` for who asks on the host")
    command: str
    targets: tuple[str, ...] = Field(default=(), description="names of this file's targets")
    time: datetime | None = Field(default=None, description="when it is asked; left out: now")
    membership: Duration = Field(default=timedelta(0), description="how long ago Slack said the groups")
    emergency: bool = Field(default=False, description="asked with --break-glass")
    expected: Verdict
    rule: str = Field(default="", description="the rule's name; left out: any")


class Cases(Value):
    """cases.yaml as a whole."""

    people: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="user id -> user group ids"
    )
    targets: Mapping[str, Facts] = Field(default_factory=dict)
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A case whose decision is another than expected."""

    where: str
    text: str


@dataclass(frozen=True)
class Rehearsal:
    """The cases of one file, ready to be decided."""

    document: Document
    cases: Cases
    catalogue: Catalogue

    @classmethod
    def load(cls, path: Path, catalogue: Catalogue, sites: Sites) -> Rehearsal:
        """The cases of a file.

        Raises:
            ConfigError: an unknown key, site or environment; names file, line and fix.
        """
        document = Document(path)
        read = cls(document, document.parse(Cases), catalogue)
        for name, facts in read.cases.targets.items():
            place: Place = ("targets", name)
            if facts.site not in sites.names():
                raise read._wrong(place, f"there is no site `{facts.site}`.", "see sites.yaml.")
            if facts.environment not in sites.environments:
                raise read._wrong(place, f"there is no environment `{facts.environment}`.", "see sites.yaml.")
        return read

    def play(self, policy: rules.Policy) -> tuple[Failure, ...]:
        """Decide every case as Andock would; those that come out otherwise.

        Raises:
            ConfigError: a case's command is none, or its targets are not as its operation needs.
        """
        found = (self._play(policy, number) for number in range(len(self.cases.cases)))
        return tuple(failure for failure in found if failure is not None)

    def _play(self, policy: rules.Policy, number: int) -> Failure | None:
        case = self.cases.cases[number]
        decision = self.decide(policy, number)
        if verdict_of(decision) is case.expected and self._is_by(policy, number, decision.rule):
            return None
        wanted = f"{case.expected.value} by {case.rule}" if case.rule else case.expected.value
        asked = f"`{case.command}` by {case.user} in {case.channel or 'cli'}"
        text = f"{asked}: expected {wanted}, got {verdict_of(decision).value} by {decision.rule}"
        return Failure(self.document.where(("cases", number)), text)

    def decide(self, policy: rules.Policy, number: int) -> rules.Decision:
        """The decision on one case; raises as `play`."""
        case = self.cases.cases[number]
        question = self.question(number)
        if isinstance(self.catalogue.get(question.operation), DeskOperation):
            return rules.decide_without_target(policy, question)
        if not case.targets:
            problem = f"`{case.command}` is done to something."
            raise self._wrong(("cases", number), problem, "name its `targets`.")
        return rules.decide(policy, question, [self._target(name, number) for name in case.targets])

    def verdict(self, policy: rules.Policy, number: int) -> Verdict:
        """The decision on one case in a case's words; raises as `play`."""
        return verdict_of(self.decide(policy, number))

    def question(self, number: int) -> rules.Question:
        """What policy is asked in a case; raises as `play`."""
        case = self.cases.cases[number]
        try:
            parsed = parse(case.command, self.catalogue)
        except OpsError as error:
            problem = error.sentence.splitlines()[0]
            raise self._wrong(("cases", number), problem, "mend the command.") from error
        now = case.time.timestamp() if case.time is not None else time.time()
        actor = Actor(
            team=team_outside(case.user) or "T0",
            user=case.user,
            name=case.user,
            usergroups=self.cases.people.get(case.user, ()) if case.groups is None else case.groups,
            groups_at=now - case.membership.total_seconds(),
        )
        return rules.Question(
            actor,
            parsed.operation.name,
            parsed.operation.risk,
            case.channel or "cli",
            params=parsed.params.model_dump(mode="json"),
            now=now,
            emergency=case.emergency,
        )

    def _is_by(self, policy: rules.Policy, number: int, place: str) -> bool:
        """Whether the rule that the case wants, if any, is among those that decided."""
        wanted = self.cases.cases[number].rule
        if not wanted or wanted == place or (wanted == "limits" and place.startswith("limits (")):
            return True
        rule = next((rule for rule in policy.rules if rule.name == wanted), None)
        if rule is None and wanted not in ("none", "limits"):
            raise self._wrong(
                ("cases", number, "rule"), f"there is no rule `{wanted}`.", "name one, `none` or `limits`."
            )
        return rule is not None and policy.place(rule) in place

    def _target(self, name: str, number: int) -> Target:
        facts = self.cases.targets.get(name)
        if facts is None:
            place: Place = ("cases", number, "targets")
            raise self._wrong(place, f"there is no target `{name}`.", "describe it under `targets:`.")
        shown = facts.name or name
        return Target(
            kind="any",
            site=facts.site,
            id=facts.id or shown,
            name=shown,
            path=facts.path,
            environment=facts.environment,
            labels=facts.labels,
        )

    def _wrong(self, place: Place, problem: str, fix: str) -> ConfigError:
        return ConfigError(problem, where=self.document.where(place), fix=fix)


def verdict_of(decision: rules.Decision) -> Verdict:
    """The decision in a case's words."""
    match decision:
        case rules.Denied():
            return Verdict.DENY
        case rules.NeedsApproval():
            return Verdict.APPROVAL
        case rules.Allowed(emergency=rules.BreakGlass()):
            return Verdict.BREAK_GLASS
        case rules.Allowed(confirm=True):
            return Verdict.CONFIRM
        case rules.Allowed():
            return Verdict.ALLOW
