"""chat.*: posting, editing, deleting."""

from dataclasses import replace

from sandbox.slack.content import Content, read_content
from sandbox.slack.messages import Message
from sandbox.slack.parts import Parts
from sandbox.slack.rates import CHANNEL_KEY, TIER_3, TIER_4, WORKSPACE_KEY
from sandbox.slack.webapi.method import Args, Method
from sandbox.slack.wire import ApiError, Json


async def post_message(parts: Parts, args: Args) -> Json:
    """chat.postMessage."""
    channel = args.channel(parts.state, joined=True, named=True)
    if channel.is_archived:
        raise ApiError("is_archived")
    content = _need_content(args.raw, truncate=True)
    parts.rates.spend(WORKSPACE_KEY)
    parts.rates.spend(CHANNEL_KEY, channel.id)
    message = _compose(parts, args, channel.id, content)
    parts.state.add(message)
    parts.announcer.posted(message)
    body: Json = {
        "ok": True,
        "channel": channel.id,
        "ts": message.ts,
        "message": message.describe(metadata=True),
    }
    if content.truncated:
        body |= {"warning": "message_truncated", "response_metadata": {"warnings": ["message_truncated"]}}
    return body


async def post_ephemeral(parts: Parts, args: Args) -> Json:
    """chat.postEphemeral: one person sees it, nobody can edit or find it later."""
    channel = args.channel(parts.state, joined=True)
    if channel.is_archived:
        raise ApiError("is_archived")
    user = args.string("user")
    if user not in channel.members or parts.state.users[user].deleted:
        raise ApiError("user_not_in_channel")
    content = _need_content(args.raw, truncate=False)
    message = replace(_compose(parts, args, channel.id, content), only_for=user, metadata=None)
    parts.state.add(message)
    return {"ok": True, "message_ts": message.ts}


async def update(parts: Parts, args: Args) -> Json:
    """chat.update: what is not given stays, an empty list or object removes."""
    channel = args.channel(parts.state, joined=False)
    old = _find_own(parts, channel.id, args.string("ts"), "cant_update_message")
    content = read_content(args.raw, truncate=False)
    if content.text is None and content.blocks is None and content.attachments is None:
        raise ApiError("no_text")
    new = old.edit(
        parts.identity.bot_user,
        parts.state.stamp(),
        text=old.text if content.text is None else content.text,
        blocks=old.blocks if content.blocks is None else content.blocks,
        attachments=old.attachments if content.attachments is None else content.attachments,
        metadata=old.metadata if content.metadata is None else (content.metadata or None),
    )
    if not (new.text or new.blocks or new.attachments or new.files):
        raise ApiError("no_text")
    parts.state.put(new)
    parts.announcer.changed(old, new)
    described = new.describe(metadata=True)
    return {"ok": True, "channel": channel.id, "ts": new.ts, "text": new.text, "message": described}


async def delete(parts: Parts, args: Args) -> Json:
    """chat.delete: own messages only."""
    channel = args.channel(parts.state, joined=False)
    message = _find_own(parts, channel.id, args.string("ts"), "cant_delete_message")
    parts.state.remove(message)
    parts.announcer.deleted(message)
    return {"ok": True, "channel": channel.id, "ts": message.ts}


async def get_permalink(parts: Parts, args: Args) -> Json:
    """chat.getPermalink."""
    channel = args.channel(parts.state, joined=False)
    ts = args.string("message_ts")
    message = parts.state.get(channel.id, ts)
    if message is None or message.only_for:
        raise ApiError("message_not_found")
    link = f"{parts.identity.base_url}/archives/{channel.id}/p{ts.replace('.', '')}"
    if message.thread_ts and message.thread_ts != ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"ok": True, "channel": channel.id, "permalink": link}


def _need_content(raw: Json, *, truncate: bool) -> Content:
    content = read_content(raw, truncate=truncate)
    if content.is_empty:
        raise ApiError("no_text")
    return content


def _compose(parts: Parts, args: Args, channel: str, content: Content) -> Message:
    identity = parts.identity
    thread_ts = args.string("thread_ts")
    if thread_ts:
        thread_ts = _find_root(parts, channel, thread_ts)
    return Message(
        channel=channel,
        ts=parts.state.stamp(),
        user=identity.bot_user,
        text=content.text or "",
        team=identity.team_id,
        blocks=content.blocks or (),
        attachments=content.attachments or (),
        bot_id=identity.bot_id,
        app_id=identity.app_id,
        thread_ts=thread_ts,
        metadata=content.metadata or None,
        broadcast=args.flag("reply_broadcast"),
        subtype="thread_broadcast" if thread_ts and args.flag("reply_broadcast") else "",
    )


def _find_root(parts: Parts, channel: str, thread_ts: str) -> str:
    """A reply to a reply joins the same thread; one to an ephemeral or unknown message is refused."""
    parent = parts.state.get(channel, thread_ts)
    if parent is None or parent.only_for:
        raise ApiError("cannot_reply_to_message")
    root = parent.thread_ts or parent.ts
    if not parent.thread_ts:
        # From its first reply on, Slack marks the parent as the root of a thread.
        parts.state.put(replace(parent, thread_ts=root))
    return root


def _find_own(parts: Parts, channel: str, ts: str, refusal: str) -> Message:
    message = parts.state.get(channel, ts)
    if message is None or message.only_for:
        raise ApiError("message_not_found")
    if message.user != parts.identity.bot_user:
        raise ApiError(refusal)
    return message


_WRITE = ("chat:write",)
METHODS = (
    Method("chat.postMessage", post_message, ("channel",), None, _WRITE),
    Method("chat.postEphemeral", post_ephemeral, ("channel", "user"), TIER_4, _WRITE),
    Method("chat.update", update, ("channel", "ts"), TIER_3, _WRITE),
    Method("chat.delete", delete, ("channel", "ts"), TIER_3, _WRITE),
    Method("chat.getPermalink", get_permalink, ("channel", "message_ts"), None, ()),
)
