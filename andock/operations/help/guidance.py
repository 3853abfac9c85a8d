"""`help` and `can-i`: what can be asked, and whether policy would let this person."""

from __future__ import annotations

from typing import Never

from pydantic import Field

from andock.errors import CatalogueError
from andock.operation import Desk, DeskOperation, Offer, Outcome, Params, Risk

_LISTED = 24  # more operations than this are shown by noun: a longer table is no overview
_OFFERED = 5
_NOTES = (
    "Every operation takes `--share` (the whole channel sees the answer) and `--help`.",
    "Those that work on sites take `--site NAME`.",
    "Changes take `--yes` (go ahead without asking) and `--wait` (for the end of somebody's lock).",
    "`can-i` in front of a command says whether you may, and changes nothing.",
)


class HelpParams(Params):
    """What `help` takes."""

    topic: tuple[str, ...] = Field(
        default=(),
        max_length=8,
        description="An operation or a noun: `vm restart`, `vm`. Nothing: all of it.",
    )


class CanIParams(Params):
    """What `can-i` takes: a command, left as it is."""

    command: tuple[str, ...] = Field(
        min_length=1,
        description="The command as you would type it, with its options; `--as @PERSON`: for another person.",
        json_schema_extra={"rest": True},
    )


def show_help(params: HelpParams, desk: Desk) -> Outcome:
    """All operations that the person may use, or one topic of them.

    Raises:
        UnknownOperationError: the topic is neither an operation nor a noun.
    """
    if params.topic:
        return _topic(" ".join(params.topic).lower(), desk)
    rows = desk.guide.overview()
    if len(rows) <= _LISTED:
        return Outcome(summary=_lines("What you can ask for here:", rows), notes=_NOTES)
    verbs: dict[str, list[str]] = {}
    for usage, _summary in rows:
        noun, _, rest = usage.partition(" ")
        verbs.setdefault(noun, []).append(rest.partition(" ")[0] if rest[:1].islower() else "")
    nouns = [noun for noun, known in verbs.items() if any(known)]
    return Outcome(
        summary="What you can ask for here; `help` with one of these words says more:",
        fields=tuple(
            (noun, ", ".join(filter(None, known)) or f"`help {noun}`") for noun, known in verbs.items()
        ),
        notes=_NOTES,
        offers=tuple(Offer(label=f"help {noun}", command=f"help {noun}") for noun in nouns[:_OFFERED]),
    )


def _topic(topic: str, desk: Desk) -> Outcome:
    explained = desk.guide.explain(topic)
    if not explained.parameters and len(explained.operations) > 1:
        head = f"What you can do with `{topic}`:"
        return Outcome(summary=_lines(head, explained.operations), notes=explained.notes)
    usage, summary = explained.operations[0]
    examples = ", ".join(f"`{example}`" for example in explained.examples)
    return Outcome(
        summary=f"`{usage}`\n{summary}",
        fields=tuple((f"`{label}`", meaning) for label, meaning in explained.parameters),
        notes=((f"For example {examples}",) if examples else ()) + explained.notes,
    )


def _lines(head: str, rows: tuple[tuple[str, str], ...]) -> str:
    """A line for each operation, without its options: sentences wrap on a phone, a table does not."""
    return "\n".join((head, *(f"`{usage.split(' [--')[0]}` {summary}" for usage, summary in rows)))


def refuse_to_run(params: CanIParams, desk: Desk) -> Never:
    """`can-i` is answered where commands are taken in, because it needs the policy.

    Raises:
        CatalogueError: always.
    """
    raise CatalogueError(f"`can-i` by {desk.name} of {len(params.command)} words was run like an operation")


HELP = DeskOperation(
    name="help",
    summary="What can be asked, and how it is typed.",
    params=HelpParams,
    risk=Risk.READ,
    run=show_help,
    examples=("help", "help vm", "help vm restart"),
)

CAN_I = DeskOperation(
    name="can-i",
    summary="Whether policy would let you, or another, and by which rule; changes nothing.",
    params=CanIParams,
    risk=Risk.READ,
    run=refuse_to_run,
    examples=("can-i vm restart web-01", "can-i vm off web-01 --as @lead-1"),
)
