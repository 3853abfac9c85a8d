"""`python -m bot`: serve Slack, or one of the host's commands.

The Procfile has it without the columns of each instruction (-X no_debug_ranges): 0.5 MiB that no log shows.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Mapping

import click

from andock.errors import OpsError

# What a command needs is imported when it is asked for: `policy check` loads none of Slack's SDK.
COMMANDS: Mapping[str, str] = {
    "run": "bot.host_commands",
    "break-glass": "bot.host_commands",
    "manifest": "bot.host_commands",
    "policy": "bot.policy_command",
}


class _Commands(click.Group):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_")
        )
        return command


@click.group(cls=_Commands, invoke_without_command=True)
@click.pass_context
def cli(context: click.Context) -> None:
    """Andock's bot. Without a command: serve Slack."""
    if context.invoked_subcommand is None:
        # structlog would load it where a tool has installed it, for tracebacks in a terminal; ours are JSON
        sys.modules["rich"] = None  # type: ignore[assignment]  # Python's way to say that it is not there
        # redis-py's parser for long answers, of which the bot reads none
        sys.modules["hiredis"] = None  # type: ignore[assignment]  # as above
        # aiohttp's lists of signals in Python: in C++ they bring 1 MiB of its library along
        os.environ.setdefault("FROZENLIST_NO_EXTENSIONS", "1")
        from bot.server import serve  # noqa: PLC0415  see COMMANDS
        from config.settings import BotSettings, read_settings  # noqa: PLC0415

        asyncio.run(serve(read_settings(BotSettings)))


def main() -> None:
    """Run a command; a wrong configuration is one sentence and exit code 2."""
    try:
        cli(standalone_mode=True)
    except OpsError as error:
        click.echo(error.sentence, err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
