"""Trigger ids and the views that they open."""

import secrets
import time
from dataclasses import dataclass, field, replace

from sandbox.slack.wire import ApiError, Identity, Json

TRIGGER_SECONDS = 3.0
MAX_STACK = 3  # the root and two pushed onto it


@dataclass(frozen=True)
class Trigger:
    """Permission to open one view for one person, for 3 s."""

    user: str
    expires_at: float


@dataclass(frozen=True)
class View:
    """A modal (or Home tab) as the app sent it, plus what the workspace adds."""

    id: str
    user: str
    body: Json
    hash: str
    root: str
    previous: str | None = None
    errors: Json = field(default_factory=dict)

    def describe(self, identity: Identity, values: Json | None = None) -> Json:
        """As Web API answers and payloads carry it."""
        return {
            "id": self.id,
            "team_id": identity.team_id,
            "type": self.body["type"],
            "blocks": self.body["blocks"],
            "private_metadata": self.body.get("private_metadata") or "",
            "callback_id": self.body.get("callback_id") or "",
            "state": {"values": values or {}},
            "hash": self.hash,
            "title": self.body.get("title"),
            "clear_on_close": bool(self.body.get("clear_on_close")),
            "notify_on_close": bool(self.body.get("notify_on_close")),
            "close": self.body.get("close"),
            "submit": self.body.get("submit"),
            "previous_view_id": self.previous,
            "root_view_id": self.root,
            "app_id": identity.app_id,
            "external_id": self.body.get("external_id") or "",
            "app_installed_team_id": identity.team_id,
            "bot_id": identity.bot_id,
        }


class Modals:
    """Who has which views open; the last of a stack is the one on screen."""

    def __init__(self) -> None:
        """Nothing open."""
        self.stacks: dict[str, list[View]] = {}
        self.homes: dict[str, View] = {}
        self._triggers: dict[str, Trigger] = {}
        self._exchanged: set[str] = set()

    def issue_trigger(self, user: str) -> str:
        """A trigger id for something that `user` has just done."""
        trigger_id = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**10)}.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = Trigger(user, time.monotonic() + TRIGGER_SECONDS)
        return trigger_id

    def exchange(self, trigger_id: str) -> str:
        """Use a trigger id up; returns whose it was."""
        if trigger_id in self._exchanged:
            raise ApiError("exchanged_trigger_id")
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise ApiError("invalid_trigger_id")
        if time.monotonic() > trigger.expires_at:
            raise ApiError("expired_trigger_id")
        self._exchanged.add(trigger_id)
        return trigger.user

    def top(self, user: str) -> View | None:
        """The view on this person's screen."""
        stack = self.stacks.get(user)
        return stack[-1] if stack else None

    def open(self, user: str, body: Json) -> View:
        """A new root view; whatever was open is gone."""
        self._refuse_duplicate(body)
        view_id = _new_id()
        view = View(view_id, user, body, _new_hash(), root=view_id)
        self.stacks[user] = [view]
        return view

    def push(self, user: str, body: Json) -> View:
        """A view on top of the one on screen."""
        stack = self.stacks.get(user)
        if not stack:
            raise ApiError("not_found")
        if len(stack) >= MAX_STACK:
            raise ApiError("push_limit_reached")
        self._refuse_duplicate(body)
        view = View(_new_id(), user, body, _new_hash(), root=stack[0].id, previous=stack[-1].id)
        stack.append(view)
        return view

    def find(self, view_id: str = "", external_id: str = "") -> View | None:
        """An open view by either id."""
        for stack in self.stacks.values():
            for view in stack:
                if (view_id and view.id == view_id) or (
                    external_id and view.body.get("external_id") == external_id
                ):
                    return view
        return None

    def update(self, view: View, body: Json, hash_: str = "") -> View:
        """Replace what a view shows; with `hash_`, only if nobody was faster."""
        if hash_ and hash_ != view.hash:
            raise ApiError("hash_conflict")
        return self._swap(view, replace(view, body=body, hash=_new_hash(), errors={}))

    def show_errors(self, view: View, errors: Json) -> View:
        """The app's `response_action: errors`: the form stays, with remarks at its fields."""
        return self._swap(view, replace(view, errors=errors))

    def close(self, user: str, *, everything: bool = False) -> None:
        """The top view closes, or the whole stack."""
        stack = self.stacks.get(user, [])
        if stack:
            stack.pop()
        if everything:
            stack.clear()

    def publish(self, user: str, body: Json, hash_: str = "") -> View:
        """Set somebody's Home tab."""
        old = self.homes.get(user)
        if hash_ and old and old.hash != hash_:
            raise ApiError("hash_conflict")
        view_id = old.id if old else _new_id()
        self.homes[user] = View(view_id, user, body, _new_hash(), root=view_id)
        return self.homes[user]

    def _swap(self, old: View, new: View) -> View:
        stack = self.stacks[old.user]
        stack[[view.id for view in stack].index(old.id)] = new
        return new

    def _refuse_duplicate(self, body: Json) -> None:
        external_id = body.get("external_id")
        if external_id and self.find(external_id=external_id):
            raise ApiError("duplicate_external_id")


def _new_id() -> str:
    return f"V0{secrets.token_hex(5).upper()}"


def _new_hash() -> str:
    return f"{int(time.time())}.{secrets.token_urlsafe(6)}"
