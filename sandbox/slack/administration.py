"""What an administrator changes: people, groups, channels, membership, how the app is configured."""

from dataclasses import replace

from sandbox.slack.parts import Parts
from sandbox.slack.people import Channel, User, UserGroup
from sandbox.slack.wire import ControlError, Json


def set_user(parts: Parts, body: Json) -> Json:
    """Add a person or change one (`deleted` deactivates); the app hears of it."""
    user_id = str(body.get("id") or parts.state.new_id("U"))
    old = parts.state.users.get(user_id)
    _refuse_unknown(body, User)
    user = replace(old, **body) if old else User(**{"id": user_id, "name": user_id.lower(), **body})
    parts.state.users[user_id] = user
    parts.state.touch()
    event: Json = {"type": "user_change" if old else "team_join", "user": user.describe()}
    parts.announcer.tell(event | {"event_ts": parts.state.stamp()})
    return {"user": user.describe()}


def set_group(parts: Parts, body: Json) -> Json:
    """Add a user group or change one; the app hears of it."""
    group_id = str(body.get("id") or parts.state.new_id("S"))
    old = parts.state.groups.get(group_id)
    _refuse_unknown(body, UserGroup)
    if "users" in body:
        body = body | {"users": tuple(body["users"])}
    group = (
        replace(old, **body)
        if old
        else UserGroup(**{"id": group_id, "handle": group_id, "users": (), **body})
    )
    parts.state.groups[group_id] = group
    parts.state.touch()
    described = group.describe(parts.identity.team_id, users=True, count=True)
    kind = "subteam_updated" if old else "subteam_created"
    parts.announcer.tell({"type": kind, "subteam": described, "event_ts": parts.state.stamp()})
    return {"usergroup": described}


def set_channel(parts: Parts, body: Json) -> Json:
    """Add a channel or change one (name, is_private, is_archived, topic, members)."""
    channel_id = str(body.get("id") or parts.state.new_id("C"))
    old = parts.state.channels.get(channel_id)
    _refuse_unknown(body, Channel)
    if "members" in body:
        body = body | {"members": frozenset(body["members"])}
    channel = (
        replace(old, **body) if old else Channel(**{"id": channel_id, "name": channel_id.lower(), **body})
    )
    parts.state.set_channel(channel)
    if old and old.is_archived != channel.is_archived:
        kind = "channel_archive" if channel.is_archived else "channel_unarchive"
        event = {"type": kind, "channel": channel_id, "user": "U0OPS1", "event_ts": parts.state.stamp()}
        parts.announcer.tell(event, channel_id)
    if old and old.name != channel.name:
        renamed = {"id": channel_id, "name": channel.name, "created": 0}
        parts.announcer.tell({"type": "channel_rename", "channel": renamed}, channel_id)
    return {"channel": channel.describe(parts.identity.bot_user)}


def set_members(parts: Parts, body: Json) -> Json:
    """Add people to a channel or take them out; `andock` itself counts as U0ANDOCK."""
    channel = parts.state.channels.get(str(body.get("channel")))
    if channel is None:
        raise ControlError("channel_not_found", str(body.get("channel")))
    for user in body.get("add", []):
        channel = parts.state.join(channel, [user])
        _tell_member(parts, "member_joined_channel", user, channel)
    for user in body.get("remove", []):
        # The app hears of its own removal, so this is told before it is deaf in there.
        _tell_member(parts, "member_left_channel", user, channel)
        channel = parts.state.leave(channel, [user])
    return {"members": sorted(channel.members)}


def set_app(parts: Parts, body: Json) -> Json:
    """Commands (command -> should_escape), scopes, subscriptions, token_problem."""
    app = parts.app
    if "commands" in body:
        app.commands = {str(name): bool(escape) for name, escape in body["commands"].items()}
    if "scopes" in body:
        app.scopes = None if body["scopes"] is None else frozenset(body["scopes"])
    if "subscriptions" in body:
        wanted = body["subscriptions"]
        parts.announcer.subscriptions = None if wanted is None else frozenset(wanted)
    if "token_problem" in body:
        app.token_problem = str(body["token_problem"] or "")
    subscriptions = parts.announcer.subscriptions
    return {
        "commands": app.commands,
        "scopes": None if app.scopes is None else sorted(app.scopes),
        "subscriptions": None if subscriptions is None else sorted(subscriptions),
        "token_problem": app.token_problem,
    }


def _tell_member(parts: Parts, kind: str, user: str, channel: Channel) -> None:
    if not parts.announcer.hears(channel.id):
        return
    event: Json = {"type": kind, "user": user, "channel": channel.id, "team": parts.identity.team_id}
    event |= {"channel_type": "G" if channel.is_private else "C", "event_ts": parts.state.stamp()}
    parts.announcer.tell(event, channel.id)


def _refuse_unknown(body: Json, kind: type) -> None:
    unknown = body.keys() - kind.__dataclass_fields__.keys()  # type: ignore[attr-defined]
    if unknown:
        raise ControlError("unknown_field", ", ".join(sorted(unknown)))
