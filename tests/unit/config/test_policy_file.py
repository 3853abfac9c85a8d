"""policy.yaml: a rule that names what there is not would never match, so it stops start-up."""

from __future__ import annotations

from pathlib import Path

import pytest

from andock.catalogue import load_catalogue
from andock.errors import ConfigError
from andock.policy import Policy
from config.policy import load_policy
from config.sites import Sites
from tests.unit.config.conftest import ROOT, Write

OPERATIONS = load_catalogue()


def load(path: Path, sites: Sites) -> Policy:
    return load_policy(path, operations=OPERATIONS, sites=sites)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param(
            """
            rules:
              - {name: a, allow: ["*"]}
              - name: b
                allow: ["vm restrat"]
            """,
            4,
            "did you mean `vm restart`?",
            id="an unknown operation",
        ),
        pytest.param(
            """
            groups: {ops: {users: [U1]}}
            rules:
              - {name: a, allow: ["*"], to: [opps]}
            """,
            3,
            "did you mean `ops`?",
            id="an unknown group",
        ),
        pytest.param(
            """
            rules:
              - name: a
                allow: ["*"]
                environments: [produ]
            """,
            4,
            "did you mean `prod`?",
            id="an unknown environment",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["*"], sites: [nowhere]}
            """,
            2,
            "there is no site `nowhere`",
            id="an unknown site",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["*"], approvals: {count: 1, from: [leads]}}
            """,
            2,
            "there is no group `leads`",
            id="approvers whom nobody knows",
        ),
        pytest.param(
            """
            groups: {leads: {}}
            rules:
              - {name: a, allow: ["*"], approvals: {count: 0, from: [leads]}}
            """,
            3,
            "rules.0.approvals.count",
            id="no approval needed, but asked for",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["*"], deny: ["*"]}
            """,
            2,
            "either allow or deny",
            id="allows and denies",
        ),
        pytest.param(
            """
            rules:
              - {name: a, to: [everyone]}
            """,
            2,
            "either allow or deny",
            id="neither allows nor denies",
        ),
        pytest.param(
            """
            rules:
              - {name: a, deny: ["*"], confirm: true}
            """,
            2,
            "neither approvals nor confirm",
            id="a denial to be confirmed",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["*"], risk: [reads]}
            """,
            2,
            "rules.0.risk",
            id="an unknown risk",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["*"]}
              - {name: a, deny: ["*"]}
            """,
            3,
            "two rules are named `a`",
            id="two rules of one name",
        ),
        pytest.param(
            """
            rules:
              - {name: a, alow: ["*"]}
            """,
            2,
            "did you mean `allow`?",
            id="an unknown key",
        ),
        pytest.param(
            """
            groups: {everyone: {users: [U1]}}
            rules: [{name: a, allow: ["*"], to: [everyone]}]
            """,
            1,
            "everyone",
            id="a group that takes the name of everybody",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: "*"}
            """,
            2,
            "rules.0.allow",
            id="one operation where a list belongs",
        ),
        pytest.param(
            """
            rules:
              - name: a
                allow: ["container *"]
                params:
                  grase: {max: 5}
            """,
            5,
            "there is no parameter `grase`. Fix: did you mean `grace`?",
            id="an unknown parameter",
        ),
        pytest.param(
            """
            rules:
              - name: a
                allow: ["vm *"]
                params: {grace: {max: 5}}
            """,
            4,
            "there is no parameter `grace`",
            id="a parameter of operations that the rule does not speak of",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["container *"], params: {grace: true}}
            """,
            2,
            "`grace` of `container restart` is a number. Fix: write bounds, as in `grace: {max: 5}`.",
            id="true where a number belongs",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["vm restart"], params: {hard_after: {max: 5}}}
            """,
            2,
            "`hard_after` of `vm restart` is a time. Fix: write bounds, as in `hard_after: {max: 10m}`.",
            id="a number where a time belongs",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["request list"], params: {all: ["yes"]}}
            """,
            2,
            "`all` of `request list` is true or false. Fix: write `all: true` or `all: false`.",
            id="text where true or false belongs",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["container logs"], params: {grep: {min: 1}}}
            """,
            2,
            "`grep` of `container logs` is text",
            id="bounds of a text",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["*"], params: {grace: {max: 5}, all: true}}
            """,
            2,
            "no operation has all of `grace`, `all`",
            id="parameters that no operation has together",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["*"], params: {grace: {min: 9, max: 5}}}
            """,
            2,
            "min is above max",
            id="bounds that nothing lies between",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["*"], params: {grace: {}}}
            """,
            2,
            "min, max or both",
            id="bounds without a bound",
        ),
        pytest.param(
            """
            rules:
              - {name: a, allow: ["*"], params: {grep: error}}
            """,
            2,
            "a list of patterns",
            id="one text where a list belongs",
        ),
        pytest.param(
            """
            groups: {ops: {users: [U1]}}
            rules:
              - name: a
                allow: ["*"]
                approvals: {count: 1, from: [ops]}
                break_glass: {to: [opps], tell: [C0OPS]}
            """,
            6,
            "did you mean `ops`?",
            id="a group whom nobody knows and who may break the glass",
        ),
        pytest.param(
            """
            groups: {ops: {users: [U1]}}
            rules:
              - name: a
                allow: ["*"]
                approvals: {count: 1, from: [ops]}
                break_glass: {to: [ops], tell: [C0OPS, leads]}
            """,
            6,
            "there is no group `leads`",
            id="a group whom nobody knows and who is told",
        ),
        pytest.param(
            """
            groups: {ops: {users: [U1]}}
            rules:
              - {name: a, allow: ["*"], break_glass: {to: [ops], tell: [ops]}}
            """,
            3,
            "break_glass goes with approvals",
            id="a glass before nothing",
        ),
        pytest.param(
            """
            rules:
              - name: a
                allow: ["*"]
                channels: ["#ops"]
            """,
            4,
            "`#ops` is no id of a channel",
            id="a channel by its name",
        ),
        pytest.param(
            """
            groups:
              ops: {users: ["@ops-1"]}
            """,
            2,
            "`@ops-1` is no id of a user",
            id="a person by their name",
        ),
        pytest.param(
            """
            groups:
              ops: {usergroups: [ops]}
            """,
            2,
            "`ops` is no id of a user group",
            id="a user group by its handle",
        ),
        pytest.param(
            """
            limits:
              user: {per_minute: 0}
            """,
            2,
            "limits.user.per_minute",
            id="a limit that lets nobody ask",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_fix(
    write: Write, example_sites: Sites, text: str, line: int, says: str
) -> None:
    path = write(text)

    with pytest.raises(ConfigError) as error:
        load(path, example_sites)

    assert error.value.sentence.startswith(f"{path}:{line}:")
    assert says in error.value.sentence
    assert " Fix: " in error.value.sentence


def test_the_example_loads_with_all_operations_of_the_catalogue(example_sites: Sites) -> None:
    path = ROOT / "config" / "policy.example.yaml"

    policy = load_policy(path, operations=OPERATIONS, sites=example_sites)

    assert policy.rules


def test_every_rule_knows_its_line(example_sites: Sites, write: Write) -> None:
    path = write(
        """
        rules:
          - {name: first, deny: ["vm *"]}
          - name: second
            allow: ["*"]
        """
    )

    assert [(rule.name, rule.line) for rule in load(path, example_sites).rules] == [
        ("first", 2),
        ("second", 3),
    ]


def test_a_rule_with_parameters_may_speak_of_more_operations_than_have_them(
    example_sites: Sites, write: Write
) -> None:
    path = write(
        """
        rules:
          - name: a
            deny: ["*"]
            params: {hard_after: {min: 0s}, within: {max: 10m}}
          - {name: b, allow: ["container *"], params: {grep: ["ERR*", "x"], tail: {min: 1, max: 2.5}}}
        """
    )

    assert len(load(path, example_sites).rules) == 2


def test_the_limits_know_their_line(example_sites: Sites, write: Write) -> None:
    path = write(
        """
        groups: {}
        limits:
          user: {per_minute: 20, targets: 50}
          channel: {targets: 40}
        """
    )

    limits = load(path, example_sites).limits
    assert (limits.line, limits.user.per_minute, limits.targets) == (2, 20, 40)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param(
            """
            freezes:
              - {name: a, from: 2026-12-01T00:00, to: 2026-12-02T00:00}
              - name: b
                rrule: FREQ=WEEKLI;BYDAY=FR
                lasts: 2h
            """,
            4,
            "write it as RFC 5545 does",
            id="a malformed rule",
        ),
        pytest.param(
            """
            freezes:
              - name: a
                from: 2026-12-01T00:00
                to: 2026-12-02T00:00
                zone: Europe/Berln
            """,
            5,
            "write it like `Europe/Berlin`",
            id="an unknown zone",
        ),
        pytest.param(
            """
            freezes:
              - name: a
                from: 2026-12-02T00:00
                to: 2026-12-01T00:00
            """,
            4,
            "put `to` after `from`",
            id="an end before its begin",
        ),
        pytest.param(
            """
            freezes:
              - name: a
                from: 2026-12-02
                to: 2026-12-04T00:00
            """,
            3,
            "no day with its time",
            id="a day without a time",
        ),
        pytest.param(
            """
            freezes:
              - {name: a, from: 2026-12-01T00:00, to: 2026-12-02T00:00}
              - {name: A, from: 2026-12-01T00:00, to: 2026-12-02T00:00}
            """,
            3,
            "give each its own name",
            id="two of one name",
        ),
        pytest.param(
            """
            freezes:
              - name: a
                from: 2026-12-01T00:00
                to: 2026-12-02T00:00
                environments: [produ]
            """,
            5,
            "did you mean `prod`?",
            id="an unknown environment",
        ),
        pytest.param(
            """
            groups: {ops: {users: [U1]}}
            freezes:
              - name: a
                from: 2026-12-01T00:00
                to: 2026-12-02T00:00
                except: {groups: [opps]}
            """,
            6,
            "did you mean `ops`?",
            id="an unknown group",
        ),
        pytest.param(
            """
            groups: {ops: {users: [U1]}}
            freezes:
              - name: a
                from: 2026-12-01T00:00
                to: 2026-12-02T00:00
                override: {count: 1, from: [opps]}
            """,
            6,
            "did you mean `ops`?",
            id="an unknown group that may override",
        ),
        pytest.param(
            """
            freezes:
              - name: a
                from: 2026-12-01T00:00
                to: 2026-12-02T00:00
                except: {operations: [vm restrat]}
            """,
            5,
            "did you mean `vm restart`?",
            id="an unknown operation",
        ),
        pytest.param(
            """
            freezes:
              - {name: a, from: 2026-12-01T00:00, untill: 2026-12-02T00:00}
            """,
            2,
            "`freezes.0.untill` is not known",
            id="an unknown key",
        ),
    ],
)
def test_a_freeze_that_would_not_freeze_stops_start_up(
    write: Write, example_sites: Sites, text: str, line: int, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(text), example_sites)
    assert caught.value.where.endswith(f"edited.yaml:{line}")
    assert says in caught.value.sentence
    assert caught.value.fix


def test_each_freeze_knows_its_line(write: Write, example_sites: Sites) -> None:
    policy = load(
        write(
            """
            freezes:
              - {name: a, from: 2026-12-01T00:00:00, to: 2026-12-02T00:00:00Z, line: 99}
              - name: b
                rrule: FREQ=WEEKLY;BYDAY=FR;BYHOUR=18
                lasts: 2h
            """
        ),
        example_sites,
    )
    assert [freeze.place for freeze in policy.freezes] == [
        "freeze a (edited.yaml:2)",
        "freeze b (edited.yaml:3)",
    ]
