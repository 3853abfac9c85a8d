"""The help of one person: the catalogue, as far as policy could let them use it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from andock.catalogue import Catalogue
from andock.errors import UnknownOperationError
from andock.operation import Operation, Risk
from andock.ports.records import Explanation
from bot.grammar import Shape, Slot, grammar_of, takes_site, write_value
from bot.parsing import usage_of

_NOT_ALLOWED = "Policy has no rule that would let you do this here; `can-i` names the one that decides."
_ON_CHANGES = (
    ("--yes", "Go ahead without being asked where several targets would ask."),
    ("--wait", "Wait for the end of somebody's lock instead of being refused."),
    ("--plan", "Show what would be done, and stop."),
    (
        "--break-glass REASON",
        "Go ahead without the approvals, where policy lets you; it is told and reviewed.",
    ),
)
_RISKS = {
    Risk.READ: "It changes nothing.",
    Risk.CHANGE: "It changes something, without interrupting a service.",
    Risk.DISRUPTIVE: "It interrupts what it is done to.",
    Risk.DESTRUCTIVE: "It destroys something that only a backup brings back.",
}


@dataclass(frozen=True)
class CatalogueGuide:
    """Implements `andock.ports.records.Guide` for one actor in one channel."""

    catalogue: Catalogue
    may: Callable[[Operation], bool]

    def overview(self) -> tuple[tuple[str, str], ...]:
        """Usage line and summary of every operation that this person may use."""
        return tuple(
            (usage_of(operation), operation.summary) for operation in self.catalogue if self.may(operation)
        )

    def explain(self, topic: str) -> Explanation:
        """One operation with its parameters, or one noun's operations.

        What the person may not use is explained all the same, and marked: help is no secret.

        Raises:
            UnknownOperationError: nothing has that name; says the nearest.
        """
        name = " ".join(topic.lower().split())
        operation = self.catalogue.find(name)
        if operation is not None:
            return self._explain_operation(operation)
        operations = self.catalogue.of_noun(name)
        if not operations:
            similar = self.catalogue.nearest(name) or self.catalogue.nouns
            raise UnknownOperationError(name[:60].replace("`", "'"), similar=similar)
        allowed = tuple(operation for operation in operations if self.may(operation))
        return Explanation(
            operations=tuple((usage_of(one), one.summary) for one in allowed or operations),
            notes=() if allowed else (_NOT_ALLOWED,),
        )

    def _explain_operation(self, operation: Operation) -> Explanation:
        grammar = grammar_of(operation)
        parameters = [(slot.usage.strip("[]"), _meaning(slot)) for slot in grammar.slots]
        if takes_site(operation):
            parameters.append(("--site NAME", "Look only on this vCenter or engine; `--engine` is the same."))
            parameters.append(("--pool NAME", "Look only on the vCenters or engines of this pool."))
        if grammar.confirms:
            parameters += _ON_CHANGES
        return Explanation(
            operations=((grammar.usage, operation.summary),),
            parameters=tuple(parameters),
            examples=operation.examples,
            notes=(_RISKS[operation.risk], *(() if self.may(operation) else (_NOT_ALLOWED,))),
        )


def _meaning(slot: Slot) -> str:
    """The parameter's help with what happens when it is left out."""
    if slot.required or slot.shape is Shape.FLAG or slot.default in (None, "", ()):
        return slot.help
    shown = (
        " ".join(map(write_value, slot.default))
        if isinstance(slot.default, tuple)
        else write_value(slot.default)
    )
    return f"{slot.help} Left out: `{shown}`."
