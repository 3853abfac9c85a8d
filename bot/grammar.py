"""The grammar of one operation, derived from its Params: what is positional, a flag, an option."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from functools import cache, cached_property
from typing import Any, Literal

import click
from pydantic.fields import FieldInfo

from andock.durations import read_duration, write_duration
from andock.errors import CatalogueError
from andock.operation import Backend, Change, Operation

_VALUED = frozenset({"--site", "--engine", "--pool", "--break-glass"})  # universal options that take a value
_UNIVERSAL = frozenset({"site", "engine", "pool", "share", "help", "as"})
_OF_CHANGES = ("yes", "plan", "wait")


class Shape(StrEnum):
    """How a parameter is typed."""

    POSITIONAL = "positional"
    VARIADIC = "variadic"  # as many words as there are
    REST = "rest"  # everything that follows the operation's name, read by nobody here
    FLAG = "flag"
    OPTION = "option"
    REPEATED = "repeated"  # an option that may be given more than once


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter as it is typed."""

    field: str  # the key in Params
    shape: Shape
    flag: str  # `--grace`; empty for positionals
    metavar: str  # what stands for the value in the usage line
    required: bool
    help: str
    default: Any
    read: Callable[[str], object]  # raises ValueError with a clause about the value
    lead: str = ""  # a word that may stand before a positional, as `to` in `deploy api v1 to prod`

    @property
    def label(self) -> str:
        """How the parameter is named to people."""
        return self.flag or self.metavar

    @property
    def usage(self) -> str:
        """Its part of the usage line."""
        value = "" if self.shape is Shape.FLAG else self.metavar
        more = "..." if self.shape in (Shape.VARIADIC, Shape.REST, Shape.REPEATED) else ""
        text = f"{self.flag or self.lead} {value}".strip() + more
        return text if self.required else f"[{text}]"


@dataclass(frozen=True)
class Grammar:
    """How one operation is typed."""

    slots: tuple[Slot, ...]
    usage: str
    command: click.Command  # does the splitting into options and positionals, nothing else
    values: frozenset[str]  # options that take a value
    options: tuple[str, ...]  # every option's name, for suggestions
    confirms: bool  # a change: `--yes` stands for the Go ahead, `--wait` waits for a lock's end

    @property
    def rest(self) -> Slot | None:
        """The one parameter that takes everything as it stands, if the operation has such."""
        return next((slot for slot in self.slots if slot.shape is Shape.REST), None)

    def split(self, words: Sequence[str]) -> dict[str, Any]:
        """Which words belong to which parameter, by click's names of them; values are still text.

        Raises:
            click.UsageError: an option is unknown or lacks its value, or there is a word too many.
        """
        takers = [slot for slot in self.slots if not slot.flag]
        in_order = len(words) <= len(takers) and all(slot.shape is Shape.POSITIONAL for slot in takers)
        if in_order and not any(word.startswith("-") for word in words):
            # click has nothing to tell apart, and would take longer than all the rest of the parsing
            said = {f"p_{slot.field}": word for slot, word in zip(takers, words, strict=False)}
            return {**self._unsaid, **said}
        return self._ask_click(words)

    @cached_property
    def _unsaid(self) -> dict[str, Any]:
        """What stands for each parameter that is not typed."""
        return self._ask_click(())

    def _ask_click(self, words: Sequence[str]) -> dict[str, Any]:
        return self.command.make_context(self.command.name, list(words)).params


def without_leads(grammar: Grammar, words: Sequence[str]) -> list[str]:
    """The words without those that stand before a positional for people only, each left out once."""
    leads = {
        place: slot.lead
        for place, slot in enumerate(slot for slot in grammar.slots if not slot.flag)
        if slot.lead
    }
    kept: list[str] = []
    place, is_value, no_options = 0, False, False
    for word in words:
        if is_value or (word.startswith("-") and len(word) > 1 and not no_options):
            is_value = not is_value and word in grammar.values
            no_options = no_options or word == "--"
            kept.append(word)
        elif leads.get(place) == word.lower():
            del leads[place]
        else:
            place += 1
            kept.append(word)
    return kept


def takes_site(operation: Operation) -> bool:
    """Whether the operation works on sites, so that its usage mentions `--site`."""
    return operation.backend is not Backend.DESK


@cache
def grammar_of(operation: Operation) -> Grammar:
    """The operation's grammar, made once per process.

    Raises:
        CatalogueError: its Params cannot be typed without ambiguity.
    """
    slots = tuple(_slot(operation, name, info) for name, info in operation.params.model_fields.items())
    _check(operation, slots)
    confirms = isinstance(operation, Change)
    words = [operation.name, *(slot.usage for slot in slots if not slot.flag)]
    words += [slot.usage for slot in slots if slot.flag]
    words += ["[--site NAME]"] * takes_site(operation)
    words += [f"[--{word}]" for word in _OF_CHANGES] * confirms
    command = click.Command(
        operation.name,
        params=[_click_parameter(slot) for slot in slots] + _universal(confirms=confirms),
        add_help_option=False,
    )
    valued = (Shape.OPTION, Shape.REPEATED)
    return Grammar(
        slots=slots,
        usage=" ".join(words),
        command=command,
        values=_VALUED | {slot.flag for slot in slots if slot.shape in valued},
        options=tuple(
            name
            for parameter in command.params
            if isinstance(parameter, click.Option)
            for name in parameter.opts
        ),
        confirms=confirms,
    )


def write_value(value: object) -> str:
    """A parameter's value as it is typed."""
    if isinstance(value, timedelta):
        return write_duration(value)
    return str(value.value if isinstance(value, Enum) else value)


def _read_whole_number(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError("is no whole number")
    return int(text)


def _slot(operation: Operation, name: str, info: FieldInfo) -> Slot:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    base = _plain_type(info.annotation)
    shape = _shape(base, extra, required=info.is_required())
    word = name.rstrip("_").replace("_", "-")
    flag = ""
    if shape in (Shape.FLAG, Shape.OPTION, Shape.REPEATED):
        flag = f"--no-{word}" if shape is Shape.FLAG and info.default is True else f"--{word}"
    if shape in (Shape.VARIADIC, Shape.REST, Shape.REPEATED):
        base = _plain_type(typing.get_args(base)[0])
    if word in _UNIVERSAL or (word in _OF_CHANGES and isinstance(operation, Change)):
        raise CatalogueError(
            f"`{operation.name}`: `--{word}` belongs to every operation; rename the parameter"
        )
    metavar, read = _value(base, word)
    if info.alias is not None:
        raise CatalogueError(f"`{operation.name}`: `{name}` has an alias; its name is what is typed")
    if not flag and base is not str:
        raise CatalogueError(f"`{operation.name}`: positional `{name}` must be text")
    return Slot(
        field=name,
        shape=shape,
        flag=flag,
        metavar=str(extra.get("metavar", metavar)),
        required=info.is_required(),
        help=info.description or "",
        default=None if info.is_required() else info.get_default(call_default_factory=True),
        read=read,
        lead=str(extra.get("lead", "")),
    )


def _plain_type(annotation: Any) -> Any:
    """The type without `| None` and without constraints: pydantic looks after those."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _plain_type(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        known = [part for part in typing.get_args(annotation) if part is not types.NoneType]
        return _plain_type(known[0]) if len(known) == 1 else annotation
    return annotation


def _shape(base: Any, extra: dict[str, Any], *, required: bool) -> Shape:
    if extra.get("rest"):
        return Shape.REST
    if typing.get_origin(base) is tuple:
        return Shape.VARIADIC if extra.get("positional", True) else Shape.REPEATED
    if base is bool:
        return Shape.FLAG
    if extra.get("positional", required and base is str):
        return Shape.POSITIONAL
    return Shape.OPTION


def _value(base: Any, word: str) -> tuple[str, Callable[[str], object]]:
    """What stands for a value of this type in the usage line, and how it is read."""
    if base is int:
        return "N", _read_whole_number
    if base is timedelta:
        return "TIME", read_duration
    if typing.get_origin(base) is Literal:
        choices = {str(choice): choice for choice in typing.get_args(base)}
        return "|".join(choices), lambda text: choices.get(text, text)
    if isinstance(base, type) and issubclass(base, Enum):
        return "|".join(str(member.value) for member in base), str
    return word.upper(), str


def _check(operation: Operation, slots: tuple[Slot, ...]) -> None:
    """Refuse what could be read in two ways."""
    takers = [slot for slot in slots if slot.shape in (Shape.VARIADIC, Shape.REST)]
    optional = [slot for slot in slots if slot.shape is Shape.POSITIONAL and not slot.required]
    positional = [slot for slot in slots if slot.shape is Shape.POSITIONAL]
    if len(takers) + len(optional) > 1:
        raise CatalogueError(f"`{operation.name}` has several optional or repeated positional parameters")
    if optional and positional[-1] is not optional[0]:
        raise CatalogueError(f"`{operation.name}`: its optional positional parameter must come last")
    if any(slot.shape is Shape.REST for slot in slots) and len(slots) > 1:
        raise CatalogueError(f"`{operation.name}` takes the rest of the line and can take nothing else")
    for slot in slots:
        if slot.shape is Shape.FLAG and slot.required:
            raise CatalogueError(f"`{operation.name}`: the flag `{slot.flag}` needs a default")


def _click_parameter(slot: Slot) -> click.Parameter:
    # names of ours, because click makes identifiers out of what it is given
    name = f"p_{slot.field}"
    match slot.shape:
        case Shape.POSITIONAL:
            return click.Argument([name], required=False, type=click.UNPROCESSED)
        case Shape.VARIADIC | Shape.REST:
            return click.Argument([name], nargs=-1, required=False, type=click.UNPROCESSED)
        case Shape.FLAG:
            return click.Option([slot.flag, name], is_flag=True)
        case Shape.OPTION | Shape.REPEATED:
            # several are accepted here so that a second one is refused instead of winning silently
            return click.Option([slot.flag, name], multiple=True, type=click.UNPROCESSED)


@cache
def _universal(*, confirms: bool) -> list[click.Parameter]:
    """What every operation takes besides its own; the same objects for all, as there are many operations."""
    shared: list[click.Parameter] = [
        click.Option(["--site", "--engine", "u_site"], multiple=True, type=click.UNPROCESSED),
        click.Option(["--pool", "u_pool"], multiple=True, type=click.UNPROCESSED),
        click.Option(["--share", "u_share"], is_flag=True),
        click.Option(["--help", "u_help"], is_flag=True),
    ]
    if not confirms:
        return shared
    flags = [click.Option([f"--{word}", f"u_{word}"], is_flag=True) for word in _OF_CHANGES]
    reason = click.Option(["--break-glass", "u_break_glass"], multiple=True, type=click.UNPROCESSED)
    return [*shared, *flags, reason]
