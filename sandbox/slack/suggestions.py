"""Typing into external selects: the app is asked for options while a person types."""

from sandbox.slack.clicks import Spot, describe_team, describe_user, read_initial
from sandbox.slack.messages import Message
from sandbox.slack.modals import View
from sandbox.slack.parts import Parts
from sandbox.slack.wire import ControlError, Json

MAX_SUGGESTIONS = 100
SEARCHED = ("external_select", "multi_external_select")


async def search(parts: Parts, user: str, place: Message | View, spot: Spot, typed: str) -> list[Json]:
    """What the app offers for the typed text, groups laid open."""
    person = parts.state.users[user]
    payload: Json = {
        "type": "block_suggestion",
        "user": describe_user(person),
        "container": {},
        "api_app_id": parts.identity.app_id,
        "token": parts.identity.verification_token,
        "action_id": spot.element["action_id"],
        "block_id": spot.block["block_id"],
        "value": typed,
        "team": describe_team(parts, person),
        "enterprise": None,
        "is_enterprise_install": False,
    }
    if isinstance(place, View):
        payload["container"] = {"type": "view", "view_id": place.id}
        payload["view"] = place.describe(parts.identity, read_initial(place))
    else:
        payload["container"] = {
            "type": "message",
            "message_ts": place.ts,
            "channel_id": place.channel,
            "is_ephemeral": bool(place.only_for),
        }
        payload["channel"] = {"id": place.channel, "name": parts.state.channels[place.channel].name}
        payload["message"] = place.describe(metadata=True)
    delivery = await parts.courier.deliver("interactive", payload)
    answer = delivery.describe()["ack_payload"] or {}
    groups = answer.get("option_groups")
    options = [o for group in groups for o in group["options"]] if groups else answer.get("options", [])
    if not isinstance(options, list) or len(options) > MAX_SUGGESTIONS:
        raise ControlError("bad_suggestions", "the app must answer with a list of at most 100 options")
    return options


async def pick(parts: Parts, user: str, place: Message | View, spot: Spot, wanted: object) -> object:
    """Search for what is wanted (one, or a list) and take what has exactly that value or text."""
    names = wanted if isinstance(wanted, list) else [wanted]
    picked = []
    for name in names:
        options = await search(parts, user, place, spot, str(name))
        match = [option for option in options if name in (option.get("value"), option["text"]["text"])]
        if not match:
            offered = ", ".join(str(option.get("value")) for option in options)
            raise ControlError("no_such_option", f"{name!r}; the app offered: {offered or 'none'}")
        picked.append(match[0])
    return picked if isinstance(wanted, list) else picked[0]
