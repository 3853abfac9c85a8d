"""What rendering makes, the limits that Slack sets on it, and the few blocks that it is made of.

Limits are those of Slack's Block Kit reference and of slack_sdk 3.47's block models. The total of 12,000
keeps clear of the undocumented one (`msg_blocks_too_long` at about 13,200 characters, bolt-js#2509).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

# Any: Block Kit is JSON of Slack's own shape; nothing but this package and the courier touches it.
Block: TypeAlias = dict[str, Any]

MAX_BLOCKS = 50
MAX_PAYLOAD = 12_000  # characters of JSON of all blocks together
MAX_FALLBACK = 4_000  # characters of a message's text
MAX_SECTION = 3_000
MAX_FIELDS = 10
MAX_FIELD = 2_000
MAX_CONTEXT_ELEMENTS = 10
MAX_BUTTONS = 25
MAX_BUTTON_LABEL = 75
MAX_BUTTON_VALUE = 2_000
MAX_URL = 3_000
MAX_CONFIRM_TEXT = 300
FRAME = 110  # characters of JSON around one text object in its block


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """One message; `text` says everything that matters for phones and screen readers."""

    text: str
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """Something too long for a message, uploaded beside it."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message and, where it leaves something out, the file with all of it."""

    message: SlackMessage
    file: File | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a message, and what of it did not fit and belongs into a file."""

    blocks: tuple[Block, ...] = ()
    left_out: str = ""

    @property
    def size(self) -> int:
        """Characters of JSON, as MAX_PAYLOAD counts them."""
        return size_of(self.blocks)


def size_of(blocks: Iterable[Block]) -> int:
    """Characters of JSON of the blocks, as slack_sdk sends them: what is not ASCII counts six or twelve."""
    return sum(len(json.dumps(block)) + 2 for block in blocks)


def weight(text: str) -> int:
    """Characters that the text takes in JSON."""
    return len(json.dumps(text)) - 2


def mrkdwn(text: str) -> Block:
    """A text object; verbatim, so that Slack makes no links of names such as web-01.lab."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def section(text: str) -> Block:
    """A paragraph."""
    return {"type": "section", "text": mrkdwn(text)}


def fields_section(texts: Sequence[str]) -> Block:
    """At most ten texts in two columns."""
    return {"type": "section", "fields": [mrkdwn(text) for text in texts]}


def context(texts: Sequence[str]) -> Block:
    """Small print: at most ten texts."""
    return {"type": "context", "elements": [mrkdwn(text) for text in texts]}


def plain_text(text: str) -> Block:
    """A text object without markup; ours to keep short and never empty."""
    return {"type": "plain_text", "text": text, "emoji": True}
