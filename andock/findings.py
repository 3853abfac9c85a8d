"""What policy lets a person see of what a read found, and the record of that decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from andock import policy as rules
from andock.audit import AuditRecord, Event, record_of
from andock.messages import Request
from andock.operation import Found, Params, Read, Target
from andock.policy import Policy
from andock.verdicts import as_of


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, as far as its asker may see it; with `denied` they may see nothing."""

    found: Found[object]
    strictest: rules.Decision
    names: tuple[str, ...]  # of the rules that decided on what may be seen, or that refuse it
    denied: rules.Denied | rules.NeedsApproval | None = None
    hidden: str = ""  # how much of it is not shown, and by which rule

    @property
    def targets(self) -> Sequence[Target]:
        """What may be seen."""
        return [target for target, _ in self.found.rows]

    @property
    def rule(self) -> str:
        """The rules, for a record."""
        return ", ".join(self.names)

    def record_for(self, request: Request, attempt: int) -> AuditRecord:
        """That it was decided so."""
        return record_of(
            request,
            Event.DECIDED,
            targets=self.targets,
            attempt=attempt,
            rule=self.rule,
            result="denied" if self.denied else "allowed",
            text=self.hidden or as_of(self.strictest),
        )


def judge(
    policy: Policy, question: rules.Question, operation: Read[Params, object], found: Found[object]
) -> Findings:
    """Policy decides on each thing that was found; where nothing was, on whether anything could be seen."""
    if not found.rows:
        decision = rules.could_allow(policy, question)
        denied = decision if isinstance(decision, rules.Denied) else None
        return Findings(found, decision, (decision.rule,), denied)
    decisions = [rules.decide(policy, question, (target,)) for target, _ in found.rows]
    strictest = max(decisions, key=rules.strictness)
    refused = [decision for decision in decisions if not isinstance(decision, rules.Allowed)]
    if refused and (not operation.many or len(refused) == len(decisions)):
        return Findings(found, strictest, (refused[0].rule,), refused[0])
    judged = zip(found.rows, decisions, strict=True)
    rows = tuple(row for row, decision in judged if isinstance(decision, rules.Allowed))
    names = tuple(dict.fromkeys(one.rule for one in decisions if isinstance(one, rules.Allowed)))
    hidden = ""
    if refused:
        by = ", ".join(sorted({decision.rule for decision in refused}))
        hidden = f"{len(refused)} not shown to you (rule: {by})"
    shown = replace(found, rows=rows, notes=(*found.notes, hidden) if hidden else found.notes)
    return Findings(shown, strictest, names, hidden=hidden)
