"""users.* and usergroups.*: who people are and which groups they belong to."""

from sandbox.slack.parts import Parts
from sandbox.slack.rates import TIER_2, TIER_3, TIER_4
from sandbox.slack.webapi.method import Args, Method
from sandbox.slack.wire import ApiError, Json


async def user_info(parts: Parts, args: Args) -> Json:
    """users.info."""
    user = parts.state.users.get(args.string("user"))
    if user is None:
        raise ApiError("user_not_found")
    return {"ok": True, "user": user.describe()}


async def user_list(parts: Parts, args: Args) -> Json:
    """users.list: deactivated people included, as in Slack."""
    page, cursor = args.page([user.describe() for user in parts.state.users.values()])
    return {"ok": True, "members": page, "cache_ts": 0, "response_metadata": {"next_cursor": cursor}}


async def user_by_email(parts: Parts, args: Args) -> Json:
    """users.lookupByEmail: does not find the deactivated."""
    for user in parts.state.users.values():
        described = user.describe()
        if described["profile"].get("email") == args.string("email") and not user.deleted:
            return {"ok": True, "user": described}
    raise ApiError("users_not_found")


async def group_list(parts: Parts, args: Args) -> Json:
    """usergroups.list."""
    groups = [
        group.describe(
            parts.identity.team_id, users=args.flag("include_users"), count=args.flag("include_count")
        )
        for group in parts.state.groups.values()
        if args.flag("include_disabled") or not group.disabled
    ]
    return {"ok": True, "usergroups": groups}


async def group_users(parts: Parts, args: Args) -> Json:
    """usergroups.users.list: the deactivated are no longer members."""
    group = parts.state.groups.get(args.string("usergroup"))
    if group is None or (group.disabled and not args.flag("include_disabled")):
        raise ApiError("no_such_subteam")
    users = parts.state.users
    return {"ok": True, "users": [user for user in group.users if user in users and not users[user].deleted]}


_USERS, _GROUPS = ("users:read",), ("usergroups:read",)
METHODS = (
    Method("users.info", user_info, ("user",), TIER_4, _USERS, takes_json=False),
    Method("users.list", user_list, (), TIER_2, _USERS, takes_json=False),
    Method("users.lookupByEmail", user_by_email, ("email",), TIER_3, ("users:read.email",), takes_json=False),
    Method("usergroups.list", group_list, (), TIER_2, _GROUPS, takes_json=False),
    Method("usergroups.users.list", group_users, ("usergroup",), TIER_2, _GROUPS, takes_json=False),
)
