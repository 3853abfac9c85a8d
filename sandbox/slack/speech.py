"""What people say: messages, slash commands, edits, deletions, reactions."""

import re
import secrets
from dataclasses import dataclass, replace

from sandbox.slack.delivery import Delivery
from sandbox.slack.messages import Message
from sandbox.slack.parts import Parts
from sandbox.slack.people import Channel, User
from sandbox.slack.wire import ApiError, ControlError, Json
from sandbox.slack.workspace import WorkspaceState

_ENTITY = re.compile(r"(<(?:[@#!][^<>\s]+|https?://[^<>\s]+|mailto:[^<>\s]+)>)")
_MENTION = re.compile(r"(?<![\w@/.])@([a-z0-9][a-z0-9._-]*)")
_CHANNEL = re.compile(r"(?<![\w#/&])#([a-z0-9][a-z0-9_-]*)")
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_URL = re.compile(r"https?://[^\s<>|]+")
# Slack links bare names under well-known top-level domains: a host name typed in a message becomes a link.
_DOMAIN = re.compile(r"(?<![\w@/.-])(?:[a-z0-9-]+\.)+(?:com|net|org|io|dev|app|cloud)\b(?![\w@-])")


@dataclass(frozen=True)
class Said:
    """A message or command, and its deliveries; the one that the app acts on comes first."""

    ts: str
    deliveries: tuple[Delivery, ...]


def find_person(parts: Parts, user: str, channel: str, *, force: bool) -> tuple[User, Channel]:
    """Who acts and where; refuses what a person's client would not let them do, unless forced."""
    person = parts.state.users.get(user)
    room = parts.state.channels.get(channel) or parts.state.find_channel(channel)
    if person is None or room is None:
        raise ControlError("unknown", f"no such {'user' if person is None else 'channel'}: {user} {channel}")
    if not force and person.deleted:
        raise ControlError("user_is_deactivated", f"{user} cannot sign in; force=true sends it all the same")
    if not force and user not in room.members:
        raise ControlError("not_in_channel", f"{user} is not in {room.id}; force=true sends it all the same")
    return person, room


async def say(
    parts: Parts, user: str, channel: str, text: str, *, thread_ts: str = "", force: bool = False
) -> Said:
    """A person types into the message box and presses enter."""
    person, room = find_person(parts, user, channel, force=force)
    if text.startswith("/"):
        if thread_ts:
            raise ControlError("slash_in_thread", "Slack runs no slash commands in threads")
        return await _command(parts, person, room, text)
    if room.is_archived and not force:
        raise ControlError("is_archived", f"{room.id} is archived")
    typed = link(parts.state, text)
    if thread_ts:
        thread_ts = _start_thread(parts, room, thread_ts)
    message = Message(
        channel=room.id,
        ts=parts.state.stamp(),
        user=person.id,
        text=typed,
        team=person.team_id,
        blocks=(_as_rich_text(typed),),
        bot_id=person.bot_id,
        app_id="A0OTHER" if person.is_bot else "",
        subtype="bot_message" if person.is_bot else "",
        thread_ts=thread_ts,
        client_msg_id="" if person.is_bot else new_client_msg_id(),
    )
    parts.state.add(message)
    return Said(message.ts, tuple(parts.announcer.posted(message)))


def edit(parts: Parts, user: str, channel: str, ts: str, text: str) -> Message:
    """A person edits their own message."""
    old = _find_own(parts, user, channel, ts)
    typed = link(parts.state, text)
    new = old.edit(user, parts.state.stamp(), text=typed, blocks=(_as_rich_text(typed),))
    parts.state.put(new)
    parts.announcer.changed(old, new)
    return new


def delete(parts: Parts, user: str, channel: str, ts: str) -> None:
    """A person deletes their own message."""
    message = _find_own(parts, user, channel, ts)
    parts.state.remove(message)
    parts.announcer.deleted(message)


def react(parts: Parts, user: str, channel: str, ts: str, name: str) -> None:
    """A person adds an emoji."""
    message = parts.state.get(channel, ts)
    if message is None or message.only_for:
        raise ControlError("message_not_found", ts)
    parts.state.put(replace(message, reactions=(*message.reactions, (name, user))))
    if parts.announcer.hears(channel):
        item = {"type": "message", "channel": channel, "ts": ts}
        event: Json = {"type": "reaction_added", "user": user, "reaction": name, "item": item}
        event |= {"item_user": message.user, "event_ts": parts.state.stamp()}
        parts.announcer.tell(event, channel)


def build_command(parts: Parts, person: User, room: Channel, command: str, text: str) -> Json:
    """The payload of a slash command."""
    identity = parts.identity
    if parts.app.commands.get(command):
        text = link(parts.state, text, names=True)
    own = person.team_id == identity.team_id
    return {
        "token": identity.verification_token,
        "team_id": person.team_id,
        "team_domain": identity.team_domain if own else "other",
        "channel_id": room.id,
        "channel_name": "privategroup" if room.is_private else room.name,
        "user_id": person.id,
        "user_name": person.name,
        "command": command,
        "text": text,
        "api_app_id": identity.app_id,
        "is_enterprise_install": "false",
        "response_url": parts.hooks.issue("commands", room.id, person.id),
        "trigger_id": parts.modals.issue_trigger(person.id),
    }


async def _command(parts: Parts, person: User, room: Channel, typed: str) -> Said:
    command, _, text = typed.partition(" ")
    if command not in parts.app.commands:
        known = ", ".join(sorted(parts.app.commands))
        raise ControlError("unknown_command", f"{command} is not a valid command; there are {known}")
    payload = build_command(parts, person, room, command, text.strip())
    delivery = await parts.courier.deliver("slash", payload)
    answer = delivery.describe()["ack_payload"]
    if not delivery.acked:
        problem = delivery.attempts[-1].problem
        reason = "operation_timeout" if "timeout" in problem else "dispatch_failed"
        whisper(parts, room.id, person.id, f"{command} failed with the error `{reason}`")
    elif answer and (answer.get("text") or answer.get("blocks") or answer.get("attachments")):
        try:
            token = str(payload["response_url"]).rpartition("/")[2]
            parts.hooks.acknowledge(token, answer)
        except ApiError as refusal:
            delivery.complaint = f"{refusal.error} {' '.join(refusal.messages)}".strip()
            whisper(parts, room.id, person.id, f"{command} failed with the error `{refusal.error}`")
    parts.state.touch()
    return Said("", (delivery,))


def whisper(parts: Parts, channel: str, user: str, text: str) -> None:
    """Slackbot tells one person what went wrong."""
    ts, team = parts.state.stamp(), parts.identity.team_id
    parts.state.add(Message(channel=channel, ts=ts, user="USLACKBOT", text=text, team=team, only_for=user))


def link(state: WorkspaceState, text: str, *, names: bool = False) -> str:
    """Text as Slack's client sends it: names become ids, addresses become links, `&<>` are escaped.

    Entities that are written out already (`<@U0OPS1>`) are left alone. `names` adds the `|name` that
    escaped slash commands carry.
    """
    pieces = _ENTITY.split(text)
    return "".join(
        piece if index % 2 else _link_plain(state, piece, names=names) for index, piece in enumerate(pieces)
    )


def _link_plain(state: WorkspaceState, text: str, *, names: bool) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    kept: list[str] = []

    def keep(entity: str) -> str:
        """Park finished entities, so that a later pattern does not find its way into them."""
        kept.append(entity)
        return f"\x00{len(kept) - 1}\x00"

    def name_user(match: re.Match[str]) -> str:
        name = match[1].rstrip(".-")
        rest = match[1][len(name) :]
        if name in ("here", "channel", "everyone"):
            return keep(f"<!{name}>") + rest
        user = next((u for u in state.users.values() if u.name == name and not u.deleted), None)
        if user:
            return keep(f"<@{user.id}|{user.name}>" if names else f"<@{user.id}>") + rest
        group = next((g for g in state.groups.values() if g.handle == name and not g.disabled), None)
        return keep(f"<!subteam^{group.id}|@{group.handle}>") + rest if group else match[0]

    def name_channel(match: re.Match[str]) -> str:
        room = next((c for c in state.channels.values() if c.name == match[1] and not c.im_user), None)
        return keep(f"<#{room.id}|{room.name}>") if room else match[0]

    text = _URL.sub(lambda match: keep(f"<{match[0]}>"), text)
    text = _EMAIL.sub(lambda match: keep(f"<mailto:{match[0]}|{match[0]}>"), text)
    text = _DOMAIN.sub(lambda match: keep(f"<http://{match[0]}|{match[0]}>"), text)
    text = _CHANNEL.sub(name_channel, _MENTION.sub(name_user, text))
    return re.sub(r"\x00(\d+)\x00", lambda match: kept[int(match[1])], text)


def new_client_msg_id() -> str:
    """What Slack's clients put on a message that a person types."""
    raw = secrets.token_hex(16)
    return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"


def _find_own(parts: Parts, user: str, channel: str, ts: str) -> Message:
    message = parts.state.get(channel, ts)
    if message is None or message.user != user:
        raise ControlError("message_not_found", f"{user} wrote no message {ts} in {channel}")
    return message


def _start_thread(parts: Parts, room: Channel, thread_ts: str) -> str:
    parent = parts.state.get(room.id, thread_ts)
    if parent is None or parent.only_for:
        raise ControlError("thread_not_found", f"no message {thread_ts} in {room.id} to reply to")
    root = parent.thread_ts or parent.ts
    if not parent.thread_ts:
        parts.state.put(replace(parent, thread_ts=root))
    return root


def _as_rich_text(text: str) -> Json:
    """Slack's clients send rich text; apps read `text`, so the block is only as fine as tests need."""
    elements: list[Json] = []
    for index, piece in enumerate(re.split(r"<@([A-Z0-9]+)(?:\|[^>]*)?>", text)):
        if index % 2:
            elements.append({"type": "user", "user_id": piece})
        elif piece:
            elements += _link_elements(piece)
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "block_id": secrets.token_urlsafe(4), "elements": [section]}


def _link_elements(text: str) -> list[Json]:
    """Plain text and the links in it, as a client lays them out."""
    elements: list[Json] = []
    for index, piece in enumerate(re.split(r"<((?:https?://|mailto:)[^<>]+)>", text)):
        if index % 2:
            url, _, label = piece.partition("|")
            elements.append({"type": "link", "url": url, **({"text": label} if label else {})})
        elif piece:
            plain = piece.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            elements.append({"type": "text", "text": plain})
    return elements
