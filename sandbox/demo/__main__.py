"""`python -m sandbox.demo`: starts everything, shows a tour, and stays at a prompt unless `--once`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from sandbox.demo.conversation import Conversation
from sandbox.demo.estate import TOLD, furnish
from sandbox.demo.fleet import COMMANDS, TRANSPORTS
from sandbox.demo.prompt import HELP, Prompt
from sandbox.demo.releases import PLACES
from sandbox.demo.stage import Stage
from sandbox.demo.tour import list_scenes
from sandbox.installation import Installation
from sandbox.vcenter import ControlError

STATE = Path(__file__).resolve().parents[2] / ".sandbox" / "demo"
WORKERS = ("vsphere", "docker")


def main() -> None:
    """Read the arguments and run; whatever happens, nothing that was started stays."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the tour; not 0 if a step is missing")
    parser.add_argument("--state", type=Path, default=STATE, help="where all files lie")
    parser.add_argument("--own-engine", action="store_true", help="start an engine although there is one")
    parser.add_argument(
        "--without", choices=WORKERS, action="append", default=[], help="start no such worker"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        sys.exit(show(options))
    except KeyboardInterrupt:
        print("\nStopped.")
        sys.exit(130)
    except RuntimeError as error:
        print(f"The demonstration cannot go on: {error}", file=sys.stderr)
        sys.exit(1)


def show(options: argparse.Namespace) -> int:
    """Start everything, play the tour, and without `--once` prompt; the exit code."""
    started = time.monotonic()
    _write("Starting, with all state in " + str(options.state))
    workers = [name for name in WORKERS if name not in options.without]
    root = os.geteuid() == 0  # without, only the machine's own engine can be had
    with Installation.start(
        options.state,
        engines=3 if root else 1,
        own_engine=options.own_engine,
        transports=TRANSPORTS if root else (),
        registry=root,
        services=PLACES if root else None,
        sites_extra={"exec": dict(COMMANDS), **TOLD},
        workers=workers,
        tell=lambda what: _write(f"  {what} ..."),
    ) as installation:
        _write(f"Ready after {time.monotonic() - started:.1f} s.")
        try:
            with suppress(ControlError):  # of another's vCenter, which keeps what it has
                furnish(installation)
            failures = tour(installation)
            if not options.once:
                slack = installation.slack
                _write(f"\nThe workspace in a browser: {slack.url}/?as=U0OPS1\n{HELP}")
                Prompt(slack).run()
        finally:  # takes a few seconds
            _write("\nStopping.")
    return 1 if failures else 0


def tour(installation: Installation) -> list[str]:
    """Play all scenes; what did not happen."""
    try:
        _ = installation.vcenter.control
    except ControlError as error:
        _write(f"\nNo tour, because its machines are not there: {error}.")
        return [str(error)]
    started = time.monotonic()
    stage = Stage(installation, Conversation(installation.slack, _write))
    scenes = list_scenes(fleet=installation.registry is not None)
    for number, scene in enumerate(scenes, start=1):
        stage.play(number, scene.title, scene.play)
    took = f"{time.monotonic() - started:.1f} s"
    if not stage.failures:
        _write(f"\nAll {len(scenes)} scenes happened, in {took}.")
        return []
    _write(f"\n{len(stage.failures)} of {len(scenes)} scenes did not happen as they must ({took}):")
    for failure in stage.failures:
        _write(f"  {failure}")
    _write(f"The processes' logs are in {installation.state / 'logs'}.")
    return stage.failures


def _write(text: str) -> None:
    print(text, flush=True)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
