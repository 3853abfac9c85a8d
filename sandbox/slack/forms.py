"""Filling in and submitting forms, searching in external selects, closing."""

from dataclasses import dataclass

from sandbox.slack.clicks import Spot, choose, describe_team, describe_user, initial_value, list_spots
from sandbox.slack.delivery import Delivery
from sandbox.slack.modals import View
from sandbox.slack.parts import Parts
from sandbox.slack.suggestions import SEARCHED, pick
from sandbox.slack.webapi.views import read_view
from sandbox.slack.wire import ApiError, ControlError, Json


@dataclass(frozen=True)
class Submission:
    """What became of a submitted form; `errors` are remarks at its fields, from Slack or from the app."""

    delivery: Delivery | None
    errors: Json


async def submit(parts: Parts, user: str, values: Json) -> Submission:
    """Fill in fields (by block_id, action_id or label) and press submit.

    What a client checks itself (required fields, lengths, options) never reaches the app.
    """
    view = need_view(parts, user)
    state, errors = await _fill_in(parts, user, view, values)
    if errors:
        return Submission(None, errors)
    person = parts.state.users[user]
    payload: Json = {
        "type": "view_submission",
        "team": describe_team(parts, person),
        "user": describe_user(person),
        "api_app_id": parts.identity.app_id,
        "token": parts.identity.verification_token,
        "trigger_id": parts.modals.issue_trigger(user),
        "view": view.describe(parts.identity, state),
        "response_urls": _issue_urls(parts, user, view, state),
        "is_enterprise_install": False,
        "enterprise": None,
    }
    delivery = await parts.courier.deliver("interactive", payload)
    if not delivery.acked:
        delivery.complaint = "We had some trouble connecting. Try again?"
        return Submission(delivery, {})
    answer = delivery.describe()["ack_payload"] or {}
    try:
        errors = _obey(parts, user, view, answer)
    except ApiError as refusal:
        delivery.complaint = f"{refusal.error} {' '.join(refusal.messages)}".strip()
    parts.state.touch()
    return Submission(delivery, errors)


async def close(parts: Parts, user: str) -> Delivery | None:
    """Press the form's cancel button; the app hears of it only if it asked to."""
    view = need_view(parts, user)
    parts.modals.close(user)
    parts.state.touch()
    if not view.body.get("notify_on_close"):
        return None
    person = parts.state.users[user]
    payload: Json = {
        "type": "view_closed",
        "team": describe_team(parts, person),
        "user": describe_user(person),
        "api_app_id": parts.identity.app_id,
        "token": parts.identity.verification_token,
        "view": view.describe(parts.identity),
        "is_cleared": False,
        "response_urls": [],
        "is_enterprise_install": False,
        "enterprise": None,
    }
    return await parts.courier.deliver("interactive", payload)


def need_view(parts: Parts, user: str) -> View:
    """The form on this person's screen."""
    view = parts.modals.top(user)
    if view is None:
        raise ControlError("no_view", f"{user} has no form open")
    return view


def need_field(view: View, wanted: str) -> Spot:
    """A field by block_id, action_id or label."""
    spots = list_spots(view.body["blocks"])
    for spot in spots:
        if wanted in (spot.block.get("block_id"), spot.element.get("action_id"), spot.label):
            return spot
    there = ", ".join(f"{spot.block['block_id']} [{spot.label}]" for spot in spots)
    raise ControlError("no_such_field", f"{wanted!r}; there are: {there or 'none'}")


async def _fill_in(parts: Parts, user: str, view: View, values: Json) -> tuple[Json, Json]:
    filled = {id(need_field(view, name).element): value for name, value in values.items()}
    state: Json = {}
    errors: Json = {}
    for spot in list_spots(view.body["blocks"]):
        element, block_id = spot.element, spot.block["block_id"]
        if element["type"] == "button":
            continue
        entry = initial_value(element)
        if id(element) in filled:
            value = filled[id(element)]
            if element["type"] in SEARCHED:
                value = await pick(parts, user, view, spot, value)
            entry = {"type": element["type"]} | choose(element, value)
        if remark := _check_field(spot, entry):
            errors[block_id] = remark
        state.setdefault(block_id, {})[element["action_id"]] = entry
    return state, errors


def _check_field(spot: Spot, entry: Json) -> str:
    """What Slack's client says before it sends anything."""
    element, block = spot.element, spot.block
    given = next((value for key, value in entry.items() if key != "type"), None)
    if block["type"] == "input" and not block.get("optional") and given in (None, "", []):
        return "Please complete this required field."
    if element["type"] == "plain_text_input" and isinstance(given, str) and given:
        low, high = int(element.get("min_length", 0)), int(element.get("max_length", 3000))
        if not low <= len(given) <= high:
            return f"Must be {low} to {high} characters."
    if element["type"] == "number_input" and given:
        return _check_number(element, str(given))
    return ""


def _check_number(element: Json, given: str) -> str:
    try:
        number = float(given)
    except ValueError:
        return "Enter a number."
    if not element["is_decimal_allowed"] and not number.is_integer():
        return "Enter a whole number."
    low, high = element.get("min_value"), element.get("max_value")
    if (low is not None and number < float(low)) or (high is not None and number > float(high)):
        return "Enter a number within the limits."
    return ""


def _obey(parts: Parts, user: str, view: View, answer: Json) -> Json:
    """Do what the acknowledgement of a submission says; an empty one closes the form."""
    match answer.get("response_action"):
        case "errors":
            errors = answer.get("errors")
            blocks = {block["block_id"] for block in view.body["blocks"]}
            if not isinstance(errors, dict) or not errors or not errors.keys() <= blocks:
                raise ApiError("invalid_arguments", "errors must name block_ids of the view")
            parts.modals.show_errors(view, errors)
            return errors
        case "update":
            parts.modals.update(view, read_view(answer.get("view")))
        case "push":
            parts.modals.push(user, read_view(answer.get("view")))
        case "clear":
            parts.modals.close(user, everything=True)
        case None:
            parts.modals.close(user)
        case other:
            raise ApiError("invalid_arguments", f"unknown response_action {other}")
    return {}


def _issue_urls(parts: Parts, user: str, view: View, state: Json) -> list[Json]:
    urls = []
    for spot in list_spots(view.body["blocks"]):
        if spot.element.get("response_url_enabled"):
            entry = state[spot.block["block_id"]][spot.element["action_id"]]
            channel = entry.get("selected_conversation") or entry.get("selected_channel")
            if channel:
                urls.append(
                    {
                        "block_id": spot.block["block_id"],
                        "action_id": spot.element["action_id"],
                        "channel_id": channel,
                        "response_url": parts.hooks.issue("app", channel, user),
                    }
                )
    return urls
