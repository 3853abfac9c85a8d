"""docs/operations.md, made from the catalogue: `python -m bot.reference docs/operations.md`."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from andock.catalogue import Catalogue, load_catalogue
from andock.durations import write_duration
from andock.operation import Backend, Operation
from bot.grammar import Grammar, Shape, Slot, grammar_of, takes_site, write_value

_HEAD = """# Operations

Everything that can be asked for. This page is made from `andock/operations/` by `make docs`; change it there.
`help` in Slack says the same, as far as policy lets the asker do it.

Every operation is typed as `/andock OPERATION ...`. The nouns have slash commands of their own, such as
`/vm restart web-01`. A mention of Andock and a direct message to it take the same words, and so does
`andock run "OPERATION ..."` on the host.

| option | where | meaning |
|---|---|---|
| `--site NAME` | operations on vCenters and engines | look only there; `--engine NAME` is the same |
| `--pool NAME` | operations on vCenters and engines | look only on those of this pool |
| `--share` | every operation | the whole channel sees the answer of a read |
| `--yes` | changes | go ahead without being asked where several targets would ask |
| `--wait` | changes | wait for the end of somebody's lock instead of being refused |
| `--help` | every operation | explain it instead of running it |

Risk: `read` changes nothing, `change` interrupts nothing, `disruptive` interrupts what it is done to,
`destructive` destroys what only a backup brings back.
"""
_BACKENDS = {Backend.VSPHERE: "vCenters", Backend.DOCKER: "Docker engines", Backend.DESK: "Andock itself"}


def describe_operations(catalogue: Catalogue) -> str:
    """The whole page."""
    parts = [_HEAD]
    for noun, operations in groupby(catalogue, key=lambda operation: operation.name.split()[0]):
        parts.append(f"## {noun}\n")
        parts += [_describe(operation) for operation in operations]
    return "\n".join(parts)


def _describe(operation: Operation) -> str:
    grammar = grammar_of(operation)
    lines = [f"### `{operation.name}`", "", operation.summary, "", "```", grammar.usage, "```", ""]
    limit = write_duration(operation.time_limit)
    lines += [f"Risk `{operation.risk.value}`, works on {_BACKENDS[operation.backend]}, at most {limit}.", ""]
    lines += _describe_parameters(operation, grammar)
    examples = ", ".join(f"`{example}`" for example in operation.examples)
    return "\n".join([*lines, f"Examples: {examples}", ""])


def _describe_parameters(operation: Operation, grammar: Grammar) -> list[str]:
    if not grammar.slots:
        takes = "Takes no parameters of its own." if takes_site(operation) else "Takes no parameters."
        return [takes, ""]
    rows = [
        f"| `{_cell(slot.usage.strip('[]'))}` | {_default(slot)} | {_cell(slot.help)} |"
        for slot in grammar.slots
    ]
    return ["| parameter | default | meaning |", "|---|---|---|", *rows, ""]


def _default(slot: Slot) -> str:
    if slot.required:
        return "required"
    if slot.shape is Shape.FLAG or slot.default in (None, "", ()):
        return ""
    value = slot.default
    return f"`{' '.join(map(write_value, value)) if isinstance(value, tuple) else write_value(value)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(describe_operations(load_catalogue()), encoding="utf-8")
