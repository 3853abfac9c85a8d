"""Messages as the workspace remembers them, including every earlier version of an edited one."""

from dataclasses import dataclass, field, replace

from sandbox.slack.wire import Json


@dataclass(frozen=True)
class Version:
    """What a message said before an edit; a click may still come from a screen that shows it."""

    text: str
    blocks: tuple[Json, ...]


@dataclass(frozen=True)
class Message:
    """One message in one channel. `only_for` is set on ephemeral ones and names who sees it."""

    channel: str
    ts: str
    user: str
    text: str
    team: str
    blocks: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    bot_id: str = ""
    app_id: str = ""
    thread_ts: str = ""
    only_for: str = ""
    metadata: Json | None = None
    edited_by: str = ""
    edited_ts: str = ""
    files: tuple[Json, ...] = ()
    reactions: tuple[tuple[str, str], ...] = ()
    subtype: str = ""
    client_msg_id: str = ""
    earlier: tuple[Version, ...] = ()
    broadcast: bool = False

    def edit(self, by: str, at: str, **changes: object) -> "Message":
        """The message after an edit; the old words go to `earlier`."""
        before = Version(self.text, self.blocks)
        return replace(self, edited_by=by, edited_ts=at, earlier=(*self.earlier, before), **changes)  # type: ignore[arg-type]

    def describe(self, *, metadata: bool = False) -> Json:
        """As `conversations.history` tells it."""
        body: Json = {
            "type": "message",
            "user": self.user,
            "ts": self.ts,
            "text": self.text,
            "team": self.team,
        }
        if self.bot_id:
            body |= {"bot_id": self.bot_id, "app_id": self.app_id}
        if self.edited_ts:
            body["edited"] = {"user": self.edited_by, "ts": self.edited_ts}
        if self.files:
            body |= {"files": list(self.files), "upload": False, "display_as_bot": False}
        if metadata and self.metadata is not None:
            body["metadata"] = self.metadata
        # Slack leaves these out when there is nothing in them.
        parts: Json = {
            "client_msg_id": self.client_msg_id,
            "subtype": self.subtype,
            "blocks": list(self.blocks),
            "attachments": list(self.attachments),
            "thread_ts": self.thread_ts,
            "reactions": self._count_reactions(),
        }
        return body | {key: value for key, value in parts.items() if value}

    def _count_reactions(self) -> list[Json]:
        by_name: dict[str, list[str]] = {}
        for name, user in self.reactions:
            by_name.setdefault(name, []).append(user)
        return [{"name": name, "users": users, "count": len(users)} for name, users in by_name.items()]


@dataclass(frozen=True)
class Upload:
    """A file on its way in (`content` is None until the bytes came) or shared."""

    id: str
    name: str
    length: int
    title: str = ""
    content: bytes | None = None
    shared: bool = False
    snippet_type: str = ""
    channels: tuple[str, ...] = field(default=())

    def describe(self, base_url: str, user: str, created: int) -> Json:
        """As `files.info` tells it."""
        filetype = self.snippet_type or (self.name.rsplit(".", 1)[-1] if "." in self.name else "text")
        return {
            "id": self.id,
            "created": created,
            "timestamp": created,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": "text/plain",
            "filetype": filetype,
            "pretty_type": filetype.upper(),
            "user": user,
            "editable": False,
            "size": self.length,
            "mode": "hosted",
            "is_external": False,
            "external_type": "",
            "is_public": False,
            "public_url_shared": False,
            "display_as_bot": False,
            "username": "",
            "url_private": f"{base_url}/files-pri/{self.id}/{self.name}",
            "url_private_download": f"{base_url}/files-pri/{self.id}/download/{self.name}",
            "permalink": f"{base_url}/files/{user}/{self.id}/{self.name}",
            "channels": list(self.channels),
            "has_rich_preview": False,
        }
