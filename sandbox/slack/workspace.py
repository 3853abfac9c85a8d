"""The state of the workspace: who is in it, what was said, and waking whoever waits for a change."""

import asyncio
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sandbox.slack.messages import Message, Upload
from sandbox.slack.people import Channel, User, UserGroup, found_channels, found_groups, found_users
from sandbox.slack.wire import Identity


class WorkspaceState:
    """Everything that a workspace remembers, in memory; one event loop owns it, so there are no locks."""

    def __init__(self, identity: Identity) -> None:
        """A new workspace with the people and channels of `people.py`."""
        self.identity = identity
        self.users: dict[str, User] = {user.id: user for user in found_users(identity)}
        self.groups: dict[str, UserGroup] = {group.id: group for group in found_groups()}
        self.channels: dict[str, Channel] = {channel.id: channel for channel in found_channels(identity)}
        self.uploads: dict[str, Upload] = {}
        self.deleted: list[Message] = []
        self.version = 0
        self._messages: dict[str, dict[str, Message]] = {}
        self._last_micros = 0
        self._waiters: set[asyncio.Future[None]] = set()
        for user in list(self.users.values()):
            if not user.is_bot and not user.deleted:
                self.open_im(user.id)

    def stamp(self) -> str:
        """A new `ts`: strictly rising over the whole workspace, so unique in each channel."""
        self._last_micros = max(self._last_micros + 1, time.time_ns() // 1000)
        return f"{self._last_micros // 1_000_000}.{self._last_micros % 1_000_000:06d}"

    def new_id(self, prefix: str) -> str:
        """An id with Slack's one-letter prefix."""
        return f"{prefix}0{secrets.token_hex(5).upper()}"

    def open_im(self, user_id: str) -> Channel:
        """The direct messages of this person and the app; made when first asked for."""
        channel_id = "D0" + user_id.removeprefix("U0").removeprefix("U")
        if channel_id not in self.channels:
            members = frozenset({user_id, self.identity.bot_user})
            self.channels[channel_id] = Channel(channel_id, "directmessage", members, im_user=user_id)
            self.touch()
        return self.channels[channel_id]

    def find_channel(self, name: str) -> Channel | None:
        """By id, `#name`, or a user id (Slack then means the direct messages with that person)."""
        if name.startswith("#"):
            return next((c for c in self.channels.values() if c.name == name[1:] and not c.im_user), None)
        if name in self.users and name not in self.channels:
            user = self.users[name]
            return None if user.is_bot or user.deleted else self.open_im(name)
        return self.channels.get(name)

    def is_shared(self, channel: Channel) -> bool:
        """Whether somebody of another workspace is in the channel."""
        return any(self.users[member].is_stranger for member in channel.members if member in self.users)

    def add(self, message: Message) -> Message:
        """Remember a new message."""
        self._messages.setdefault(message.channel, {})[message.ts] = message
        self.touch()
        return message

    def put(self, message: Message) -> Message:
        """Replace a message by its newer version."""
        return self.add(message)

    def remove(self, message: Message) -> None:
        """Delete a message; of the root of a thread a tombstone stays, so that its thread goes on."""
        if any(self.replies(message.channel, message.ts)):
            self._messages[message.channel][message.ts] = Message(
                channel=message.channel,
                ts=message.ts,
                user="USLACKBOT",
                text="This message was deleted.",
                team=message.team,
                thread_ts=message.ts,
                subtype="tombstone",
            )
        else:
            del self._messages[message.channel][message.ts]
        self.deleted.append(message)
        self.touch()

    def get(self, channel: str, ts: str) -> Message | None:
        """The message with this `ts`, ephemeral ones included."""
        return self._messages.get(channel, {}).get(ts)

    def messages(self, channel: str, viewer: str = "") -> Iterator[Message]:
        """Oldest first, as `viewer` sees the channel; without a viewer, what is public in it."""
        for message in self._messages.get(channel, {}).values():
            if not message.only_for or message.only_for == viewer:
                yield message

    def everything(self, channel: str) -> Iterator[Message]:
        """Oldest first, with everybody's ephemeral messages; no person sees a channel like this."""
        yield from list(self._messages.get(channel, {}).values())

    def replies(self, channel: str, thread_ts: str) -> Iterator[Message]:
        """The public replies of a thread, oldest first."""
        return (m for m in self.messages(channel) if m.thread_ts == thread_ts and m.ts != thread_ts)

    def join(self, channel: Channel, users: Iterable[str]) -> Channel:
        """Add members."""
        return self.set_channel(replace(channel, members=channel.members | frozenset(users)))

    def leave(self, channel: Channel, users: Iterable[str]) -> Channel:
        """Take members out."""
        return self.set_channel(replace(channel, members=channel.members - frozenset(users)))

    def set_channel(self, channel: Channel) -> Channel:
        """Add or replace a channel."""
        self.channels[channel.id] = channel
        self.touch()
        return channel

    def touch(self) -> None:
        """Something changed: wake everybody who waits."""
        self.version += 1
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def wait_change(self, after: int, timeout: float) -> bool:
        """Return as soon as the state is newer than `after`; False when `timeout` seconds passed first."""
        if self.version > after:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter, timeout)
        except TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
        return True
