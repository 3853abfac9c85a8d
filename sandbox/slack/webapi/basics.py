"""auth.test, apps.connections.open, reactions.*, blocks.validate."""

import re
from dataclasses import replace

from sandbox.slack.blockkit import Problem, check_message, check_view
from sandbox.slack.messages import Message
from sandbox.slack.parts import Parts
from sandbox.slack.rates import TIER_3
from sandbox.slack.webapi.method import Args, Method
from sandbox.slack.wire import ApiError, Json

MAX_REACTIONS = 23


async def check_auth(parts: Parts, _: Args) -> Json:
    """auth.test."""
    identity = parts.identity
    return {
        "ok": True,
        "url": f"{identity.base_url}/",
        "team": identity.team_name,
        "user": identity.bot_name,
        "team_id": identity.team_id,
        "user_id": identity.bot_user,
        "bot_id": identity.bot_id,
        "is_enterprise_install": False,
    }


async def open_connection(parts: Parts, _: Args) -> Json:
    """apps.connections.open."""
    if parts.sockets.disabled or parts.courier.route.request_url:
        # Slack does not document this error's name; an app can only report it.
        raise ApiError("socket_mode_disabled")
    return {"ok": True, "url": parts.sockets.issue_url(parts.identity.base_url)}


async def add_reaction(parts: Parts, args: Args) -> Json:
    """reactions.add."""
    message, mark = _find_reaction(parts, args)
    if mark in message.reactions:
        raise ApiError("already_reacted")
    if len({name for name, _ in message.reactions}) >= MAX_REACTIONS:
        raise ApiError("too_many_emoji")
    parts.state.put(replace(message, reactions=(*message.reactions, mark)))
    return {"ok": True}


async def remove_reaction(parts: Parts, args: Args) -> Json:
    """reactions.remove."""
    message, mark = _find_reaction(parts, args)
    if mark not in message.reactions:
        raise ApiError("no_reaction")
    parts.state.put(replace(message, reactions=tuple(kept for kept in message.reactions if kept != mark)))
    return {"ok": True}


def _find_reaction(parts: Parts, args: Args) -> tuple[Message, tuple[str, str]]:
    name, ts = args.string("name"), args.string("timestamp")
    if not re.fullmatch(r"[a-z0-9_+'\-]+(::skin-tone-[2-6])?", name):
        raise ApiError("invalid_name")
    if not ts:
        raise ApiError("no_item_specified")
    if not re.fullmatch(r"\d+\.\d+", ts):
        raise ApiError("bad_timestamp")
    channel = args.channel(parts.state, joined=False)
    message = parts.state.get(channel.id, ts)
    if message is None or message.only_for or parts.identity.bot_user not in channel.members:
        raise ApiError("message_not_found")
    if channel.is_archived:
        raise ApiError("is_archived")
    return message, (name, parts.identity.bot_user)


async def validate_blocks(_: Parts, args: Args) -> Json:
    """blocks.validate: exactly one of blocks, message and view."""
    given = [name for name in ("blocks", "message", "view") if args.raw.get(name) not in (None, "")]
    if len(given) != 1:
        raise ApiError("invalid_arguments", "must provide exactly one of `blocks`, `view`, or `message`")
    name = given[0]
    error = f"invalid_{name}"
    value = args.structure(name, error)
    problems: list[Problem] = []
    if name == "blocks" and isinstance(value, list):
        problems = check_message(value)
    elif name == "view" and isinstance(value, dict):
        problems = check_view(value)
    elif name == "message" and isinstance(value, dict):
        blocks = value.get("blocks", [])
        problems = (
            check_message(blocks) if isinstance(blocks, list) else [Problem(("blocks",), "must be an array")]
        )
    else:
        raise ApiError(error)
    if not problems:
        return {"ok": True}
    listed = [{"code": found.code, "message": found.message, "pointer": found.pointer} for found in problems]
    raise ApiError(error, extra={"errors": listed})


METHODS = (
    Method("auth.test", check_auth),
    Method("apps.connections.open", open_connection, (), TIER_3, ("connections:write",), token="app"),
    Method("reactions.add", add_reaction, ("channel", "name", "timestamp"), TIER_3, ("reactions:write",)),
    Method("reactions.remove", remove_reaction, ("name",), TIER_3, ("reactions:write",)),
    Method("blocks.validate", validate_blocks),
)
