"""A shortlist leaves out much, keeps the order, and leaves out nothing that fits."""

from __future__ import annotations

from hypothesis import strategies as st

from andock.messages import Actor
from andock.operation import Risk, Target
from andock.patterns import Globs
from andock.policy import Allowed, Policy, Question, Rule, decide
from andock.shortlist import Shortlist
from tests.unit.core.rulebooks import for_all

texts = st.text(alphabet="ab-/", max_size=5)
patterns = st.text(alphabet="abB-/*?[]!", max_size=5)
QUESTION = Question(Actor(team="T1", user="U0OPS1", name="ops-1"), "vm restart", Risk.DISRUPTIVE, "C0OPS")
WEB = Target(kind="vm", site="lab", id="vm-1", name="WEB-1", path="/DC0/vm/WEB-1", environment="prod")


@for_all(st.lists(st.lists(patterns, max_size=3), max_size=8), st.lists(texts, max_size=3))
def test_nothing_that_fits_is_left_out_and_the_order_stays(sets: list[list[str]], names: list[str]) -> None:
    globs = [Globs(written) for written in sets]

    places = Shortlist.over(globs).places(names)

    fitting = {place for place, some in enumerate(globs) if not some or some.fit_any(names)}
    assert fitting <= set(places)
    assert list(places) == sorted(set(places))


def test_of_many_patterns_only_those_are_tried_that_begin_as_the_name_does() -> None:
    sets = [Globs([f"web-{number}-*"]) for number in range(500)]

    assert Shortlist.over(sets).places(["web-17-a"]) == [17]


def test_a_pattern_that_begins_with_a_wildcard_and_no_pattern_at_all_may_fit_anything() -> None:
    sets = [Globs(["db-*"]), Globs(["*-1"]), Globs(), Globs(["web-*", "[dw]*"])]

    assert list(Shortlist.over(sets).places(["mail-1"])) == [1, 2, 3]


def test_a_policy_with_other_rules_than_its_model_decides_by_its_own() -> None:
    web, mail = (Rule(name=name, allow=("vm *",), targets=(f"{name}-*",)) for name in ("web", "mail"))
    policy = Policy(rules=(web,))
    assert decide(policy, QUESTION, [WEB]) == Allowed("web (policy.yaml:0)")

    other = policy.model_copy(update={"rules": (mail, *policy.rules)})

    assert decide(other, QUESTION, [WEB]) == Allowed("web (policy.yaml:0)")
