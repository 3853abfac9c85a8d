"""The workspace as somebody sees it: messages for the control API, and waiting for one of them."""

import asyncio
import re
import time
from collections.abc import Iterable

from sandbox.slack.clicks import list_spots
from sandbox.slack.messages import Message
from sandbox.slack.parts import Parts
from sandbox.slack.transcript import read_blocks, read_text
from sandbox.slack.wire import ControlError, Json

MAX_WAIT = 120.0
EVERYONE = "*"
CRITERIA = {
    "contains",
    "regex",
    "metadata",
    "event_type",
    "button",
    "thread_ts",
    "ts",
    "after_ts",
    "author",
    "edited",
    "ephemeral",
    "file",
}


def list_names(parts: Parts) -> dict[str, str]:
    """Ids to names, for reading messages aloud."""
    names = {user.id: user.name for user in parts.state.users.values()}
    names |= {group.id: group.handle for group in parts.state.groups.values()}
    return names | {room.id: room.name for room in parts.state.channels.values()}


def look(parts: Parts, channel: str, viewer: str, thread_ts: str = "") -> list[Message]:
    """Oldest first, what `viewer` sees; nobody in particular sees what is public, `*` sees everything."""
    room = parts.state.find_channel(channel)
    if room is None:
        raise ControlError("channel_not_found", channel)
    if viewer not in ("", EVERYONE) and (room.is_private or room.im_user) and viewer not in room.members:
        raise ControlError("not_in_channel", f"{viewer} cannot see {channel}")
    messages = (
        parts.state.everything(room.id) if viewer == EVERYONE else parts.state.messages(room.id, viewer)
    )
    return [m for m in messages if not thread_ts or thread_ts in (m.thread_ts, m.ts)]


def describe(parts: Parts, message: Message) -> Json:
    """A message with what only the workspace knows about it."""
    names = list_names(parts)
    lines = read_blocks(message.blocks, names)
    spoken = "\n".join(lines) if lines else read_text(message.text, names)
    return message.describe(metadata=True) | {
        "channel": message.channel,
        "user_name": names.get(message.user, message.user),
        "only_for": message.only_for,
        "only_for_name": names.get(message.only_for, message.only_for),
        "edits": len(message.earlier),
        "earlier": [version.text for version in message.earlier],
        "spoken": spoken,
        "permalink": f"{parts.identity.base_url}/archives/{message.channel}/p{message.ts.replace('.', '')}",
    }


def is_match(parts: Parts, message: Message, wanted: Json) -> bool:
    """Whether a message meets every criterion that was given."""
    shown = describe(parts, message)
    words = "\n".join([message.text, str(shown["spoken"]), *_read_attachments(message)])
    metadata = message.metadata or {}
    payload = metadata.get("event_payload", {})
    author = parts.identity.bot_user if wanted.get("author") == "app" else wanted.get("author")
    labels = {spot.label for spot in list_spots(message.blocks)}
    files = {str(file["name"]) for file in message.files}
    checks: dict[str, bool] = {
        "contains": str(wanted.get("contains")) in words,
        "regex": re.search(str(wanted.get("regex") or ""), words) is not None,
        "metadata": all(payload.get(key) == value for key, value in (wanted.get("metadata") or {}).items()),
        "event_type": metadata.get("event_type") == wanted.get("event_type"),
        "button": wanted.get("button") in labels,
        "thread_ts": message.thread_ts == wanted.get("thread_ts") and message.ts != message.thread_ts,
        "ts": message.ts == wanted.get("ts"),
        "after_ts": message.ts > str(wanted.get("after_ts")),
        "author": message.user == author,
        "edited": bool(message.edited_ts) == wanted.get("edited"),
        "ephemeral": bool(message.only_for) == wanted.get("ephemeral"),
        "file": wanted.get("file") in files,
    }
    return all(checks[name] for name in CRITERIA if wanted.get(name) is not None)


async def wait_for(parts: Parts, body: Json) -> list[Message]:
    """Matching messages, newest first, as soon as there are `count` (or, with `gone`, when there are none).

    Raises:
        ControlError: `timeout`, with what is in the channel instead.
    """
    unknown = body.keys() - CRITERIA - {"channel", "user", "timeout", "gone", "count"}
    if unknown:
        raise ControlError("bad_criterion", f"unknown: {', '.join(sorted(unknown))}")
    channel, viewer = str(body.get("channel")), str(body.get("user") or "")
    deadline = time.monotonic() + min(float(body.get("timeout") or 10.0), MAX_WAIT)
    while True:
        version = parts.state.version
        seen = look(parts, channel, viewer)
        matching = [message for message in reversed(seen) if is_match(parts, message, body)]
        if body.get("gone") and not matching:
            return []
        if not body.get("gone") and len(matching) >= int(body.get("count") or 1):
            return matching
        left = deadline - time.monotonic()
        if left <= 0 or not await parts.state.wait_change(version, left):
            raise ControlError("timeout", _explain(parts, channel, viewer, seen))
        # Bursts of changes are looked at together.
        await asyncio.sleep(0)


def _explain(parts: Parts, channel: str, viewer: str, seen: Iterable[Message]) -> str:
    lines = [f"  {m.ts} {describe(parts, m)['user_name']}: {describe(parts, m)['spoken']}" for m in seen]
    return "\n".join([f"in {channel} as {viewer or 'anybody'} there is:", *(lines[-20:] or ["  nothing"])])


def _read_attachments(message: Message) -> list[str]:
    lines = []
    for item in message.attachments:
        lines += [str(item.get(key, "")) for key in ("pretext", "title", "text", "fallback")]
        lines += read_blocks(item.get("blocks", []), {})
    return lines
