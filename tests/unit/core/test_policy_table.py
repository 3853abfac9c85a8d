"""A company's policy and what it decides: every rule and every condition in it is there for a case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from andock.catalogue import load_catalogue
from andock.coverage import Ground
from andock.freezes import Freeze
from andock.patterns import Globs
from andock.policy import Denied, Policy, Rule, could_allow
from andock.review import review
from bot.rehearsal import Rehearsal
from config.policy import load_policy
from config.sites import load_sites

TABLE = Path(__file__).parent / "table"
CATALOGUE = load_catalogue()
SITES = load_sites(TABLE / "sites.yaml")
POLICY = load_policy(TABLE / "policy.yaml", operations=CATALOGUE, sites=SITES)
REHEARSAL = Rehearsal.load(TABLE / "cases.yaml", CATALOGUE, SITES)
CONDITIONS = ("to", "risk", "environments", "sites", "targets", "labels", "params", "channels", "confirm")


def test_at_least_two_hundred_cases_come_out_as_expected() -> None:
    assert len(REHEARSAL.cases.cases) >= 200
    assert REHEARSAL.play(POLICY) == ()


def test_what_a_case_allows_is_not_denied_before_its_targets_are_known() -> None:
    for number, case in enumerate(REHEARSAL.cases.cases):
        question = REHEARSAL.question(number)
        desk = not case.targets
        if isinstance(could_allow(POLICY, question, desk=desk), Denied):
            assert isinstance(REHEARSAL.decide(POLICY, number), Denied), case.command


def test_there_is_nothing_to_mend_in_it() -> None:
    grounds = [
        Ground(name, SITES.backend_of(name), SITES.site(name).possible_environments) for name in SITES.names()
    ]
    assert [finding for finding in review(POLICY, CATALOGUE, grounds, {}) if finding.sure] == []


def differs(policy: Policy) -> bool:
    """Whether some case comes out otherwise than by the policy as it is, whichever rule is named."""
    for number, case in enumerate(REHEARSAL.cases.cases):
        if REHEARSAL.verdict(policy, number) is not case.expected:
            return True
    return False


@pytest.mark.parametrize("index", range(len(POLICY.rules)), ids=[rule.name for rule in POLICY.rules])
def test_without_any_one_rule_a_case_comes_out_otherwise(index: int) -> None:
    rules = (*POLICY.rules[:index], *POLICY.rules[index + 1 :])

    assert differs(POLICY.model_copy(update={"rules": rules}))


def slackened() -> Iterator[tuple[str, int, Rule]]:
    """Each rule with one of its conditions left out."""
    for index, rule in enumerate(POLICY.rules):
        for name in CONDITIONS:
            if getattr(rule, name):
                empty = Rule(name="x", allow=("*",)).__dict__[name]
                yield f"{rule.name}: {name}", index, rule.model_copy(update={name: empty})
        if rule.approvals is not None:
            alone = rule.model_copy(update={"approvals": None, "break_glass": None})
            yield f"{rule.name}: approvals", index, alone
        if rule.break_glass is not None:
            yield f"{rule.name}: break_glass", index, rule.model_copy(update={"break_glass": None})
        for name in ("allow", "deny", "targets"):
            for glob in getattr(rule, name) if len(getattr(rule, name)) > 1 else ():
                fewer = Globs(other for other in getattr(rule, name) if other != glob)
                yield f"{rule.name}: {name} without {glob}", index, rule.model_copy(update={name: fewer})


SLACKENED = list(slackened())


@pytest.mark.parametrize(
    ("index", "rule"), [item[1:] for item in SLACKENED], ids=[item[0] for item in SLACKENED]
)
def test_without_any_one_condition_of_a_rule_a_case_comes_out_otherwise(index: int, rule: Rule) -> None:
    rules = (*POLICY.rules[:index], rule, *POLICY.rules[index + 1 :])

    assert differs(POLICY.model_copy(update={"rules": rules}))


def thawed() -> Iterator[tuple[str, int, Freeze | None]]:
    """Each freeze left out, and with one of the things that it says left out."""
    for index, freeze in enumerate(POLICY.freezes):
        yield freeze.name, index, None
        yield f"{freeze.name}: environments", index, freeze.model_copy(update={"environments": frozenset()})
        yield f"{freeze.name}: zone", index, freeze.model_copy(update={"zone": "UTC"})
        if freeze.override is not None:
            yield f"{freeze.name}: override", index, freeze.model_copy(update={"override": None})
        excepted = freeze.except_
        for name in ("operations", "groups"):
            for one in getattr(excepted, name):
                left = tuple(other for other in getattr(excepted, name) if other != one)
                fewer = excepted.model_copy(update={name: left})
                yield f"{freeze.name}: except {one}", index, freeze.model_copy(update={"except_": fewer})


THAWED = list(thawed())


@pytest.mark.parametrize(("index", "freeze"), [item[1:] for item in THAWED], ids=[item[0] for item in THAWED])
def test_without_any_one_freeze_or_what_it_says_a_case_comes_out_otherwise(
    index: int, freeze: Freeze | None
) -> None:
    left = (freeze,) if freeze is not None else ()
    freezes = (*POLICY.freezes[:index], *left, *POLICY.freezes[index + 1 :])

    assert differs(POLICY.model_copy(update={"freezes": freezes}))
