"""Text to an operation with checked parameters, and back. Never a guess that runs."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Never

import click
from pydantic import ValidationError

from andock.catalogue import Catalogue
from andock.errors import InvalidParamsError, ParseError, UnknownOperationError
from andock.operation import Operation, Params
from bot.complaints import explain
from bot.grammar import Grammar, Shape, Slot, grammar_of, without_leads, write_value
from bot.words import MAX_WORDS, join_words, quote, split_words

_HELP = "help"
_SHOWN = 60  # characters of what was typed that a message repeats


@dataclass(frozen=True, slots=True)
class Options:
    """What every operation accepts besides its own parameters."""

    site: str | None = None
    share: bool = False  # show the answer to the channel instead of only to the asker
    yes: bool = False  # several targets need no Go ahead
    plan: bool = False  # show the plan and stop
    break_glass: str = ""  # the reason to go ahead without the approvals that policy asks for
    wait: bool = False  # wait for the end of somebody's lock
    pool: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedCommand:
    """One operation with parameters that are fit to run."""

    operation: Operation
    params: Params
    options: Options


def parse(text: str, catalogue: Catalogue, *, noun: str = "") -> ParsedCommand:
    """What the text asks for; `noun` is put before it when it came by a noun's own slash command.

    Text that a person typed into Slack goes through `bot.typography.straighten` first.

    Raises:
        ParseError: it cannot be split into words.
        UnknownOperationError: no operation has that name; says the nearest.
        InvalidParamsError: the parameters are not right; says which, and the usage.
    """
    return parse_words(((noun,) if noun else ()) + split_words(text), catalogue)


def parse_words(words: Sequence[str], catalogue: Catalogue) -> ParsedCommand:
    """As `parse`, of words already split, such as `can-i` carries them."""
    if len(words) > MAX_WORDS:
        raise ParseError(f"That is {len(words)} words; a command has at most {MAX_WORDS}.")
    operation, arguments = _find_operation(words, catalogue)
    grammar = grammar_of(operation)
    if grammar.rest is not None and arguments != ["--help"]:
        return ParsedCommand(operation, _check(operation, {grammar.rest.field: tuple(arguments)}), Options())
    given = _split_arguments(operation, grammar, without_leads(grammar, arguments))
    if given.pop("u_help"):
        return parse_words((_HELP, *operation.name.split()), catalogue)
    values: dict[str, object] = {}
    for slot in grammar.slots:
        _read(operation, slot, given[f"p_{slot.field}"], values)
    params = _check(operation, values)
    site = _single(operation, "--site", given["u_site"])
    pool = _single(operation, "--pool", given["u_pool"])
    yes = bool(given.get("u_yes", values.get("yes", False)))
    reason = _single(operation, "--break-glass", given.get("u_break_glass", ())) or ""
    options = Options(
        site, bool(given["u_share"]), yes, bool(given.get("u_plan")), reason, bool(given.get("u_wait")), pool
    )
    return ParsedCommand(operation, params, options)


def unparse(parsed: ParsedCommand) -> str:
    """The canonical text of a command: `parse` reads it back as the same command."""
    positional: list[str] = []
    options: list[str] = []
    grammar = grammar_of(parsed.operation)
    for slot in grammar.slots:
        value = getattr(parsed.params, slot.field)
        if not slot.required and value == slot.default:
            continue
        match slot.shape:
            case Shape.POSITIONAL:
                positional += [slot.lead] if slot.lead else []
                positional.append(write_value(value))
            case Shape.VARIADIC | Shape.REST:
                positional += [write_value(part) for part in value]
            case Shape.FLAG:
                options.append(slot.flag)
            case Shape.OPTION:
                options.append(_write_option(slot.flag, value))
            case Shape.REPEATED:
                options += [_write_option(slot.flag, part) for part in value]
    options += [_write_option("--site", parsed.options.site)] if parsed.options.site is not None else []
    options += [_write_option("--pool", parsed.options.pool)] if parsed.options.pool is not None else []
    options += ["--share"] if parsed.options.share else []
    options += ["--yes"] if parsed.options.yes and grammar.confirms else []
    options += ["--plan"] if parsed.options.plan else []
    if parsed.options.break_glass:
        options.append(_write_option("--break-glass", parsed.options.break_glass))
    options += ["--wait"] if parsed.options.wait else []
    if grammar.rest is None and any(word.startswith("-") for word in positional):
        # `--` ends the options, so that a name that begins with a dash stays a name
        return " ".join([parsed.operation.name, *options, "--", join_words(positional)])
    return " ".join([parsed.operation.name, *map(quote, positional), *options])


def usage_of(operation: Operation) -> str:
    """The one line that shows how the operation is typed."""
    return grammar_of(operation).usage


def check_grammars(catalogue: Catalogue) -> None:
    """Derive every grammar now, so that a wrong declaration stops start-up and no person waits for it.

    Raises:
        CatalogueError: an operation cannot be typed without ambiguity.
    """
    for operation in catalogue:
        grammar_of(operation)


def _find_operation(words: Sequence[str], catalogue: Catalogue) -> tuple[Operation, list[str]]:
    """The operation with the longest name that the words begin with, and the other words."""
    if not words or words[0].lower() in ("--help", "-h"):
        return catalogue.get(_HELP), list(words[1:])
    first = words[0].lower()
    second = words[1].lower() if len(words) > 1 else ""
    found = catalogue.find(f"{first} {second}")
    if found is not None:
        return found, list(words[2:])
    found = catalogue.find(first)
    if found is not None:
        return found, list(words[1:])
    if first in catalogue.nouns and second in ("", _HELP, "--help", "-h"):
        return catalogue.get(_HELP), [first, *words[2:]]
    typed = " ".join(words[:2])[:_SHOWN].replace("`", "'")
    raise UnknownOperationError(typed, similar=catalogue.nearest(f"{first} {second}"))


def _split_arguments(operation: Operation, grammar: Grammar, arguments: list[str]) -> dict[str, Any]:
    """As `Grammar.split`, with what is wrong as a sentence for the asker."""
    _refuse_swallowed_options(operation, grammar, arguments)
    try:
        return grammar.split(arguments)
    except click.NoSuchOption as error:
        similar = _nearest_options(error.option_name, grammar.options)
        hint = "" if similar else " A name that begins with a dash goes behind `--`."
        _refuse(operation, f"`{operation.name}` has no option `{_shown(error.option_name)}`.{hint}", similar)
    except click.BadOptionUsage as error:
        needs = "needs a" if error.option_name in grammar.values else "takes no"
        _refuse(operation, f"`{error.option_name}` {needs} value.")
    except click.UsageError:
        # all parameters are optional to click, so the one thing left is a word too many
        known = [slot for slot in grammar.slots if not slot.flag]
        takes = f"takes only {' '.join(slot.metavar for slot in known)}" if known else "takes no name"
        _refuse(operation, f"There are too many words: `{operation.name}` {takes}. Quote a name with spaces.")


def _nearest_options(typed: str, options: Sequence[str]) -> list[str]:
    # the dashes that all have in common would make any two short ones alike
    names = [option.lstrip("-") for option in options]
    return [f"--{name}" for name in difflib.get_close_matches(typed.lstrip("-"), names, n=2, cutoff=0.5)]


def _refuse_swallowed_options(operation: Operation, grammar: Grammar, arguments: list[str]) -> None:
    # click would take `--reason --yes` as the reason `--yes`, and the person meant a flag
    for word, following in itertools.pairwise([*arguments, ""]):
        if word == "--":
            return
        if word in grammar.values and following.startswith("--"):
            _refuse(operation, f"`{word}` needs a value. If it begins with dashes, write `{word}=VALUE`.")


def _read(operation: Operation, slot: Slot, given: Any, values: dict[str, object]) -> None:
    """Put what was given for the parameter into `values`; nothing if nothing was."""
    try:
        match slot.shape:
            case Shape.POSITIONAL:
                if given is not None:
                    values[slot.field] = slot.read(given)
            case Shape.VARIADIC | Shape.REPEATED | Shape.REST:
                if given:
                    values[slot.field] = tuple(slot.read(part) for part in given)
            case Shape.FLAG:
                if given:
                    values[slot.field] = not slot.default
            case Shape.OPTION:
                single = _single(operation, slot.flag, given)
                if single is not None:
                    values[slot.field] = slot.read(single)
    except ValueError as error:
        shown = given if isinstance(given, str) else " ".join(given)
        _refuse(operation, f"`{slot.label}`: `{_shown(shown)}` {error}.")


def _single(operation: Operation, label: str, given: tuple[str, ...]) -> str | None:
    if len(given) > 1:
        _refuse(operation, f"`{label}` is given {len(given)} times; once is meant.")
    return given[0] if given else None


def _check(operation: Operation, values: dict[str, object]) -> Params:
    try:
        checked: Params = operation.params.model_validate(values)
    except ValidationError as error:
        grammar = grammar_of(operation)
        raise InvalidParamsError(explain(error, grammar), usage=grammar.usage) from error
    return checked


def _write_option(flag: str, value: object) -> str:
    text = write_value(value)
    return f"{flag}={quote(text)}" if text.startswith("-") else f"{flag} {quote(text)}"


def _shown(text: str) -> str:
    return text[:_SHOWN].replace("`", "'")


def _refuse(operation: Operation, problem: str, similar: Sequence[str] = ()) -> Never:
    raise InvalidParamsError(problem, similar=tuple(similar), usage=usage_of(operation))
