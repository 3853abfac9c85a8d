"""What a read shows while it goes on, and what it keeps for its message's file."""

from __future__ import annotations

from andock.attempt import Attempt
from andock.ledger import Ledger
from andock.messages import Progress, Request
from andock.operation import Outcome
from andock.outbox import message
from andock.outputs import Outputs, Writer


class RequestDisplay:
    """Implements `Display` for one attempt of a request."""

    def __init__(self, ledger: Ledger, attempt: Attempt, request: Request) -> None:
        self._outputs = Outputs(ledger)
        self._attempt = attempt
        self._request = request
        self._begun = 0

    @property
    def live(self) -> bool:
        """Whether the request's message can be edited: what one person alone sees in a channel cannot."""
        reply = self._request.reply
        return bool(reply.channel) and (reply.direct or not reply.private)

    def show(self, summary: str, text: str) -> None:
        """Let the message say this as soon as the budget for edits allows; the newest words win."""
        said = Progress(done=0, total=0, so_far=Outcome(summary=summary, text=text))
        self._attempt.note({"progress": said}, message=message(self._request.id))

    def keep(self) -> Writer:
        """Begin an output."""
        self._begun += 1
        return self._outputs.begin(f"{self._request.id}-{self._attempt.number}-{self._begun}")
