"""A message that is due, as the courier takes it to Slack."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from andock.entries import Entry, Post
from andock.messages import Failed, Request
from andock.operation import Attachment
from andock.outbox import APPROVER, MIRROR, Due
from andock.rendering.message import Rendered

FILE = "file"  # the kind of a message that is what another leaves out
EVENT_TYPE = "andock_request"


@dataclass(frozen=True)
class Letter:
    """One message that is due: what it is about and how it reads now."""

    due: Due
    entry: Entry
    request: Request
    rendered: Rendered

    @property
    def kind(self) -> str:
        """`main`, or what else of the request is said."""
        return self.due.kind.partition(":")[0]

    @property
    def elsewhere(self) -> str:
        """The channel of a mirror, or the person who is asked to approve."""
        return self.due.kind.partition(":")[2]

    @property
    def channel(self) -> str:
        """Where it goes."""
        return self.elsewhere if self.kind == MIRROR else self.request.reply.channel

    @property
    def thread(self) -> str | None:
        """The thread that it goes to, if it does."""
        return self.request.reply.thread or None if self.kind == "main" else None

    @property
    def private(self) -> bool:
        """Whether only the asker is told: what they asked in private, or what they alone can mend."""
        result = self.entry.result
        # nobody looks at what is whispered to a hook
        mendable = isinstance(result, Failed) and result.mendable and self.request.actor.in_slack
        for_asker = self.request.reply.private or mendable
        return for_asker and not self.request.reply.direct and self.kind not in (APPROVER, MIRROR)

    @property
    def has_file(self) -> bool:
        """Whether there is something beside its last words that was not uploaded yet."""
        kept = self.rendered.file is not None or self.attachment is not None
        return kept and self.entry.state.ended and self.due.kind == "main" and FILE not in self.entry.posts

    @property
    def attachment(self) -> Attachment | None:
        """The file that its outcome keeps."""
        result = self.entry.result
        return result.outcome.attachment if result is not None and result.outcome is not None else None

    @property
    def metadata(self) -> dict[str, Any]:
        """By what it is found again."""
        return metadata_of(self.due)

    @cached_property
    def content(self) -> dict[str, Any]:
        """What it says, as Slack takes it."""
        said = self.rendered.message
        return {"text": said.text, "blocks": list(said.blocks), "unfurl_links": False, "unfurl_media": False}

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of what it says."""
        return hashlib.sha256(json.dumps(self.content).encode()).hexdigest()

    def stands_at(self, channel: str, ts: str) -> Post:
        """Where it stands, and what it says there."""
        return Post(channel=channel, ts=ts, said=self.fingerprint)


def metadata_of(due: Due) -> dict[str, Any]:
    """By what a message is found again whose place got lost."""
    return {"event_type": EVENT_TYPE, "event_payload": {"request": due.request, "kind": due.kind}}
