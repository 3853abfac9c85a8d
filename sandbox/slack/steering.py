"""What a test does from outside: deliveries of its own making, trouble, and administration."""

import time
from collections.abc import Mapping, Sequence

from sandbox.slack.remote import Remote, WaitTimeout
from sandbox.slack.reports import Call, Delivery, RawAnswer, Socket, read_delivery


class Steering(Remote):
    """The part of `Workspace` that no person in Slack could do."""

    # Deliveries

    def deliveries(self, kind: str | None = None) -> list[Delivery]:
        """The newest hundred of a kind (slash, interactive, event), oldest first."""
        return [read_delivery(body) for body in self.control("deliveries", {"kind": kind})["deliveries"]]

    def repeat(self, delivery: Delivery, times: int = 1, *, concurrent: bool = False) -> Delivery:
        """Deliver the same payload again."""
        body = {"delivery_id": delivery.id, "times": times, "concurrent": concurrent}
        return read_delivery(self.control("deliver", body, timeout=4.0 * times + 10))

    def deliver(
        self, kind: str, payload: Mapping[str, object], *, times: int = 1, concurrent: bool = False
    ) -> Delivery:
        """Deliver any payload as a slash, interactive or event."""
        body = {"kind": kind, "payload": dict(payload), "times": times, "concurrent": concurrent}
        return read_delivery(self.control("deliver", body, timeout=4.0 * times + 10))

    def post(self, **request: object) -> RawAnswer:
        """One hand-made HTTP request to the app; see `forgery.post_raw` for the fields."""
        answer = self.control("post", request, timeout=30)
        return RawAnswer(answer["status"], answer["body"], answer["problem"], answer["seconds"])

    def use_http(self, request_url: str, *, verify: bool = True) -> bool:
        """Deliver over signed HTTP from now on; returns whether the URL passed Slack's handshake."""
        answer = self.control("delivery", {"mode": "http", "request_url": request_url, "verify": verify})
        return bool(answer["verified"])

    def use_sockets(self) -> None:
        """Deliver over Socket Mode again."""
        self.control("delivery", {"mode": "socket"})

    def set_retries(self, *delays: float) -> None:
        """Seconds before each further attempt of an event that was not acknowledged."""
        self.control("delivery", {"retry_delays": list(delays)})

    # Trouble

    def fault(self, method: str, kind: str, **details: object) -> None:
        """Order trouble for the next calls of a method (`*` for all, `response_url`).

        Kinds: ratelimited (retry_after), http_error (status), error (error), delay (seconds), drop.
        Also: times, skip, when ("before" the effect, the default, or "after" it).
        """
        self.control("faults", {"method": method, "kind": kind, **details})

    def clear_faults(self) -> None:
        """Forget all orders."""
        self.control("faults", {"clear": True})

    def limit(self, key: str, per_minute: float, burst: int) -> None:
        """Another rate limit for a method (`chat.postMessage:channel`, `...:workspace`, `response_url`)."""
        self.control("limits", {"key": key, "per_minute": per_minute, "burst": burst})

    def set_limits(self, *, enabled: bool) -> None:
        """All rate limits off or on."""
        self.control("limits", {"enabled": enabled, "reset": True})

    def sockets(self) -> list[Socket]:
        """The app's live connections."""
        listed = self.control("sockets", {})["sockets"]
        return [Socket(s["id"], s["sent"], s["acked"], s["muted"], s["leaving"]) for s in listed]

    def disturb(self, action: str, socket_id: str = "") -> int:
        """Warn, refresh, drop, mute, unmute, link_disabled or link_enabled; all connections, or one."""
        return int(self.control("sockets", {"action": action, "id": socket_id})["meant"])

    def wait_sockets(self, count: int = 1, *, timeout: float = 15.0) -> list[Socket]:
        """Wait until the app has at least this many usable connections."""
        deadline = time.monotonic() + timeout
        while True:
            version = self.version()
            usable = [s for s in self.sockets() if not s.leaving]
            if len(usable) >= count:
                return usable
            if not self.sleep_until_changed(version, deadline):
                raise WaitTimeout("timeout", f"{len(usable)} connections, not {count}")

    def calls(self, method: str | None = None, *, reset: bool = False) -> list[Call]:
        """Web API calls since the last reset, oldest first."""
        answer = self.control("calls", {"method": method, "reset": reset})
        return [Call(c["method"], c["at"], c["status"], c["error"], c["args"]) for c in answer["calls"]]

    # Administration

    def set_user(self, user_id: str, **changes: object) -> None:
        """Add or change a person: name, deleted, is_restricted, is_bot, team_id, is_stranger, ..."""
        self.control("users", {"id": user_id, **changes})

    def set_group(self, group_id: str, **changes: object) -> None:
        """Add or change a user group: handle, users, disabled."""
        self.control("groups", {"id": group_id, **changes})

    def set_channel(self, channel_id: str, **changes: object) -> None:
        """Add or change a channel: name, members, is_private, is_archived, topic."""
        self.control("channels", {"id": channel_id, **changes})

    def set_members(self, channel: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Change who is in a channel."""
        self.control("members", {"channel": channel, "add": list(add), "remove": list(remove)})

    def set_app(self, **changes: object) -> None:
        """Change commands ({"/vm": should_escape}), scopes, subscriptions, token_problem."""
        self.control("app", changes)
