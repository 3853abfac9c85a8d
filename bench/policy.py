"""What one decision over many rules costs, against the same rules through plain `fnmatch`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from andock.messages import Actor
from andock.operation import Risk, Target
from andock.policy import Denied, Group, Policy, Question, Rule, decide
from bench.lab import DisagreementError, Lab
from bench.rows import Row, limit, middle

RULES = 500
DECISIONS = 200  # a round
MOST = 1.0  # ms


def measure(lab: Lab) -> list[Row]:
    """The rows of this family."""
    policy, question, targets = _make_policy(), _make_question(), _make_targets()
    _compare(policy, question, targets)
    ours: list[float] = []
    peer: list[float] = []
    for number in range(lab.effort.rounds):
        ours.append(_time(lambda target: decide(policy, question, (target,)), targets))
        peer.append(_time(lambda target: _decide_plainly(policy, question, target), targets))
        lab.tell(f"round {number + 1}: {ours[-1]:.3f} against {peer[-1]:.3f} ms")
    name = f"decision over {RULES} rules with patterns, against plain fnmatch"
    return [limit(name, ours=middle(ours), peer=middle(peer), most=MOST, unit="ms")]


def _make_policy() -> Policy:
    """Rules that only their target patterns tell apart."""
    groups = {f"team-{number}": Group(usergroups=frozenset({f"S0TEAM{number}"})) for number in range(10)}
    rules = [
        Rule(
            name=f"rule {number}",
            allow=("vm *", "container *"),
            risk=frozenset({Risk.CHANGE, Risk.DISRUPTIVE}),
            to=(f"team-{number % 10}", "ops"),
            environments=frozenset({"stage", "prod"}),
            targets=(f"web-{number}-*", f"/DC0/vm/team-{number}/*"),
            channels=frozenset({"C0OPS", "C0PROD"}),
        )
        for number in range(RULES)
    ]
    return Policy(groups={**groups, "ops": Group(users=frozenset({"U0OPS1"}))}, rules=tuple(rules))


def _make_question() -> Question:
    return Question(Actor(team="T1", user="U0OPS1", name="ops-1"), "vm restart", Risk.DISRUPTIVE, "C0OPS")


def _make_targets() -> list[Target]:
    """Another target for each decision: the last rule speaks of every second, of the others none does."""
    return [
        Target(
            kind="vm",
            site="lab",
            id=f"vm-{number}",
            name=f"web-{RULES - 1}-{number}" if number % 2 else f"db-{number}",
            path=f"/DC0/vm/prod/machine-{number}",
            environment="prod",
        )
        for number in range(DECISIONS)
    ]


def _decide_plainly(policy: Policy, question: Question, target: Target) -> str | None:
    """The first rule that matches, as one would write it down at first."""
    for rule in policy.rules:
        if not any(fnmatchcase(question.operation, pattern) for pattern in rule.allow):
            continue
        if question.risk not in rule.risk or question.channel not in rule.channels:
            continue
        if not any(question.actor.user in policy.groups[name].users for name in rule.to):
            continue
        if target.environment not in rule.environments:
            continue
        if any(
            fnmatchcase(name.lower(), pattern.lower()) for pattern in rule.targets for name in target.names
        ):
            return policy.place(rule)
    return None


def _compare(policy: Policy, question: Question, targets: Sequence[Target]) -> None:
    """Both must decide alike.

    Raises:
        DisagreementError: they do not.
    """
    for target in targets:
        decision = decide(policy, question, (target,))
        ours = None if isinstance(decision, Denied) else decision.rule
        if ours != _decide_plainly(policy, question, target):
            raise DisagreementError(f"{target.name}: {ours} is not what plain fnmatch finds")


def _time(decide_one: Callable[[Target], object], targets: Sequence[Target]) -> float:
    """Milliseconds of one decision."""
    started = time.perf_counter()
    for target in targets:
        decide_one(target)
    return (time.perf_counter() - started) * 1000 / len(targets)
