"""What a Web API method declares about itself, and the arguments of one call."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from sandbox.slack.content import decode
from sandbox.slack.parts import Parts
from sandbox.slack.people import Channel
from sandbox.slack.wire import ApiError, Json
from sandbox.slack.workspace import WorkspaceState

MAX_PAGE = 1000


@dataclass(frozen=True)
class Args:
    """Arguments of one call: from the query, a form or JSON, where everything may also be a string."""

    raw: Json

    def string(self, name: str) -> str:
        """The argument as text; empty when it was not given."""
        value = self.raw.get(name)
        return "" if value is None else str(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean in any of the spellings that Slack takes."""
        value = self.raw.get(name)
        return default if value is None else str(value).lower() in ("1", "true")

    def integer(self, name: str, default: int) -> int:
        """A whole number."""
        try:
            return int(self.raw.get(name) or default)
        except (TypeError, ValueError) as exc:
            raise ApiError("invalid_arguments", f"[ERROR] must be an integer [json-pointer:/{name}]") from exc

    def structure(self, name: str, error: str = "invalid_arguments") -> object:
        """A JSON argument, decoded."""
        return decode(self.raw.get(name), error)

    def channel(self, state: WorkspaceState, *, joined: bool, named: bool = False) -> Channel:
        """The channel that is meant. The app cannot see a private one that it is not in.

        Only posting takes `#name` or a person's id (`named`); everything else needs the channel's id.

        Raises:
            ApiError: unknown or invisible; `not_in_channel` when `joined` is asked for.
        """
        name = self.string("channel")
        channel = state.find_channel(name) if named else state.channels.get(name)
        member = channel is not None and state.identity.bot_user in channel.members
        if channel is None or (channel.is_private and not member):
            raise ApiError("channel_not_found")
        if joined and not member:
            raise ApiError("not_in_channel")
        return channel

    def page(self, items: list[Json], default: int = 100) -> tuple[list[Json], str]:
        """One page of a list, and the cursor of the next (empty at the end)."""
        limit = self.integer("limit", default)
        if not 1 <= limit <= MAX_PAGE:
            raise ApiError("invalid_limit")
        cursor = self.string("cursor") or "at:0"
        if not cursor.startswith("at:") or not cursor[3:].isdigit():
            raise ApiError("invalid_cursor")
        start = int(cursor[3:])
        end = start + limit
        return items[start:end], f"at:{end}" if end < len(items) else ""


Handler = Callable[[Parts, Args], Awaitable[Json]]


@dataclass(frozen=True)
class Method:
    """One method: who may call it, how often, and with what at least."""

    name: str
    handler: Handler
    required: tuple[str, ...] = ()
    per_minute: int | None = None
    # Any one of these is enough: conversations.* take the scope of the kind of channel.
    scopes: tuple[str, ...] = ()
    token: Literal["bot", "app"] = "bot"
    # Some methods read query and form arguments only; JSON bodies are ignored, as by Slack.
    takes_json: bool = True


@dataclass(frozen=True)
class Answer:
    """How a call ended; `body` is what the caller gets to read."""

    status: int
    body: Json
    headers: dict[str, str] = field(default_factory=dict)
