"""The `andock` command: small things at once, processes by exec. Imports neither bot nor workers.

What a command needs is imported when it is asked for, so that the rest does not wait for it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from andock.errors import OpsError

if TYPE_CHECKING:
    from andock.operation import Operation


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """ChatOps for vSphere and Docker."""


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every parameter.")
def operations(as_json: bool) -> None:
    """List everything that can be asked for."""
    from andock.catalogue import load_catalogue  # noqa: PLC0415  see above

    catalogue = load_catalogue()
    if as_json:
        click.echo(json.dumps([_describe(operation) for operation in catalogue], indent=1))
        return
    width = max(len(name) for name in catalogue.names)
    for operation in catalogue:
        click.echo(f"{operation.name:<{width}}  {operation.risk.value:<11}  {operation.summary}")


def _describe(operation: Operation) -> dict[str, object]:
    schema = operation.params.model_json_schema()
    required = schema.get("required", [])
    return {
        "name": operation.name,
        "summary": operation.summary,
        "risk": operation.risk.value,
        "backend": operation.backend.value,
        "time_limit": operation.time_limit.total_seconds(),
        "examples": list(operation.examples),
        "parameters": [
            {"name": name, "required": name in required, **facts}
            for name, facts in schema["properties"].items()
        ]
        if "properties" in schema
        else [],
    }


@cli.group()
def keys() -> None:
    """Signing keys, and the audit key."""


@keys.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), envvar="ANDOCK_KEYS_DIR", default="keys")
def init(folder: Path) -> None:
    """Make the keys that are missing; those that are there stay."""
    from andock.signing import make_keys  # noqa: PLC0415  see above

    made = make_keys(folder)
    click.echo(
        f"made in {folder}: {', '.join(made)}" if made else f"{folder} has all keys; nothing was changed"
    )


def _exec(*words: str) -> None:
    """Become another of our processes."""
    os.execv(sys.executable, [sys.executable, "-m", *words])  # noqa: S606  our own module, argv as a list


_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@cli.command(context_settings=_PASSED_ON)
@click.pass_context
def audit(context: click.Context) -> None:
    """Look at the audit record on this machine."""
    from andock.auditor import audit as auditor  # noqa: PLC0415  see above

    auditor.main(context.args, prog_name="andock audit")


@cli.command(context_settings=_PASSED_ON)
@click.pass_context
def run(context: click.Context) -> None:
    """Send one command the way a Slack message goes: `andock run "vm list" [--json]`."""
    _exec("bot", "run", *context.args)


@cli.command(name="break-glass", context_settings=_PASSED_ON)
@click.pass_context
def break_glass(context: click.Context) -> None:
    """Go ahead without approvals: `andock break-glass "vm restart web-01" --reason "Slack is away"`."""
    _exec("bot", "break-glass", *context.args)


@cli.command(context_settings=_PASSED_ON)
@click.pass_context
def manifest(context: click.Context) -> None:
    """Print the Slack app manifest."""
    _exec("bot", "manifest", *context.args)


@cli.command(context_settings=_PASSED_ON)
@click.pass_context
def policy(context: click.Context) -> None:
    """Look at policy.yaml before it counts: `andock policy check`, `andock policy test cases.yaml`."""
    _exec("bot", "policy", *context.args)


@cli.command(context_settings=_PASSED_ON)
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check configuration, Redis, Slack, sites and clocks: one line each, with the fix."""
    _exec("workers", "doctor", *context.args)


@cli.command(context_settings=_PASSED_ON)
@click.pass_context
def vcenter(context: click.Context) -> None:
    """Be an extension of the vCenters, which then show who asked: `andock vcenter register|unregister`."""
    _exec("workers", "vcenter", *context.args)


def main() -> None:
    """Run a command; an error of ours is one sentence and exit code 2."""
    try:
        cli(standalone_mode=True)
    except OpsError as error:
        click.echo(error.sentence, err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
