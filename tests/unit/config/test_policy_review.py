"""`policy check`: rules that never match, approvals that nobody can give, and ways around them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from andock.catalogue import load_catalogue
from andock.coverage import Ground
from andock.review import Finding, Members, review
from config.policy import load_policy
from config.sites import Sites
from tests.unit.config.conftest import ROOT, Write

OPERATIONS = load_catalogue()
GROUPS = """
groups:
  ops: {users: [U0OPS1, U0OPS2], usergroups: [S0OPS]}
  night: {users: [U0OPS1]}
  leads: {users: [U0LEAD1, U0LEAD2]}
  dba: {usergroups: [S0DBA]}
  host: {users: ["cli:root"]}
  nobody: {}
rules:
"""
Check = Callable[..., tuple[Finding, ...]]


@pytest.fixture
def check(write: Write, example_sites: Sites) -> Check:
    grounds = [
        Ground(name, example_sites.backend_of(name), example_sites.site(name).possible_environments)
        for name in example_sites.names()
    ]

    def check(rules: str, members: Members | None = None) -> tuple[Finding, ...]:
        policy = load_policy(write(GROUPS + rules), operations=OPERATIONS, sites=example_sites)
        return review(policy, OPERATIONS, grounds, members or {})

    return check


FIRST = 9  # the line of the first rule


# --- rules that never match -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "line", "says"),
    [
        pytest.param(
            """
  - {name: all, allow: ["*"]}
  - {name: late, deny: ["vm off"]}
""",
            FIRST + 1,
            "all of it is decided before, by all (edited.yaml:9)",
            id="behind a rule that speaks of everything",
        ),
        pytest.param(
            """
  - {name: reads, allow: ["*"], risk: [read]}
  - {name: changes, allow: ["*"], risk: [change, disruptive, destructive]}
  - {name: late, deny: ["vm *"], environments: [prod]}
""",
            FIRST + 2,
            "by reads (edited.yaml:9), changes (edited.yaml:10)",
            id="behind two that speak of everything together",
        ),
        pytest.param(
            """
  - {name: dev, allow: ["vm *"], environments: [dev]}
  - {name: stage, allow: ["vm *"], environments: [stage]}
  - {name: prod, allow: ["vm *"], environments: [prod]}
  - {name: late, deny: ["vm off"], sites: [lab]}
""",
            FIRST + 3,
            "dev (edited.yaml:9), stage (edited.yaml:10), prod (edited.yaml:11)",
            id="behind rules for each environment that its site can have",
        ),
        pytest.param(
            """
  - {name: all ops, allow: ["*"], to: [ops]}
  - {name: late, allow: ["vm off"], to: [night], confirm: true}
""",
            FIRST + 1,
            "by all ops",
            id="behind a rule for a group that holds all of its people",
        ),
        pytest.param(
            """
  - {name: everyone, allow: ["*"], to: [everyone]}
  - {name: late, deny: ["vm off"], to: [leads, dba]}
""",
            FIRST + 1,
            "by everyone",
            id="behind a rule for everyone",
        ),
        pytest.param(
            """
  - {name: wide, deny: ["vm *"], targets: ["prod-*", "/DC0/*"]}
  - {name: late, allow: ["vm off"], targets: ["prod-db-*", "/DC0/vm/x"]}
""",
            FIRST + 1,
            "by wide",
            id="behind wider patterns",
        ),
        pytest.param(
            """
  - {name: wide, deny: ["container *"], params: {grace: {max: 60}}}
  - {name: late, allow: ["container stop"], params: {grace: {max: 10}}}
""",
            FIRST + 1,
            "by wide",
            id="behind wider bounds",
        ),
        pytest.param(
            """
  - {name: wide, allow: ["*"], channels: [C0OPS, C0PROD]}
  - {name: late, deny: ["vm off"], channels: [C0PROD]}
""",
            FIRST + 1,
            "by wide",
            id="behind more channels",
        ),
        pytest.param(
            """
  - {name: labels, deny: ["container *"], labels: ["a=1", "b=2"]}
  - {name: late, allow: ["container stop"], labels: ["b=2"]}
""",
            FIRST + 1,
            "by labels",
            id="behind more labels",
        ),
        pytest.param(
            """
  - {name: late, allow: ["vm info"], risk: [destructive]}
""",
            FIRST,
            "none of its operations has the risk `destructive`",
            id="a risk that no such operation has",
        ),
        pytest.param(
            """
  - {name: late, allow: ["vm *"], sites: [edge-2]}
""",
            FIRST,
            "no site has such a target: `edge-2`",
            id="machines on a Docker engine",
        ),
        pytest.param(
            """
  - {name: late, allow: ["container *"], sites: [edge-1], environments: [prod]}
""",
            FIRST,
            "no site has such a target: `edge-1`, `prod`",
            id="an environment that the site has not",
        ),
        pytest.param(
            """
  - {name: late, allow: [halt, resume], targets: ["*"]}
""",
            FIRST,
            "its operations have no target",
            id="targets of what has none",
        ),
        pytest.param(
            """
  - {name: late, allow: ["*"], to: [nobody]}
""",
            FIRST,
            "nobody is in `nobody`",
            id="a group of nobody",
        ),
    ],
)
def test_a_rule_that_never_matches_is_found(check: Check, rules: str, line: int, says: str) -> None:
    found = check(rules.strip("\n"))

    assert [(finding.line, finding.sure) for finding in found] == [(line, True)]
    assert found[0].problem.startswith("`late` can never match: ")
    assert says in found[0].problem


LEFT_ALONE = {
    "others": ("allow: ['*'], to: [ops]", "allow: ['*'], to: [leads]"),
    "more people": ("allow: ['*'], to: [night]", "allow: ['*'], to: [ops]"),
    "the host": ("allow: ['*'], to: [everyone]", "allow: ['*'], to: [host]"),
    "whoever asks": ("allow: ['*'], to: [everyone]", "deny: ['*']"),
    "wider names": ("deny: ['vm *'], targets: ['prod-?']", "allow: ['vm *'], targets: ['prod-*']"),
    "other environments": ("deny: ['*'], environments: [prod]", "allow: ['*']"),
    "other sites": ("deny: ['vm *', 'container *'], sites: [lab]", "allow: ['*'], environments: [dev]"),
    "containers too": ("allow: ['vm *'], environments: [dev, stage, prod]", "deny: ['*']"),
    "wider bounds": (
        "deny: ['container *'], params: {grace: {max: 5}}",
        "allow: ['container *'], params: {grace: {max: 9}}",
    ),
    "any parameters": ("deny: ['*'], params: {grace: {max: 5}}", "allow: ['*']"),
    "other channels": ("deny: ['*'], channels: [C0OPS]", "allow: ['*']"),
    "other labels": ("deny: ['*'], labels: ['a=1']", "allow: ['*'], labels: ['a=1', 'b=2']"),
    "the desk": ("allow: ['*'], environments: [dev, stage, prod]", "allow: [halt]"),
}


@pytest.mark.parametrize("rules", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_a_rule_that_may_match_is_left_alone(check: Check, rules: tuple[str, str]) -> None:
    assert check("".join(f"  - {{name: rule {number}, {rule}}}\n" for number, rule in enumerate(rules))) == ()


def test_the_example_has_nothing_to_mend(example_sites: Sites) -> None:
    path = ROOT / "config" / "policy.example.yaml"
    policy = load_policy(path, operations=OPERATIONS, sites=example_sites)
    grounds = [
        Ground(name, example_sites.backend_of(name), example_sites.site(name).possible_environments)
        for name in example_sites.names()
    ]

    assert [finding for finding in review(policy, OPERATIONS, grounds, {}) if finding.sure] == []


# --- approvals that nobody can give -----------------------------------------------------------------------


def approvals(count: int, groups: str, to: str, extra: str = "") -> str:
    asked = f"{{count: {count}, from: [{groups}]{extra}}}"
    return f"  - {{name: asks, allow: ['*'], to: [{to}], approvals: {asked}}}"


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (approvals(3, "leads", "ops"), "asks for 3 of `leads`, and 2 people are there."),
        (approvals(2, "night", "leads"), "asks for 2 of `night`, and 1 person is there."),
        (
            approvals(2, "leads", "ops, leads"),
            "`U0LEAD1`, `U0LEAD2` may ask, and cannot approve what they asked",
        ),
        (approvals(2, "leads", "everyone"), "`U0LEAD1`, `U0LEAD2` may ask"),
        (approvals(1, "night", "ops"), "`U0OPS1` may ask"),
        (approvals(1, "nobody", "ops"), "and 0 people are there"),
    ],
)
def test_approvals_that_some_permitted_asker_could_never_get_are_found(
    check: Check, rules: str, says: str
) -> None:
    found = check(rules)

    assert [(finding.line, finding.sure) for finding in found] == [(FIRST, True)]
    assert says in found[0].problem


@pytest.mark.parametrize(
    "rules",
    [
        approvals(2, "leads", "night, host"),
        approvals(1, "leads", "ops, leads"),
        approvals(2, "leads", "leads", ", requester: true"),
        approvals(3, "leads, night", "host"),
        approvals(1, "ops", "everyone"),
    ],
)
def test_approvals_that_everybody_could_get_are_left_alone(check: Check, rules: str) -> None:
    assert check(rules) == ()


def test_what_depends_on_user_groups_is_said_to_be_unknown_unless_it_is_known(check: Check) -> None:
    rules = approvals(1, "dba", "ops")

    unknown = check(rules)
    assert [finding.sure for finding in unknown] == [False]
    assert "who is in their user groups cannot be known here" in unknown[0].problem

    assert check(rules, {"S0DBA": frozenset({"U0DBA1"}), "S0OPS": frozenset()}) == ()
    alone = check(rules, {"S0DBA": frozenset({"U0OPS1"}), "S0OPS": frozenset()})
    assert "`U0OPS1` may ask" in alone[0].problem
    nobody = check(rules, {"S0DBA": frozenset(), "S0OPS": frozenset()})
    assert "0 people are there" in nobody[0].problem


def test_an_asker_who_may_be_an_approver_is_unknown_too(check: Check) -> None:
    rules = approvals(2, "leads", "dba")

    assert [finding.sure for finding in check(rules)] == [False]
    assert check(rules, {"S0DBA": frozenset({"U0DBA1"})}) == ()
    assert "`U0LEAD1` may ask" in check(rules, {"S0DBA": frozenset({"U0LEAD1"})})[0].problem


def frozen(override: str, excepted: str = "") -> str:
    """Operators change things, leads only look; and a freeze with this override."""
    return f"""
  - {{name: changes, allow: ["*"], to: [ops]}}
  - {{name: reads, allow: ["*"], risk: [read], to: [leads]}}
freezes:
  - name: quiet
    from: 2026-12-18T18:00
    to: 2027-01-04T08:00
    except: {{groups: [{excepted}]}}
    override: {override}
"""


@pytest.mark.parametrize(
    ("freeze", "problem"),
    [
        (frozen("{count: 3, from: [leads]}"), "asks for 3 of `leads`, and 2 people are there."),
        (frozen("{count: 1, from: [nobody]}"), "asks for 1 of `nobody`, and 0 people are there."),
        (frozen("{count: 1, from: [night]}"), "`U0OPS1` may ask, and cannot approve what they asked for."),
    ],
)
def test_an_override_of_a_freeze_that_nobody_could_give(check: Check, freeze: str, problem: str) -> None:
    (found,) = check(freeze, {"S0OPS": frozenset()})

    assert found.sure
    assert "freeze quiet" in found.problem
    assert problem in found.problem
    assert found.line == FIRST + 4


@pytest.mark.parametrize(
    "freeze",
    [
        frozen("{count: 2, from: [leads]}"),  # who may not change anything never asks for it
        frozen("{count: 1, from: [night], requester: true}"),
        frozen("{count: 1, from: [night]}", "night"),  # who needs none
    ],
)
def test_an_override_of_a_freeze_that_can_be_given(check: Check, freeze: str) -> None:
    assert check(freeze, {"S0OPS": frozenset()}) == ()


# --- ways around approvals --------------------------------------------------------------------------------

ASKS = (
    "  - {name: prod, allow: ['*'], risk: [disruptive], environments: [prod], channels: [C0OPS], to: [night],"
    " approvals: {count: 1, from: [leads]}}\n"
)
REST = "  - {name: rest, allow: ['*'], to: [ops]}\n"
NO_OTHER_WAY = "  - {name: no other way, deny: ['*'], risk: [disruptive], environments: [prod]}\n"


def test_an_approval_that_is_not_needed_in_another_channel_is_found(check: Check) -> None:
    found = check(ASKS + REST)

    assert [(finding.line, finding.sure) for finding in found] == [(FIRST, True)]
    assert "asked in another channel" in found[0].problem
    assert "in prod needs no approval, by rest (edited.yaml:10)" in found[0].problem


def test_a_denial_behind_it_closes_the_way(check: Check) -> None:
    assert check(ASKS + NO_OTHER_WAY + REST) == ()


def test_a_way_through_one_named_channel_is_found_with_its_name(check: Check) -> None:
    other = "  - {name: quick, allow: ['vm *'], channels: [C0QUICK], to: [everyone]}\n"

    found = check(ASKS + other + NO_OTHER_WAY)

    assert "asked in `C0QUICK`, `vm off` in prod needs no approval, by quick" in found[0].problem


def test_a_rule_for_other_people_is_no_way_around(check: Check) -> None:
    assert check(ASKS + "  - {name: leads may, allow: ['*'], to: [leads]}\n") == ()


def test_what_the_rule_would_not_have_stopped_is_no_way_around(check: Check) -> None:
    trusted = (
        "  - {name: trusted, allow: ['*'], risk: [disruptive], environments: [prod], channels: [C0OPS],"
        " to: [night]}\n"
    )
    asks = ASKS.replace("to: [night]", "to: [night, leads]").replace("from: [leads]", "from: [ops]")

    assert check(trusted + asks + REST) == ()


def test_an_earlier_rule_that_takes_the_request_is_no_way_around(check: Check) -> None:
    first = "  - {name: first, allow: ['*'], to: [night]}\n"

    assert [finding.problem[:25] for finding in check(first + ASKS)] == ["`prod` can never match: a"]


def test_an_approval_that_is_not_needed_on_another_site_is_found(check: Check) -> None:
    dev = (
        "  - {name: dev, allow: ['container *'], environments: [dev], sites: [edge-2], to: [night],"
        " approvals: {count: 1, from: [leads]}}\n"
    )
    prod = dev.replace("dev]", "prod]").replace("edge-2", "edge-2")

    assert check(prod + REST) == ()  # there is no other engine in prod
    assert "no site has such a target" in check(dev + REST)[0].problem
    on_one = dev.replace("edge-2", "edge-1")
    assert check(on_one + REST) == ()


def test_an_approval_on_one_of_two_like_sites_is_found_unless_the_other_is_named(
    write: Write, example_sites: Sites
) -> None:
    sites = example_sites.model_copy(
        update={"engines": dict.fromkeys(("edge-1", "edge-3"), example_sites.engines["edge-1"])}
    )
    grounds = [
        Ground(name, sites.backend_of(name), sites.site(name).possible_environments) for name in sites.names()
    ]
    asks = (
        "  - {name: dev, allow: ['container *'], environments: [dev], sites: [edge-1], to: [night],"
        " approvals: {count: 1, from: [leads]}}\n"
    )
    named = "  - {name: three, allow: ['container *'], sites: [edge-3], to: [ops]}\n"

    def problems(rules: str) -> list[str]:
        policy = load_policy(write(GROUPS + rules), operations=OPERATIONS, sites=sites)
        return [finding.problem for finding in review(policy, OPERATIONS, grounds, {})]

    assert "on site `edge-3`" in problems(asks + REST)[0]
    assert problems(asks + named) == []
