"""Events: what happens in the workspace, told to the app."""

import secrets
import time

from sandbox.slack.delivery import Courier, Delivery
from sandbox.slack.messages import Message
from sandbox.slack.wire import Json
from sandbox.slack.workspace import WorkspaceState

MESSAGE_EVENTS = {"channel": "message.channels", "group": "message.groups", "im": "message.im"}


class Announcer:
    """Builds event payloads and delivers those that the app subscribes to (at first: all)."""

    def __init__(self, state: WorkspaceState, courier: Courier) -> None:
        """`subscriptions` is None for all, or a set of names as a manifest lists them."""
        self.state = state
        self.courier = courier
        self.subscriptions: frozenset[str] | None = None

    def build(self, event: Json, channel: str = "") -> Json:
        """The outer body of an event."""
        identity = self.state.identity
        room = self.state.channels.get(channel)
        return {
            "token": identity.verification_token,
            "team_id": identity.team_id,
            "api_app_id": identity.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev0{secrets.token_hex(5).upper()}",
            "event_time": int(time.time()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": identity.team_id,
                    "user_id": identity.bot_user,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": bool(room and self.state.is_shared(room)),
            "event_context": f"1-{event['type']}-{identity.team_id}-{channel or 'none'}",
        }

    def tell(self, event: Json, channel: str = "", name: str = "") -> Delivery | None:
        """Deliver an event in the background; None when the app does not hear of it."""
        name = name or str(event["type"])
        if self.subscriptions is not None and name not in self.subscriptions:
            return None
        return self.courier.deliver_soon("event", self.build(event, channel))

    def hears(self, channel: str) -> bool:
        """The app hears only of conversations that it is in."""
        room = self.state.channels.get(channel)
        return room is not None and self.state.identity.bot_user in room.members

    def posted(self, message: Message) -> list[Delivery]:
        """A message was posted: `message`, and `app_mention` when a person names the app in a channel."""
        if message.only_for or not self.hears(message.channel):
            return []
        room = self.state.channels[message.channel]
        event = self._describe(message) | {"channel": message.channel, "event_ts": message.ts}
        told: list[Delivery | None] = []
        if f"<@{self.state.identity.bot_user}" in message.text and room.kind != "im":
            told.append(self.tell({**event, "type": "app_mention"}, message.channel))
        event["channel_type"] = room.kind
        if message.thread_ts and message.thread_ts != message.ts:
            parent = self.state.get(message.channel, message.thread_ts)
            event["parent_user_id"] = parent.user if parent else ""
        told.append(self.tell(event, message.channel, MESSAGE_EVENTS[room.kind]))
        return [delivery for delivery in told if delivery]

    def changed(self, before: Message, after: Message) -> None:
        """A message was edited."""
        self._tell_subtype(
            "message_changed",
            after,
            {"message": self._describe(after), "previous_message": self._describe(before)},
        )

    def deleted(self, message: Message) -> None:
        """A message was deleted."""
        self._tell_subtype(
            "message_deleted",
            message,
            {"deleted_ts": message.ts, "previous_message": self._describe(message)},
        )

    def _tell_subtype(self, subtype: str, message: Message, details: Json) -> None:
        if message.only_for or not self.hears(message.channel):
            return
        kind = self.state.channels[message.channel].kind
        now = self.state.stamp()
        event: Json = {
            "type": "message",
            "subtype": subtype,
            **details,
            "channel": message.channel,
            "hidden": True,
            "ts": now,
            "event_ts": now,
            "channel_type": kind,
        }
        self.tell(event, message.channel, MESSAGE_EVENTS[kind])

    def _describe(self, message: Message) -> Json:
        body = message.describe()
        author = self.state.users.get(message.user)
        if author and author.is_stranger:
            # This is how an app sees that somebody of another workspace wrote in a shared channel.
            body |= {"user_team": author.team_id, "source_team": author.team_id}
        return body
