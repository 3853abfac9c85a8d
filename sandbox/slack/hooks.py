"""response_urls: five answers within 30 minutes to whatever a person has done."""

import secrets
import time
from dataclasses import dataclass

from sandbox.slack.announcements import Announcer
from sandbox.slack.content import Content, read_content
from sandbox.slack.messages import Message
from sandbox.slack.wire import ApiError, Json
from sandbox.slack.workspace import WorkspaceState

MAX_USES = 5
LIFETIME = 30 * 60.0


@dataclass
class Hook:
    """Where answers go. `ts` names the message that was clicked; it can be replaced or deleted."""

    channel: str
    user: str
    ts: str
    expires_at: float
    uses: int = 0


class Hooks:
    """All response_urls that were handed out."""

    def __init__(self, state: WorkspaceState, announcer: Announcer) -> None:
        """None yet."""
        self.state = state
        self.announcer = announcer
        self._hooks: dict[str, Hook] = {}

    def issue(self, family: str, channel: str, user: str, ts: str = "") -> str:
        """A response_url; `family` is commands or actions, as in Slack's own."""
        token = secrets.token_urlsafe(18)
        self._hooks[token] = Hook(channel, user, ts, time.monotonic() + LIFETIME)
        identity = self.state.identity
        return f"{identity.base_url}/{family}/{identity.team_id}/{secrets.randbelow(10**12)}/{token}"

    def use(self, token: str, body: Json) -> None:
        """Take one answer.

        Raises:
            ApiError: unknown, expired or used up (HTTP 404), or content that Slack refuses.
        """
        hook = self._hooks.get(token)
        if hook is None:
            raise ApiError("no_service")
        if time.monotonic() > hook.expires_at:
            raise ApiError("expired_url")
        if hook.uses >= MAX_USES:
            raise ApiError("used_url")
        hook.uses += 1
        self.answer(hook, body)

    def acknowledge(self, token: str, body: Json) -> None:
        """What an acknowledgement carries is shown too, but does not count as a use of the URL."""
        self.answer(self._hooks[token], body)

    def answer(self, hook: Hook, body: Json) -> Message | None:
        """Post, replace or delete on behalf of the app; also what an acknowledgement's payload does."""
        old = self.state.get(hook.channel, hook.ts) if hook.ts else None
        if body.get("delete_original"):
            if old:
                self._delete(old)
            return None
        content = read_content(body, truncate=False)
        if content.is_empty:
            raise ApiError("no_text")
        if body.get("replace_original") and old:
            return self._replace(old, content)
        public = body.get("response_type") == "in_channel"
        return self._post(hook, content, str(body.get("thread_ts") or ""), public=public)

    def _post(self, hook: Hook, content: Content, thread_ts: str, *, public: bool) -> Message:
        identity = self.state.identity
        message = Message(
            channel=hook.channel,
            ts=self.state.stamp(),
            user=identity.bot_user,
            text=content.text or "",
            team=identity.team_id,
            blocks=content.blocks or (),
            attachments=content.attachments or (),
            bot_id=identity.bot_id,
            app_id=identity.app_id,
            thread_ts=thread_ts,
            only_for="" if public else hook.user,
            metadata=content.metadata or None,
        )
        self.state.add(message)
        self.announcer.posted(message)
        return message

    def _replace(self, old: Message, content: Content) -> Message:
        new = old.edit(
            self.state.identity.bot_user,
            self.state.stamp(),
            text=content.text or "",
            blocks=content.blocks or (),
            attachments=content.attachments or (),
        )
        self.state.put(new)
        self.announcer.changed(old, new)
        return new

    def _delete(self, old: Message) -> None:
        self.state.remove(old)
        self.announcer.deleted(old)
