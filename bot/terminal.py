"""`andock run`: the asker is the unix user, the answer is printed."""

from __future__ import annotations

import asyncio
import getpass
import json
import secrets
import sys
from collections.abc import Sequence

from andock.entries import Entry
from andock.errors import OpsError, UserError
from andock.ledger import Ledger
from andock.messages import CLI_TEAM, Actor, Failed, State, Succeeded
from andock.operation import Outcome
from andock.outputs import Outputs
from andock.rendering.buttons import Answer
from andock.rendering.text import render_text
from andock.seals import open_plan
from bot.identity import Channel, Directory
from bot.intake import Click, IncomingCommand, Intake

LOOK = 0.05  # seconds between looks at the ledger


class NeedsGoAheadError(UserError):
    """The plan was shown instead of being carried out."""

    code = "needs_go_ahead"

    def __init__(self, steps: Sequence[str], actor: Actor) -> None:
        # as somebody in Slack, --yes stands for the number of targets alone
        also = ", or in Slack if not only their number asks for it" if actor.in_slack else ""
        super().__init__(f"This needs a Go ahead: look at the plan above and ask again with --yes{also}.")
        self.steps = tuple(steps)


async def run_command(
    intake: Intake, command: str, as_json: bool, impersonated: tuple[Directory, str, str] | None = None
) -> int:
    """Send one command and wait for its end; the exit code is 0 when it succeeded, else 1.

    Args:
        intake: the way in.
        command: what would be typed in Slack.
        as_json: print one JSON object instead of text.
        impersonated: directory, user and channel to ask as, in a sandbox.
    """
    actor = Actor(team=CLI_TEAM, user=f"cli:{getpass.getuser()}", name=f"{getpass.getuser()} on the host")
    channel = Channel("cli", direct=False, writable=True)
    directory = None
    try:
        if impersonated is not None:
            directory, user, where = impersonated
            actor = await directory.identify(directory.team, user)
            channel = await directory.find_channel(where)
        asked = IncomingCommand(command, channel, f"cli:{secrets.token_hex(8)}")
        receipt = await intake.take(asked, actor, directory)
        if not receipt.request:
            _print_answer(receipt.text, as_json)
            return 0
        entry = await _await_end(intake, receipt.request, actor)
    except OpsError as error:
        _print_refusal(error, as_json)
        return 1
    _print_result(entry, as_json, intake.ledger)
    return 0 if isinstance(entry.result, Succeeded) else 1


async def _await_end(intake: Intake, request: str, actor: Actor) -> Entry:
    said = ""
    while True:
        entry = await asyncio.to_thread(intake.ledger.read, request)
        if entry is None:
            raise OpsError(f"Request `{request}` is gone from the ledger.")
        if entry.state.ended:
            return entry
        if entry.state is State.CONFIRMING:
            stored = open_plan(entry, intake.verifier, intake.ledger.instance)
            await intake.answer(Click(request, entry.digest, Answer.CANCEL), actor)
            steps = stored.plan.steps if stored is not None else ()
            raise NeedsGoAheadError([step.text for step in steps], actor)
        waits = f"{entry.state.value}: {entry.holder}" if entry.holder else ""
        if waits and waits != said:
            print(waits, file=sys.stderr)  # noqa: T201  a console command
        said = waits
        await asyncio.sleep(LOOK)


def print_line(text: str) -> None:
    """To standard output."""
    print(text)  # noqa: T201  a console command


def _print_answer(text: str, as_json: bool) -> None:
    """What was answered at once, without a request."""
    if as_json:
        result = Succeeded(outcome=Outcome(summary=text)).model_dump(mode="json")
        print_line(json.dumps({"request": "", "state": State.SUCCEEDED.value, "result": result}))
    else:
        print_line(text)


def _print_refusal(error: OpsError, as_json: bool) -> None:
    steps = error.steps if isinstance(error, NeedsGoAheadError) else ()
    if as_json:
        refused = {"state": "refused", "result": Failed.of(error).model_dump(mode="json")}
        print_line(json.dumps(refused | ({"steps": steps} if steps else {})))
        return
    for step in steps:
        print_line(f"would {step}")
    print(error.sentence, file=sys.stderr)  # noqa: T201  a console command


def _print_result(entry: Entry, as_json: bool, ledger: Ledger) -> None:
    if as_json:
        result = entry.result.model_dump(mode="json") if entry.result else None
        print_line(json.dumps({"request": entry.id, "state": entry.state.value, "result": result}))
        return
    match entry.result:
        case Succeeded(outcome=outcome):
            _print_outcome(outcome, ledger)
        case Failed() as failure:
            if failure.outcome is not None:
                print_line(render_text(failure.outcome))
            print(f"{failure.sentence} (changed: {failure.changed.value})", file=sys.stderr)  # noqa: T201
        case None:
            return


def _print_outcome(outcome: Outcome, ledger: Ledger) -> None:
    """What it says; a text that is kept beside it whole instead of its beginning and end."""
    kept = outcome.attachment
    if kept is None or kept.name.endswith(".png"):
        print_line(render_text(outcome))
        return
    print_line(render_text(outcome.model_copy(update={"text": ""})))
    for piece in Outputs(ledger).read(kept.output):
        sys.stdout.buffer.write(piece)
    sys.stdout.flush()
