from __future__ import annotations

import time
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from andock.catalogue import Catalogue, load_catalogue
from andock.errors import CatalogueError, InvalidParamsError, ParseError, UnknownOperationError
from andock.operation import (
    Backend,
    Change,
    Desk,
    DeskOperation,
    Done,
    Mark,
    NotDone,
    Operation,
    Outcome,
    Params,
    Plan,
    Reader,
    Risk,
    Settled,
    Step,
    Writer,
)
from bot.grammar import grammar_of
from bot.parsing import Options, ParsedCommand, check_grammars, parse, parse_words, unparse, usage_of
from bot.words import quote


class Kind(StrEnum):
    SOFT = "soft"
    HARD = "hard"


class RestartParams(Params):
    names: tuple[str, ...] = Field(min_length=1, description="Names or globs.")
    hard: bool = Field(default=False, description="Without asking the guest.")
    watch: bool = Field(default=True, description="Watch the guest.")
    grace: timedelta = Field(
        default=timedelta(seconds=30), le=timedelta(days=2), description="How long to wait."
    )
    at_once: int = Field(default=1, ge=1, le=20, description="How many at a time.")
    kind: Kind = Field(default=Kind.SOFT, description="Which kind.")
    order: Literal["name", "age"] = Field(default="name", description="In which order.")
    reason: Annotated[str, Field(max_length=50)] | None = Field(default=None, description="Why.")
    tag: tuple[str, ...] = Field(
        default=(), description="Only with these tags.", json_schema_extra={"positional": False}
    )


class CloneParams(Params):
    source: str = Field(description="What to clone.")
    name: str = Field(description="The clone's name.")
    folder: str | None = Field(default=None, description="Where.", json_schema_extra={"positional": True})
    disks: int = Field(description="How many disks.")


class LogsParams(Params):
    container: str = Field(min_length=1, description="Which.")
    since: timedelta | None = Field(default=None, description="How far back.")


def plan(params: Params, ctx: Reader) -> Plan:
    return Plan(batches=())


def apply(step: Step, ctx: Writer) -> Done:
    return Done(text="done")


def settle(step: Step, ctx: Reader, mark: Mark) -> Settled:
    return NotDone()


def answer(params: Params, desk: Desk) -> Outcome:
    return Outcome(summary="x")


def change(name: str, params: type[Params], *examples: str) -> Change[Any]:
    return Change(
        name=name,
        summary="Does it.",
        params=params,
        backend=Backend.VSPHERE,
        risk=Risk.DISRUPTIVE,
        plan=plan,
        apply=apply,
        settle=settle,
        examples=examples,
    )


RESTART = change(
    "vm restart", RestartParams, "vm restart web-01", "vm restart 'web 1' b --hard --grace 1h30m --yes"
)
CLONE = change("vm clone", CloneParams, "vm clone tpl web-02 --disks 2")
LOGS = DeskOperation(
    name="container logs",
    summary="Logs.",
    params=LogsParams,
    risk=Risk.READ,
    backend=Backend.DOCKER,
    run=answer,
    examples=("container logs web --since 5m",),
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    # the desk's own and these; what other nouns the repository has is no matter here
    own = [one for one in load_catalogue() if one.backend is Backend.DESK]
    return Catalogue([*own, RESTART, CLONE, LOGS])


def params_of(text: str, catalogue: Catalogue) -> dict[str, Any]:
    return parse(text, catalogue).params.model_dump(exclude_unset=True)


def test_positionals_flags_and_options(catalogue: Catalogue) -> None:
    text = (
        'vm restart web-01 --hard "db 1" --grace 1h30m --at-once 3 --kind hard --order age --tag a=b --tag c'
    )
    assert params_of(text, catalogue) == {
        "names": ("web-01", "db 1"),
        "hard": True,
        "grace": timedelta(minutes=90),
        "at_once": 3,
        "kind": Kind.HARD,
        "order": "age",
        "tag": ("a=b", "c"),
    }
    assert params_of("vm clone tpl web --disks=2 prod", catalogue) == {
        "source": "tpl", "name": "web", "folder": "prod", "disks": 2,
    }  # fmt: skip
    assert params_of("vm restart a --no-watch", catalogue)["watch"] is False


def test_options_that_every_operation_takes(catalogue: Catalogue) -> None:
    assert parse("vm restart a --site lab --share --yes --wait", catalogue).options == Options(
        "lab", share=True, yes=True, wait=True
    )
    assert parse("container logs a --engine e1", catalogue).options == Options("e1")
    assert parse("container logs a --pool edge", catalogue).options == Options(pool="edge")
    assert unparse(parse("container logs a --pool edge", catalogue)) == "container logs a --pool edge"
    assert parse("vm restart a", catalogue).options == Options()


def test_operation_words_ignore_case_and_values_do_not(catalogue: Catalogue) -> None:
    parsed = parse("VM Restart WEB-01", catalogue)
    assert parsed.operation is RESTART
    assert parsed.params.model_dump()["names"] == ("WEB-01",)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("1D", 86400), ("0s", 0)],
)
def test_times(catalogue: Catalogue, typed: str, meant: int) -> None:
    assert params_of(f"vm restart a --grace {typed}", catalogue)["grace"] == timedelta(seconds=meant)


@pytest.mark.parametrize("typed", ["5", "m", "5x", "1m1h", "-5m", "1.5h", "99999999999d", '""'])
def test_no_times(catalogue: Catalogue, typed: str) -> None:
    with pytest.raises(InvalidParamsError, match="--grace"):
        parse(f"vm restart a --grace {typed}", catalogue)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("vm restart", "`NAMES` is missing"),
        ("vm clone tpl", "`NAME` is missing"),
        ("vm clone tpl web", "`--disks` is missing"),
        ("vm clone a b c d --disks 1", "too many words"),
        ("container logs a b", "too many words"),
        ("container logs ''", "at least 1 char"),
        ("vm restart a --hrad", "no option `--hrad`. Did you mean `--hard`"),
        ("vm restart a -5", "no option `-5`"),
        ("vm restart a --har", "Did you mean `--hard`"),
        ("vm restart a --hard=yes", "takes no value"),
        ("vm restart a --reason", "needs a value"),
        ("vm restart a --reason --yes", "needs a value"),
        ("vm restart a --at-once 0", "at least 1"),
        ("vm restart a --at-once 21", "at most 20"),
        ("vm restart a --at-once 1.0", "no whole number"),
        ("vm restart a --at-once ten", "no whole number"),
        ("vm restart a --at-once 1 --at-once 2", "2 times"),
        ("vm restart a --site x --engine y", "2 times"),
        ("vm restart a --grace 3d", "at most 2 days"),
        ("vm restart a --kind medium", "must be 'soft' or 'hard'"),
        ("vm restart a --order size", "must be 'name' or 'age'"),
        ("container logs a --yes", "no option `--yes`"),
        ("container logs a --wait", "no option `--wait`"),
        ("vm restart a --reason " + "x" * 51, "at most 50"),
    ],
)
def test_what_is_refused_says_why_and_shows_the_usage(
    catalogue: Catalogue, text: str, complaint: str
) -> None:
    with pytest.raises(InvalidParamsError) as caught:
        parse(text, catalogue)
    assert complaint in caught.value.sentence
    assert "Usage: `" in caught.value.sentence


@pytest.mark.parametrize(
    ("text", "similar"),
    [
        ("vm retsart web-01", "vm restart"),
        ("restart vm web-01", "vm restart"),
        ("restart web-01", "vm restart"),
        ("contaner logs x", "container logs"),
        ("hlep", "help"),
    ],
)
def test_an_unknown_operation_comes_with_the_nearest(catalogue: Catalogue, text: str, similar: str) -> None:
    with pytest.raises(UnknownOperationError) as caught:
        parse(text, catalogue)
    assert similar in caught.value.similar


def test_dashes_that_are_values(catalogue: Catalogue) -> None:
    assert params_of("vm restart -- -a --hard", catalogue) == {"names": ("-a", "--hard")}
    assert params_of("vm restart a --reason=--yes", catalogue)["reason"] == "--yes"
    assert params_of("vm restart a --reason -x", catalogue)["reason"] == "-x"


@pytest.mark.parametrize(
    ("text", "noun", "topic"),
    [
        ("", "", ()),
        ("  ", "", ()),
        ("--help", "", ()),
        ("vm", "", ("vm",)),
        ("", "vm", ("vm",)),
        ("help", "vm", ("vm",)),
        ("vm help restart", "", ("vm", "restart")),
        ("restart --help", "vm", ("vm", "restart")),
        ("vm restart a --grace nonsense --help", "", ("vm", "restart")),
        ("help vm", "", ("vm",)),
        ("can-i --help", "", ("can-i",)),
    ],
)
def test_ways_to_help(catalogue: Catalogue, text: str, noun: str, topic: tuple[str, ...]) -> None:
    parsed = parse(text, catalogue, noun=noun)
    assert parsed.operation.name == "help"
    assert parsed.params.model_dump()["topic"] == topic


def test_a_target_may_be_called_help(catalogue: Catalogue) -> None:
    assert params_of("vm restart help", catalogue) == {"names": ("help",)}


def test_a_nouns_own_command(catalogue: Catalogue) -> None:
    assert parse("restart web-01", catalogue, noun="vm") == parse("vm restart web-01", catalogue)


def test_can_i_leaves_the_inner_command_alone(catalogue: Catalogue) -> None:
    parsed = parse('can-i vm restart "web 01" --hard --site lab -- --x', catalogue)
    words = ("vm", "restart", "web 01", "--hard", "--site", "lab", "--", "--x")
    assert parsed.params.model_dump()["command"] == words
    assert parse(unparse(parsed), catalogue) == parsed
    assert parse_words(words, catalogue).options.site == "lab"


def test_resume_has_its_own_yes(catalogue: Catalogue) -> None:
    parsed = parse("resume lab --yes", catalogue)
    assert parsed.params.model_dump() == {"scope": "lab", "yes": True}
    assert parsed.options.yes
    assert unparse(parsed) == "resume lab --yes"


def test_usage_lines(catalogue: Catalogue) -> None:
    assert (
        usage_of(CLONE) == "vm clone SOURCE NAME [FOLDER] --disks N [--site NAME] [--yes] [--plan] [--wait]"
    )
    assert usage_of(LOGS) == "container logs CONTAINER [--since TIME] [--site NAME]"
    assert usage_of(RESTART).startswith(
        "vm restart NAMES... [--hard] [--no-watch] [--grace TIME] [--at-once N]"
    )
    assert "[--order name|age]" in usage_of(RESTART)
    assert usage_of(catalogue.get("can-i")) == "can-i COMMAND..."


def test_canonical_text(catalogue: Catalogue) -> None:
    parsed = parse('vm restart "web 01" b --grace 5400s --at-once 1 --engine lab', catalogue)
    assert unparse(parsed) == 'vm restart "web 01" b --grace 1h30m --site lab'
    assert unparse(parse("vm restart -- -a", catalogue)) == "vm restart -- -a"


@pytest.mark.parametrize("reason", ["down", 'the "shop" is down', "--plan", "it's -- gone", "a=b"])
def test_the_reason_to_break_the_glass_comes_back_as_it_was_given(catalogue: Catalogue, reason: str) -> None:
    parsed = parse(f"vm restart a --break-glass={quote(reason)} --yes", catalogue)
    assert (parsed.options.break_glass, parsed.options.plan) == (reason, False)
    assert parsed.params == parse("vm restart a", catalogue).params
    assert parse(unparse(parsed), catalogue) == parsed


def test_every_example_of_the_repository_parses_and_comes_back() -> None:
    catalogue = load_catalogue()
    check_grammars(catalogue)
    for operation in catalogue:
        for example in operation.examples:
            parsed = parse(example, catalogue)
            assert parsed.operation is operation, example
            assert parse(unparse(parsed), catalogue) == parsed, example


TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)
SECONDS = st.integers(0, 172800).map(lambda seconds: timedelta(seconds=seconds))
RESTARTS = st.builds(
    RestartParams,
    names=st.lists(TEXT, min_size=1, max_size=5).map(tuple),
    hard=st.booleans(),
    watch=st.booleans(),
    grace=SECONDS,
    at_once=st.integers(1, 20),
    kind=st.sampled_from(Kind),
    order=st.sampled_from(["name", "age"]),
    reason=st.none() | TEXT,
    tag=st.lists(TEXT, max_size=3).map(tuple),
)
CLONES = st.builds(CloneParams, source=TEXT, name=TEXT, folder=st.none() | TEXT, disks=st.integers(-9, 9))
OPTIONS = st.builds(
    Options, site=st.none() | TEXT, share=st.booleans(), yes=st.booleans(), wait=st.booleans()
)


@given(RESTARTS, OPTIONS)
def test_a_written_command_reads_back_the_same(
    catalogue: Catalogue, params: Params, options: Options
) -> None:
    command = ParsedCommand(RESTART, params, options)
    assert parse(unparse(command), catalogue) == command


@given(CLONES, OPTIONS)
def test_also_with_positionals_in_order(catalogue: Catalogue, params: Params, options: Options) -> None:
    command = ParsedCommand(CLONE, params, options)
    assert parse(unparse(command), catalogue) == command


@given(
    st.text()
    | st.lists(st.sampled_from(["vm", "restart", "--", "-", "--site", "a", "'", '"', "--yes", "="])).map(
        " ".join
    )
)
def test_any_text_is_a_command_or_a_parse_error(catalogue: Catalogue, text: str) -> None:
    try:
        parsed = parse(text, catalogue)
    except ParseError:
        return
    assert parse(unparse(parsed), catalogue) == parsed


@cache
def every_operation() -> tuple[Operation, ...]:
    return tuple(load_catalogue())


@given(words=st.lists(st.sampled_from(["web-01", "", "*", "a=b", "to", "--", "-", "--share"]), max_size=4))
def test_words_without_options_are_split_as_click_splits_them(words: list[str]) -> None:
    for operation in every_operation():
        grammar = grammar_of(operation)
        try:
            asked = grammar.command.make_context(operation.name, list(words)).params
        except click.UsageError as error:
            with pytest.raises(type(error)):
                grammar.split(words)
        else:
            assert grammar.split(words) == asked


def test_nothing_is_printed(catalogue: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("vm restart", "vm restart --help", "vm restart a --nope"):
        try:
            parse(text, catalogue)
        except ParseError:
            continue
    assert capsys.readouterr() == ("", "")


class TwoTakers(Params):
    names: tuple[str, ...] = Field(description="x")
    folder: str = Field(default="", description="x", json_schema_extra={"positional": True})


class OwnSite(Params):
    site: str = Field(description="x")


class OwnYes(Params):
    yes: bool = Field(default=False, description="x")


class RequiredFlag(Params):
    hard: bool = Field(description="x")


class OptionalFirst(Params):
    folder: str = Field(default="", description="x", json_schema_extra={"positional": True})
    name: str = Field(description="x")


@pytest.mark.parametrize("params", [TwoTakers, OwnSite, OwnYes, RequiredFlag, OptionalFirst])
def test_ambiguous_declarations_are_refused(params: type[Params]) -> None:
    with pytest.raises(CatalogueError):
        grammar_of(change("vm odd", params, "vm odd"))


def test_a_short_command_is_parsed_in_a_fraction_of_a_millisecond(catalogue: Catalogue) -> None:
    parse("vm restart web-01 --hard", catalogue)
    best = float("inf")
    for _ in range(2000):
        begun = time.thread_time()
        parse("vm restart web-01 --hard", catalogue)
        best = min(best, time.thread_time() - begun)
    assert best < 0.0005  # of the processor, since others may use it too
