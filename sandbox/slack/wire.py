"""JSON as it crosses the wire, and the two shapes of a refusal.

Slack's payloads are open-ended JSON objects, so they stay dicts here; what the workspace itself remembers
is kept in frozen dataclasses next to the code that owns it.
"""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """A Web API refusal: HTTP 200 with `ok: false` and one of Slack's error names."""

    def __init__(self, error: str, *messages: str, extra: Json | None = None) -> None:
        """`messages` become `response_metadata.messages`, where Slack explains what it disliked."""
        super().__init__(error)
        self.error = error
        self.messages = messages
        self.extra = extra or {}

    def body(self) -> Json:
        """The JSON body as Slack words it."""
        body: Json = {"ok": False, "error": self.error, **self.extra}
        if self.messages:
            body["response_metadata"] = {"messages": list(self.messages)}
        return body


class RateLimitedError(Exception):
    """HTTP 429: wait `retry_after` whole seconds before calling again."""

    def __init__(self, retry_after: int) -> None:
        """Slack sends whole seconds, at least one."""
        super().__init__(f"ratelimited, retry after {retry_after} s")
        self.retry_after = retry_after


class ControlError(Exception):
    """The control API refuses: a person could not do this in Slack (or the test asked for nonsense)."""

    def __init__(self, error: str, explanation: str) -> None:
        """`error` is for programs, `explanation` for whoever reads the failing test."""
        super().__init__(f"{error}: {explanation}")
        self.error = error
        self.explanation = explanation


@dataclass(frozen=True)
class Identity:
    """Who the workspace and the installed app are; fixed for the life of the process."""

    bot_token: str
    app_token: str
    signing_secret: str
    base_url: str = ""
    verification_token: str = "sandbox-verification-token"
    team_id: str = "T0SANDBOX"
    team_domain: str = "sandbox"
    team_name: str = "Sandbox"
    app_id: str = "A0SANDBOX"
    bot_id: str = "B0ANDOCK"
    bot_user: str = "U0ANDOCK"
    bot_name: str = "andock"
