"""conversations.*: which channels there are, who is in them and what was said."""

from sandbox.slack.messages import Message
from sandbox.slack.parts import Parts
from sandbox.slack.rates import TIER_2, TIER_3, TIER_4
from sandbox.slack.webapi.method import Args, Method
from sandbox.slack.wire import ApiError, Json

_TYPES = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
MAX_OPEN_USERS = 8


async def info(parts: Parts, args: Args) -> Json:
    """conversations.info."""
    channel = args.channel(parts.state, joined=False)
    body = channel.describe(parts.identity.bot_user, shared=parts.state.is_shared(channel))
    if args.flag("include_num_members"):
        body["num_members"] = len(channel.members)
    return {"ok": True, "channel": body}


async def list_all(parts: Parts, args: Args) -> Json:
    """conversations.list."""
    names = (args.string("types") or "public_channel").split(",")
    if not set(names) <= _TYPES.keys():
        raise ApiError("invalid_types")
    kinds = {_TYPES[name] for name in names}
    bot = parts.identity.bot_user
    found = [
        channel.describe(bot, shared=parts.state.is_shared(channel)) | {"num_members": len(channel.members)}
        for channel in parts.state.channels.values()
        if channel.kind in kinds
        and (not channel.is_private or bot in channel.members)
        and not (args.flag("exclude_archived") and channel.is_archived)
    ]
    page, cursor = args.page(found)
    return {"ok": True, "channels": page, "response_metadata": {"next_cursor": cursor}}


async def members(parts: Parts, args: Args) -> Json:
    """conversations.members."""
    channel = args.channel(parts.state, joined=False)
    page, cursor = args.page([{"id": user} for user in sorted(channel.members)])
    return {
        "ok": True,
        "members": [user["id"] for user in page],
        "response_metadata": {"next_cursor": cursor},
    }


async def open_im(parts: Parts, args: Args) -> Json:
    """conversations.open: direct messages with one person (groups of people are not built here)."""
    if args.string("channel"):
        channel = args.channel(parts.state, joined=True)
        if not channel.im_user:
            raise ApiError("method_not_supported_for_channel_type")
        return {"ok": True, "no_op": True, "already_open": True, "channel": {"id": channel.id}}
    names = [name for name in args.string("users").split(",") if name]
    if not names:
        raise ApiError("users_list_not_supplied")
    if len(names) > MAX_OPEN_USERS:
        raise ApiError("too_many_users")
    users = [parts.state.users.get(name) for name in names]
    if None in users:
        raise ApiError("user_not_found")
    user = users[0]
    if len(users) > 1 or user is None:
        raise ApiError("method_not_supported_for_channel_type")
    if user.deleted:
        raise ApiError("user_disabled")
    if user.is_bot:
        raise ApiError("cannot_dm_bot")
    opened = parts.state.open_im(user.id)
    body: Json = opened.describe(parts.identity.bot_user) if args.flag("return_im") else {"id": opened.id}
    return {"ok": True, "channel": body}


async def join(parts: Parts, args: Args) -> Json:
    """conversations.join: public channels only; the others need an invitation."""
    channel = args.channel(parts.state, joined=False)
    bot = parts.identity.bot_user
    if channel.kind != "channel":
        raise ApiError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise ApiError("is_archived")
    if bot in channel.members:
        body = {"ok": True, "warning": "already_in_channel", "channel": channel.describe(bot)}
        return body | {"response_metadata": {"warnings": ["already_in_channel"]}}
    return {"ok": True, "channel": parts.state.join(channel, [bot]).describe(bot)}


async def history(parts: Parts, args: Args) -> Json:
    """conversations.history: newest first, without replies, never an ephemeral message."""
    channel = args.channel(parts.state, joined=True)
    chosen = [
        message
        for message in parts.state.messages(channel.id)
        if _is_between(message, args) and (message.thread_ts in ("", message.ts) or message.broadcast)
    ]
    chosen.reverse()
    page, cursor = args.page([_describe(parts, message, args) for message in chosen])
    body: Json = {"ok": True, "messages": page, "has_more": bool(cursor), "pin_count": 0}
    if cursor:
        body["response_metadata"] = {"next_cursor": cursor}
    return body


async def replies(parts: Parts, args: Args) -> Json:
    """conversations.replies: the root first, then its replies, oldest first."""
    channel = args.channel(parts.state, joined=True)
    root = parts.state.get(channel.id, args.string("ts"))
    if root is None or root.only_for:
        raise ApiError("thread_not_found")
    root_ts = root.thread_ts or root.ts
    top = parts.state.get(channel.id, root_ts)
    thread = [top] if top else []
    thread += [m for m in parts.state.replies(channel.id, root_ts) if _is_between(m, args)]
    page, cursor = args.page([_describe(parts, message, args) for message in thread])
    body: Json = {"ok": True, "messages": page, "has_more": bool(cursor)}
    if cursor:
        body["response_metadata"] = {"next_cursor": cursor}
    return body


def _describe(parts: Parts, message: Message, args: Args) -> Json:
    body = message.describe(metadata=args.flag("include_all_metadata"))
    if message.thread_ts == message.ts:
        answers = list(parts.state.replies(message.channel, message.ts))
        writers = list(dict.fromkeys(answer.user for answer in answers))
        body |= {
            "reply_count": len(answers),
            "reply_users_count": len(writers),
            "reply_users": writers,
            "latest_reply": answers[-1].ts if answers else message.ts,
        }
    elif message.thread_ts:
        parent = parts.state.get(message.channel, message.thread_ts)
        body["parent_user_id"] = parent.user if parent else ""
    return body


def _is_between(message: Message, args: Args) -> bool:
    oldest, latest = args.string("oldest") or "0", args.string("latest")
    inclusive = args.flag("inclusive")
    ts = _as_number(message.ts)
    if ts < _as_number(oldest) or (ts == _as_number(oldest) and not inclusive):
        return False
    return not latest or ts < _as_number(latest) or (ts == _as_number(latest) and inclusive)


def _as_number(ts: str) -> tuple[int, int]:
    """Compare as two whole numbers: a float cannot hold 16 digits of a `ts`."""
    seconds, _, micros = ts.partition(".")
    if not seconds.isdigit() or (micros and not micros.isdigit()):
        raise ApiError("invalid_ts_latest")
    return int(seconds), int(micros.ljust(6, "0")[:6] or 0)


_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
_OPEN = ("im:write", "mpim:write", "channels:manage", "groups:write")
METHODS = (
    Method("conversations.info", info, ("channel",), TIER_3, _READ, takes_json=False),
    Method("conversations.list", list_all, (), TIER_2, _READ, takes_json=False),
    Method("conversations.members", members, ("channel",), TIER_4, _READ, takes_json=False),
    Method("conversations.open", open_im, (), TIER_3, _OPEN),
    Method("conversations.join", join, ("channel",), TIER_3, ("channels:join",)),
    Method("conversations.history", history, ("channel",), TIER_3, _HISTORY),
    Method("conversations.replies", replies, ("channel", "ts"), TIER_3, _HISTORY),
)
