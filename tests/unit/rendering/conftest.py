"""Slack's limits, written down a second time so that the product's constants are checked and not repeated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from andock.rendering.message import Rendered
from sandbox.slack.blockkit.surfaces import check_message

BARE = re.compile(r"<(?!(?:@[UW][A-Z0-9]+|!date\^\d+\^[^<>]*|https?://[^<>|\s]+\|more)>)")


def check_text(text: dict[str, Any], limit: int) -> None:
    assert 1 <= len(text["text"]) <= limit
    assert text["text"].count("```") % 2 == 0
    if text["type"] == "mrkdwn":
        assert not BARE.search(text["text"]), "a link or a mention that nobody meant"
        assert not re.search(r"&(?!(?:amp|lt|gt);)", text["text"]), "a broken entity"
        outside = "".join(text["text"].split("```")[::2])
        assert all(ord(letter) >= 32 or letter in "\n\t" for letter in outside)


def check_button(button: dict[str, Any]) -> None:
    assert button["text"]["type"] == "plain_text"
    check_text(button["text"], 75)
    assert 1 <= len(button["value"]) <= 2000
    assert len(button["action_id"]) <= 255
    if confirm := button.get("confirm"):
        check_text(confirm["title"], 100)
        check_text(confirm["text"], 300)
        check_text(confirm["confirm"], 30)
        check_text(confirm["deny"], 30)


def check_block(block: dict[str, Any]) -> None:
    match block["type"]:
        case "section":
            assert ("text" in block) != ("fields" in block)
            if "text" in block:
                check_text(block["text"], 3000)
            assert 1 <= len(block.get("fields", [0])) <= 10
            for field in block.get("fields", []):
                check_text(field, 2000)
        case "context":
            assert 1 <= len(block["elements"]) <= 10
            for element in block["elements"]:
                check_text(element, 2000)
        case "actions":
            assert 1 <= len(block["elements"]) <= 25
            for element in block["elements"]:
                check_button(element)
        case other:
            pytest.fail(f"unexpected block {other}")


def check_limits(rendered: Rendered) -> None:
    message = rendered.message
    assert 1 <= len(message.text) <= 4000
    assert not BARE.search(message.text)
    assert 1 <= len(message.blocks) <= 50
    assert len(json.dumps(message.blocks)) <= 12_000
    ids = [
        element["action_id"]
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    ]
    assert len(ids) == len(set(ids))
    for block in message.blocks:
        check_block(block)
    # a second opinion, written by somebody else
    assert check_message(list(message.blocks)) == []
    if rendered.file is not None:
        assert rendered.file.name
        assert rendered.file.content


@pytest.fixture(scope="session")
def within_limits() -> Callable[[Rendered], None]:
    return check_limits
