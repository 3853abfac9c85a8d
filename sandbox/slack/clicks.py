"""What people click: buttons with their confirm dialogs, selects, pickers, shortcuts."""

import time
from dataclasses import dataclass

from sandbox.slack.blockkit.elements import list_options
from sandbox.slack.delivery import Delivery
from sandbox.slack.messages import Message
from sandbox.slack.modals import View
from sandbox.slack.parts import Parts
from sandbox.slack.people import User
from sandbox.slack.speech import find_person, whisper
from sandbox.slack.wire import ControlError, Json

_DATED = {"datepicker": "date", "timepicker": "time", "datetimepicker": "date_time"}
_MULTI = ("multi_static_select", "multi_external_select", "checkboxes")
_SINGLE = ("static_select", "external_select", "radio_buttons", "overflow")


@dataclass(frozen=True)
class Spot:
    """One interactive element and the block that it stands in."""

    block: Json
    element: Json

    @property
    def label(self) -> str:
        """What a person reads on or beside it."""
        for holder in (self.element.get("text"), self.block.get("label"), self.element.get("placeholder")):
            if isinstance(holder, dict):
                return str(holder.get("text", ""))
        return ""


def list_spots(blocks: list[Json] | tuple[Json, ...]) -> list[Spot]:
    """Every interactive element in the order of reading."""
    spots = []
    for block in blocks:
        candidates = [block.get("accessory"), block.get("element")]
        if block.get("type") in ("actions", "context_actions"):
            candidates += block.get("elements", [])
        spots += [Spot(block, e) for e in candidates if isinstance(e, dict) and e.get("type") != "image"]
    return spots


def find_spot(blocks: list[Json] | tuple[Json, ...], wanted: str, value: str | None = None) -> Spot:
    """By action_id, else by what is written on it; `value` tells equal ones apart.

    Raises:
        ControlError: none or several; says which there are.
    """
    spots = list_spots(blocks)
    found = [spot for spot in spots if wanted == spot.element.get("action_id")]
    found = found or [spot for spot in spots if wanted in (spot.label, spot.block.get("block_id"))]
    if value is not None and len(found) > 1:
        found = [spot for spot in found if spot.element.get("value") == value]
    if len(found) == 1:
        return found[0]
    there = ", ".join(
        f"{s.element.get('action_id')} [{s.label}] value={s.element.get('value')}" for s in spots
    )
    raise ControlError(
        "no_such_element" if not found else "ambiguous", f"{wanted!r}; there are: {there or 'none'}"
    )


async def click(
    parts: Parts,
    user: str,
    place: Message | View,
    wanted: str,
    *,
    chosen: object = None,
    value: str | None = None,
    confirm: bool | None = None,
    stale: bool = False,
    force: bool = False,
) -> Delivery | None:
    """Use one element; None when the person thought better of it in the confirm dialog."""
    if isinstance(place, Message):
        person, _room = find_person(parts, user, place.channel, force=force)
        if place.only_for and place.only_for != user:
            raise ControlError("message_not_found", f"only {place.only_for} sees this message")
        screens = [place.blocks, *(v.blocks for v in reversed(place.earlier))] if stale else [place.blocks]
        spot = _find_on_screens(screens, wanted, value)
    else:
        person = parts.state.users[user]
        spot = find_spot(place.body["blocks"], wanted, value)
    if "confirm" in spot.element:
        if confirm is None:
            shown = spot.element["confirm"]
            asks = f"{shown['title']['text']} - {shown['text']['text']}"
            raise ControlError("confirm_needed", f"a dialog asks: {asks} (say confirm true or false)")
        if not confirm:
            return None
    action = build_action(spot, chosen)
    payload = build_actions(parts, person, place, action)
    delivery = await parts.courier.deliver("interactive", payload)
    if not delivery.acked and isinstance(place, Message):
        whisper(parts, place.channel, user, "This app responded with an error or did not respond in time")
    parts.state.touch()
    return delivery


def _find_on_screens(screens: list[tuple[Json, ...]], wanted: str, value: str | None) -> Spot:
    """A stale screen shows an earlier version of the message: look there when the newest has it not."""
    for index, blocks in enumerate(screens):
        try:
            return find_spot(blocks, wanted, value)
        except ControlError:
            if index == len(screens) - 1:
                raise
    raise ControlError("no_such_element", wanted)


def build_action(spot: Spot, chosen: object) -> Json:
    """The entry of `actions` for an element, with what was chosen in it."""
    element = spot.element
    action: Json = {
        "action_id": element["action_id"],
        "block_id": spot.block["block_id"],
        "type": element["type"],
    }
    action["action_ts"] = f"{time.time():.6f}"
    if element["type"] == "button":
        action["text"] = element["text"]
        for key in ("value", "style", "url"):
            if key in element:
                action[key] = element[key]
    else:
        action |= choose(element, chosen)
        if "placeholder" in element:
            action["placeholder"] = element["placeholder"]
    return action


def choose(element: Json, chosen: object) -> Json:
    """What an element says once something was chosen or typed; refuses what it does not offer."""
    kind = str(element["type"])
    if kind in _SINGLE:
        return {"selected_option": find_option(element, chosen)}
    if kind in _MULTI:
        wanted = chosen if isinstance(chosen, list) else [chosen]
        return {"selected_options": [find_option(element, one) for one in wanted]}
    if kind in _DATED:
        return {f"selected_{_DATED[kind]}": chosen}
    if kind.startswith("multi_"):
        wanted = chosen if isinstance(chosen, list) else [chosen]
        return {f"selected_{kind.removeprefix('multi_').removesuffix('_select')}": wanted}
    if kind.endswith("s_select"):
        return {f"selected_{kind.removesuffix('s_select')}": chosen}
    return {"value": None if chosen is None else str(chosen)}


def find_option(element: Json, chosen: object) -> Json:
    """An option by its value or its text; a whole option passes (external selects have no list)."""
    if isinstance(chosen, dict):
        return chosen
    options = list_options(element)
    for option in options:
        if chosen in (option.get("value"), option["text"]["text"]):  # type: ignore[index]
            return option
    offered = ", ".join(str(option.get("value")) for option in options)
    raise ControlError("no_such_option", f"{chosen!r}; there are: {offered or 'none'}")


def build_actions(parts: Parts, person: User, place: Message | View, action: Json) -> Json:
    """The payload of block_actions."""
    payload: Json = {
        "type": "block_actions",
        "user": describe_user(person),
        "api_app_id": parts.identity.app_id,
        "token": parts.identity.verification_token,
        "container": {},
        "trigger_id": parts.modals.issue_trigger(person.id),
        "team": describe_team(parts, person),
        "enterprise": None,
        "is_enterprise_install": False,
        "actions": [action],
    }
    if isinstance(place, View):
        payload["container"] = {"type": "view", "view_id": place.id}
        payload["view"] = place.describe(parts.identity, read_initial(place))
        return payload
    room = parts.state.channels[place.channel]
    container: Json = {"type": "message", "message_ts": place.ts, "channel_id": place.channel}
    container |= {"is_ephemeral": bool(place.only_for)}
    if place.thread_ts:
        container["thread_ts"] = place.thread_ts
    payload |= {
        "container": container,
        "channel": {"id": room.id, "name": "privategroup" if room.is_private else room.name},
        "state": {"values": {}},
        "response_url": parts.hooks.issue("actions", room.id, person.id, place.ts),
    }
    if not place.only_for:
        # Slack does not keep ephemeral messages, so it cannot send them along either.
        payload["message"] = place.describe(metadata=True)
    return payload


def read_initial(view: View) -> Json:
    """The values of a form that nobody has touched."""
    values: Json = {}
    for spot in list_spots(view.body["blocks"]):
        if spot.element["type"] != "button":
            values.setdefault(spot.block["block_id"], {})[spot.element["action_id"]] = initial_value(
                spot.element
            )
    return values


def initial_value(element: Json) -> Json:
    """An element's part of the state before anybody touched it."""
    state: Json = {"type": element["type"]}
    given = next((element[key] for key in element if key.startswith("initial_")), None)
    if given is not None:
        return state | choose(element, given)
    kind = str(element["type"])
    if kind in _MULTI:
        return state | {"selected_options": []}
    if kind.startswith("multi_"):
        return state | choose(element, [])
    return state | ({"selected_option": None} if kind in _SINGLE else choose(element, None))


def describe_user(person: User) -> Json:
    """The `user` of an interaction."""
    return {"id": person.id, "username": person.name, "name": person.name, "team_id": person.team_id}


def describe_team(parts: Parts, person: User) -> Json:
    """The `team` of an interaction."""
    own = person.team_id == parts.identity.team_id
    return {"id": person.team_id, "domain": parts.identity.team_domain if own else "other"}


async def use_shortcut(parts: Parts, user: str, callback_id: str, message: Message | None) -> Delivery:
    """A global shortcut, or one from a message's menu."""
    person = parts.state.users[user]
    payload: Json = {
        "type": "message_action" if message else "shortcut",
        "token": parts.identity.verification_token,
        "action_ts": f"{time.time():.6f}",
        "team": describe_team(parts, person),
        "user": {"id": person.id, "username": person.name, "team_id": person.team_id},
        "is_enterprise_install": False,
        "enterprise": None,
        "callback_id": callback_id,
        "trigger_id": parts.modals.issue_trigger(user),
    }
    if message:
        room = parts.state.channels[message.channel]
        payload |= {
            "user": {"id": person.id, "name": person.name, "team_id": person.team_id},
            "channel": {"id": room.id, "name": room.name},
            "message_ts": message.ts,
            "message": message.describe(metadata=True),
            "response_url": parts.hooks.issue("app", room.id, user, message.ts),
        }
    return await parts.courier.deliver("interactive", payload)
