"""People, user groups and channels, and the ones that a new workspace starts with (roles only)."""

from dataclasses import dataclass, field

from sandbox.slack.wire import Identity, Json

OTHER_TEAM = "T0OTHER"
FOUNDED = 1_700_000_000  # a fixed date, so that two runs list the same workspace


@dataclass(frozen=True)
class User:
    """One account. A stranger is somebody of another workspace who shares a channel with this one."""

    id: str
    name: str
    team_id: str = "T0SANDBOX"
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    is_admin: bool = False
    deleted: bool = False
    bot_id: str = ""
    tz: str = "Etc/UTC"

    def describe(self) -> Json:
        """As `users.info` tells it."""
        body: Json = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "deleted": self.deleted,
            "profile": {
                "real_name": self.name,
                "display_name": self.name,
                "real_name_normalized": self.name,
                "display_name_normalized": self.name,
                "email": f"{self.name}@sandbox.invalid",
                "team": self.team_id,
            },
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": FOUNDED,
        }
        if self.is_bot:
            body["profile"].pop("email")
            body["profile"]["bot_id"] = self.bot_id
        if self.is_stranger:
            body["is_stranger"] = True
        if not self.deleted:
            # Slack leaves these out for a deactivated account.
            body |= {
                "color": "9f69e7",
                "real_name": self.name,
                "tz": self.tz,
                "tz_label": "Coordinated Universal Time",
                "tz_offset": 0,
                "is_admin": self.is_admin,
                "is_owner": False,
                "is_primary_owner": False,
                "is_restricted": self.is_restricted,
                "is_ultra_restricted": self.is_ultra_restricted,
            }
        return body


@dataclass(frozen=True)
class UserGroup:
    """A user group (subteam); its handle is what people type after `@`."""

    id: str
    handle: str
    users: tuple[str, ...]
    disabled: bool = False

    def describe(self, team_id: str, *, users: bool, count: bool) -> Json:
        """As `usergroups.list` tells it."""
        body: Json = {
            "id": self.id,
            "team_id": team_id,
            "is_usergroup": True,
            "is_subteam": True,
            "name": self.handle,
            "description": "",
            "handle": self.handle,
            "is_external": False,
            "date_create": FOUNDED,
            "date_update": FOUNDED,
            "date_delete": FOUNDED if self.disabled else 0,
            "auto_type": None,
            "created_by": "USLACKBOT",
            "updated_by": "USLACKBOT",
            "deleted_by": None,
            "prefs": {"channels": [], "groups": []},
        }
        if users:
            body["users"] = list(self.users)
        if count:
            body["user_count"] = len(self.users)
        return body


@dataclass(frozen=True)
class Channel:
    """A public or private channel, or (with `im_user`) the direct messages of one person and the app."""

    id: str
    name: str
    members: frozenset[str] = field(default_factory=frozenset)
    is_private: bool = False
    is_archived: bool = False
    im_user: str = ""
    topic: str = ""

    @property
    def kind(self) -> str:
        """The `channel_type` of message events."""
        if self.im_user:
            return "im"
        return "group" if self.is_private else "channel"

    def describe(self, viewer: str, *, shared: bool = False) -> Json:
        """As `conversations.info` tells it to `viewer`."""
        if self.im_user:
            return {
                "id": self.id,
                "created": FOUNDED,
                "is_archived": self.is_archived,
                "is_im": True,
                "is_org_shared": False,
                "context_team_id": "T0SANDBOX",
                "updated": FOUNDED * 1000,
                "user": self.im_user,
                "is_user_deleted": False,
                "priority": 0,
                "is_open": True,
            }
        return {
            "id": self.id,
            "name": self.name,
            "is_channel": not self.is_private,
            "is_group": self.is_private,
            "is_im": False,
            "is_mpim": False,
            "is_private": self.is_private,
            "created": FOUNDED,
            "is_archived": self.is_archived,
            "is_general": False,
            "unlinked": 0,
            "name_normalized": self.name,
            "is_shared": shared,
            "is_org_shared": False,
            "is_pending_ext_shared": False,
            "is_ext_shared": shared,
            "context_team_id": "T0SANDBOX",
            "updated": FOUNDED * 1000,
            "creator": "U0OPS1",
            "is_member": viewer in self.members,
            "topic": {"value": self.topic, "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "previous_names": [],
        }


def found_users(identity: Identity) -> list[User]:
    """The people of a new workspace: two who operate, two who approve, and everybody who must not act."""
    return [
        User("U0OPS1", "ops-1"),
        User("U0OPS2", "ops-2"),
        User("U0LEAD1", "lead-1", is_admin=True),
        User("U0LEAD2", "lead-2"),
        User("U0GUEST1", "guest-1", is_restricted=True, is_ultra_restricted=True),
        User("U0GONE1", "gone-1", deleted=True),
        User("U0BOT1", "bot-1", is_bot=True, bot_id="B0BOT1"),
        User("U0STRANGER1", "stranger-1", team_id=OTHER_TEAM, is_stranger=True),
        User(identity.bot_user, identity.bot_name, is_bot=True, bot_id=identity.bot_id),
        User("USLACKBOT", "slackbot"),
    ]


def found_groups() -> list[UserGroup]:
    """The user groups of a new workspace."""
    return [
        UserGroup("S0OPS", "ops", ("U0OPS1", "U0OPS2")),
        UserGroup("S0LEADS", "leads", ("U0LEAD1", "U0LEAD2")),
    ]


def found_channels(identity: Identity) -> list[Channel]:
    """The channels of a new workspace; the app is in all but `#lab`."""
    staff = {"U0OPS1", "U0OPS2", "U0LEAD1", "U0LEAD2"}
    app = identity.bot_user
    return [
        Channel("C0OPS", "ops", frozenset({*staff, "U0GUEST1", "U0STRANGER1", "U0BOT1", app})),
        Channel("C0PROD", "prod", frozenset({*staff, app})),
        Channel("C0RELEASES", "releases", frozenset({*staff, app})),
        Channel("C0LAB", "lab", frozenset(staff)),
        Channel("C0ADMIN", "andock-admin", frozenset({*staff, app}), is_private=True),
    ]
