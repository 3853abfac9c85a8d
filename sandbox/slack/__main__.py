"""`python -m sandbox.slack`: runs a workspace until it is told to stop or its parent is gone."""

import argparse
import asyncio
import ctypes
import json
import os
import secrets
import signal
import sys
from pathlib import Path

from sandbox.slack.parts import App
from sandbox.slack.server import Server
from sandbox.slack.wire import Identity

PR_SET_PDEATHSIG = 1
DEFAULT_COMMANDS = ("/andock", "/vm", "/container", "/image", "/network", "/volume", "/engine")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.slack", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free port")
    parser.add_argument("--state-file", type=Path, help="also write the ready line here (mode 0600)")
    parser.add_argument("--bot-token", default=f"xoxb-sandbox-{secrets.token_hex(12)}")
    parser.add_argument("--app-token", default=f"xapp-sandbox-{secrets.token_hex(12)}")
    parser.add_argument("--signing-secret", default=secrets.token_hex(16))
    parser.add_argument("--command", action="append", help="a slash command of the app; may be repeated")
    parser.add_argument("--should-escape", action="store_true", help="typed names arrive as ids in commands")
    parser.add_argument(
        "--keep-running", action="store_true", help="do not stop when the parent process ends"
    )
    options = parser.parse_args()
    parent = os.getppid()
    if not options.keep_running:
        _die_with_parent(parent)
    identity = Identity(options.bot_token, options.app_token, options.signing_secret)
    commands = dict.fromkeys(options.command or DEFAULT_COMMANDS, options.should_escape)
    asyncio.run(_run(identity, App(commands), options.port, options.state_file))


async def _run(identity: Identity, app: App, port: int, state_file: Path | None) -> None:
    server = Server(identity, app, port)
    await server.start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    line = json.dumps(server.describe())
    if state_file is not None:
        await asyncio.to_thread(_write_private, state_file, line)
    print(line, flush=True)
    await stop.wait()
    await server.stop()


def _write_private(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(line + "\n")


def _die_with_parent(parent: int) -> None:
    """A test run that is killed must leave nothing behind; Linux only, elsewhere one stops it by hand."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the parent process is already gone")


if __name__ == "__main__":
    main()
