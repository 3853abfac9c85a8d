"""What a message may say: reads text, blocks, attachments and metadata, and refuses as Slack does."""

import copy
import json
import secrets
from dataclasses import dataclass

from sandbox.slack.blockkit import check_message
from sandbox.slack.wire import ApiError, Json

MAX_TEXT = 40_000
MAX_MARKDOWN = 12_000
MAX_BLOCKS_JSON = 13_200  # undocumented; bolt-js issue 2509 measured it
MAX_METADATA = 16_000  # the limit is not published; metadata is meant for a handful of fields
MAX_ATTACHMENTS = 100


@dataclass(frozen=True)
class Content:
    """Checked content. None means "not given", which an update keeps as it was."""

    text: str | None
    blocks: tuple[Json, ...] | None
    attachments: tuple[Json, ...] | None
    metadata: Json | None = None
    truncated: bool = False

    @property
    def is_empty(self) -> bool:
        """Nothing that a person could read."""
        return not (self.text or self.blocks or self.attachments)


def read_content(raw: Json, *, truncate: bool) -> Content:
    """Read a message from call arguments or from an answer to a delivery.

    Raises:
        ApiError: with Slack's name for what is wrong.
    """
    text, blocks = raw.get("text"), _read_blocks(raw.get("blocks"))
    markdown = raw.get("markdown_text")
    if markdown is not None:
        if text or blocks:
            raise ApiError("markdown_text_conflict")
        if len(str(markdown)) > MAX_MARKDOWN:
            raise ApiError("msg_too_long")
        text = str(markdown)
    if text is not None and not isinstance(text, str):
        raise ApiError("invalid_arguments", "[ERROR] must be a string [json-pointer:/text]")
    truncated = text is not None and len(text) > MAX_TEXT
    if truncated and not truncate:
        raise ApiError("msg_too_long")
    return Content(
        text=text[:MAX_TEXT] if text is not None else None,
        blocks=blocks,
        attachments=_read_attachments(raw.get("attachments")),
        metadata=_read_metadata(raw.get("metadata")),
        truncated=truncated,
    )


def decode(value: object, error: str) -> object:
    """Structured arguments come as JSON, or as JSON in a string when the call was a form."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError as exc:
            raise ApiError(error) from exc
    return value


def name_parts(blocks: list[Json]) -> list[Json]:
    """Give every block and element an id, as Slack does for those that came without one."""
    named = copy.deepcopy(blocks)
    for block in named:
        block.setdefault("block_id", secrets.token_urlsafe(4))
        elements = [block.get("accessory"), block.get("element")]
        if block.get("type") in ("actions", "context_actions"):
            elements += block.get("elements", [])
        for element in elements:
            if isinstance(element, dict) and element.get("type") != "image":
                element.setdefault("action_id", secrets.token_urlsafe(4))
    return named


def _read_blocks(value: object) -> tuple[Json, ...] | None:
    if value is None or value == "":
        return None
    blocks = decode(value, "invalid_blocks_format")
    if not isinstance(blocks, list):
        raise ApiError("invalid_blocks_format")
    if problems := check_message(blocks):
        lines = [problem.explain("/blocks") for problem in problems]
        raise ApiError(
            "invalid_blocks", *lines, extra={"errors": [line.removeprefix("[ERROR] ") for line in lines]}
        )
    if len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) > MAX_BLOCKS_JSON:
        raise ApiError("msg_blocks_too_long")
    return tuple(name_parts(blocks))


def _read_attachments(value: object) -> tuple[Json, ...] | None:
    if value is None or value == "":
        return None
    attachments = decode(value, "invalid_attachments")
    if not isinstance(attachments, list) or not all(isinstance(item, dict) for item in attachments):
        raise ApiError("invalid_attachments")
    if len(attachments) > MAX_ATTACHMENTS:
        raise ApiError("too_many_attachments")
    for item in attachments:
        if "blocks" in item:
            item["blocks"] = list(_read_blocks(item["blocks"]) or ())
    return tuple(attachments)


def _read_metadata(value: object) -> Json | None:
    if value is None or value == "":
        return None
    metadata = decode(value, "invalid_metadata_format")
    if not isinstance(metadata, dict):
        raise ApiError("invalid_metadata_format")
    if metadata and not (
        isinstance(metadata.get("event_type"), str)
        and metadata["event_type"]
        and isinstance(metadata.get("event_payload"), dict)
    ):
        raise ApiError("invalid_metadata_schema")
    if len(json.dumps(metadata)) > MAX_METADATA:
        raise ApiError("metadata_too_large")
    return metadata
