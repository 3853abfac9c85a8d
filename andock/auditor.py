"""The `andock audit` commands: verify the record on this machine, and export it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from andock.chain.export import read_moment, select, write_csv, write_jsonl
from andock.chain.lines import FOLDER, Head, list_files, read_lines
from andock.chain.proof import Proof, verify
from andock.errors import ConfigError
from andock.signing import load_audit_key, load_verifier


class HeadType(click.ParamType[Head]):
    """SEQ:HASH."""

    name = "SEQ:HASH"

    def convert(self, value: str | Head, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        """A head as it stands in the channel."""
        try:
            return value if isinstance(value, Head) else Head.parse(value)
        except ValueError as error:
            self.fail(f"`{value}` {error}.", param, ctx)


class MomentType(click.ParamType[float]):
    """A date, a time, or how long ago."""

    name = "TIME"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds since the epoch."""
        try:
            return value if isinstance(value, float) else read_moment(value, time.time())
        except ValueError as error:
            self.fail(f"`{value}` {error}.", param, ctx)


_FOLDER = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    help="Where the record lies (default: `audit` in ANDOCK_STATE_DIR).",
)
_STATE = click.option(
    "--state", type=click.Path(path_type=Path), envvar="ANDOCK_STATE_DIR", default="state", hidden=True
)


@click.group()
def audit() -> None:
    """The audit record: what was asked, decided and done."""


@audit.command("verify")
@_FOLDER
@_STATE
@click.option(
    "--keys", type=click.Path(path_type=Path), envvar="ANDOCK_KEYS_DIR", default="keys", show_default=True,
    help="Where audit.key lies.",
)  # fmt: skip
@click.option("--head", "heads", type=HeadType(), multiple=True, help="A head as it stands in the channel.")
@click.option("--signatures", is_flag=True, help="Also check the signature of each record's own process.")
def verify_record(
    folder: Path | None, state: Path, keys: Path, heads: tuple[Head, ...], signatures: bool
) -> None:
    """Check every record; exit code 1, and the first bad one named, if the record is not whole."""
    where = _existing(folder, state)
    for head in heads:
        if any(other.seq == head.seq and other != head for other in heads):
            raise click.UsageError(f"two different heads were given for record {head.seq}.")
    proof = verify(where, load_audit_key(keys), heads, load_verifier(keys) if signatures else None)
    for line in describe(proof, where, signatures=signatures):
        click.echo(line)
    sys.exit(0 if proof.fault is None and proof.count else 1)


@audit.command("export")
@_FOLDER
@_STATE
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), required=True)
@click.option("--since", type=MomentType(), default=0.0, help="2026-11-01, or 7d for the last seven days.")
@click.option(
    "--until", type=MomentType(), default=math.inf, help="The same; what happened then is left out."
)
def export_record(folder: Path | None, state: Path, form: str, since: float, until: float) -> None:
    """Write the records to standard output, as they lie on disk: verify them first."""
    rows = select(read_lines(list_files(_existing(folder, state))), since, until)
    with open(sys.stdout.fileno(), "w", encoding="utf-8", newline="", closefd=False) as out:
        if form == "csv":
            write_csv(rows, out)
        else:
            write_jsonl(rows, out)


def _existing(folder: Path | None, state: Path) -> Path:
    where = folder if folder is not None else state / FOLDER
    if not where.is_dir():
        raise ConfigError(
            "there is no such folder.", where=str(where), fix="set ANDOCK_STATE_DIR, or give --dir."
        )
    return where


def describe(proof: Proof, where: Path, *, signatures: bool) -> Sequence[str]:
    """What a proof says, in lines for people."""
    if proof.fault is not None:
        fault = proof.fault
        said = [f"NOT WHOLE: record {fault.seq} {fault.text} ({fault.wrong.value}, {fault.where})."]
        if proof.count:
            said.append(f"Records {proof.first} to {proof.head.seq} before it are as they were written.")
        return said
    if not proof.count:
        return [f"There is no record in {where}."]
    signed = ", and each is signed by its process" if signatures else ""
    which = f"{_count(proof.count, 'record')}, {proof.first} to {proof.head.seq}"
    said = [
        f"{which}, in {_count(proof.files, 'file')}: all as they were written{signed}.",
        f"Head: {proof.head}",
    ]
    if proof.given is not None:
        said.append(f"The head given for record {proof.given.seq} fits.")
    if proof.posted is not None:
        at = datetime.fromtimestamp(proof.posted.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        said.append(f"Last posted, as the record says: {proof.posted.head} ({at}, {proof.posted.channel}).")
    return [*said, _describe_rest(proof)]


def _describe_rest(proof: Proof) -> str:
    """How far a head proves that nothing was cut off."""
    rest = proof.head.seq - proof.proven
    compare = "Compare with the newest head in the channel: --head SEQ:HASH."
    if not proof.proven:
        return f"No head was posted: that nothing was cut off at the end cannot be proven. {compare}"
    if not rest:
        return "That head stands for all of them: nothing was cut off."
    behind = f"{_count(rest, 'record')} behind record {proof.proven}"
    said = f"Unprovable: {behind} could be cut off without a trace."
    return said if proof.given else f"{said} {compare}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
