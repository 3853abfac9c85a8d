"""Policy's decisions in people's words: the refusal, and what `can-i` answers."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import assert_never

from andock import policy as rules
from andock.approvals import Need, describe
from andock.messages import Actor, Request
from andock.operation import Outcome, Plan, Risk
from andock.refusals import NotAllowedError


def question_of(request: Request, risk: Risk, actor: Actor) -> rules.Question:
    """What policy is asked about a request; `actor` as groups are known now."""
    return rules.Question(
        actor,
        request.operation,
        risk,
        request.channel,
        params=request.params,
        now=time.time(),
        emergency=bool(request.emergency),
    )


def refusal(decision: rules.Denied | rules.NeedsApproval) -> NotAllowedError:
    """The error that a decision other than `Allowed` is."""
    match decision:
        case rules.Denied():
            return NotAllowedError(decision.reason + _tail(decision), rule=decision.rule)
        case rules.NeedsApproval():
            missing = f"it needs {needed(decision)}, which cannot be given to this"
            return NotAllowedError(missing + _tail(decision), rule=decision.rule)


def needed(decision: rules.NeedsApproval) -> str:
    """`2 approvals from leads`."""
    return describe(map(Need.of, decision.needs))


def in_a_word(decision: rules.Decision) -> str:
    """The decision as the record has it."""
    match decision:
        case rules.Allowed(emergency=rules.BreakGlass()):
            return "allowed by breaking the glass"
        case rules.Allowed(confirm=True):
            return "allowed after Go ahead"
        case rules.Allowed():
            return "allowed"
        case rules.NeedsApproval():
            return "needs approval"
        case rules.Denied():
            return "denied"
        case _:
            assert_never(decision)


def explain(command: str, decision: rules.Decision) -> Outcome:
    """What `can-i` answers."""
    command = command.removeprefix("can-i ")
    by = f"(rule: {decision.rule}){_tail(decision)}"
    match decision:
        case rules.Allowed(emergency=rules.BreakGlass() as glass):
            told = ", ".join(glass.tell)
            when = "after your Go ahead" if decision.confirm else "at once"
            return Outcome(summary=f"Yes, {when}, and {told} will hear of it: `{command}` {by}.")
        case rules.Allowed(confirm=True):
            return Outcome(summary=f"Yes, after your Go ahead: `{command}` {by}.")
        case rules.Allowed():
            return Outcome(summary=f"Yes: `{command}` {by}.")
        case rules.NeedsApproval():
            return Outcome(summary=f"Yes, after {needed(decision)}: `{command}` {by}.")
        case rules.Denied():
            return Outcome(summary=f"No: `{command}`. {refusal(decision).sentence}")
        case _:
            assert_never(decision)


def explain_plan(decision: rules.Decision, plan: Plan, text: str) -> Outcome:
    """What `--plan` answers: what would be decided, and the plan."""
    by = f"(rule: {decision.rule}){_tail(decision)}"
    match decision:
        case rules.Allowed(confirm=True):
            would = "would be done after your Go ahead"
        case rules.Allowed():
            would = "would be done"
        case rules.NeedsApproval():
            would = f"would be done after {needed(decision)}"
        case rules.Denied():
            would = "is refused"
        case _:
            assert_never(decision)
    return Outcome(
        summary=f"Plan `{plan.digest[:12]}` {would} {by}. Nothing is changed.",
        text=text,
        filename="plan.txt",
        notes=plan.warnings,
    )


def as_of(decision: rules.Decision) -> str:
    """How old the memberships are that it was decided on, if too old to be believed; else empty."""
    match decision.as_of:
        case None:
            return ""
        case 0.0:
            return "who is in which user group is not known at present"
        case at:
            then = datetime.fromtimestamp(at, UTC)
            day = "" if then.date() == datetime.now(UTC).date() else f" on {then:%Y-%m-%d}"
            return f"membership as of {then:%H:%M} UTC{day}"


def _tail(decision: rules.Decision) -> str:
    """The same as the tail of a sentence."""
    said = as_of(decision)
    return f"; {said}" if said else ""
