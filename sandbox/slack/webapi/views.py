"""views.*: forms and the Home tab. Also reads the views that acknowledgements carry."""

import json

from sandbox.slack.blockkit import check_view
from sandbox.slack.content import decode, name_parts
from sandbox.slack.parts import Parts
from sandbox.slack.rates import TIER_4
from sandbox.slack.webapi.method import Args, Method
from sandbox.slack.wire import ApiError, Json

MAX_VIEW_BYTES = 250_000


def read_view(value: object, kind: str = "modal") -> Json:
    """A checked view.

    Raises:
        ApiError: `invalid_arguments` with what is wrong, or `view_too_large`.
    """
    view = decode(value, "invalid_arguments")
    if not isinstance(view, dict):
        raise ApiError("invalid_arguments", "[ERROR] must be an object [json-pointer:/view]")
    if len(json.dumps(view)) > MAX_VIEW_BYTES:
        raise ApiError("view_too_large")
    if view.get("type") in ("modal", "home") and view["type"] != kind:
        raise ApiError("invalid_arguments", f"[ERROR] must be of type {kind} [json-pointer:/view/type]")
    if problems := check_view(view):
        raise ApiError("invalid_arguments", *(problem.explain("/view") for problem in problems))
    return {**view, "blocks": name_parts(view["blocks"])}


async def open_view(parts: Parts, args: Args) -> Json:
    """views.open: a new form on the screen of whoever caused the trigger."""
    user, body = _exchange(parts, args)
    return _answer(parts, parts.modals.open(user, body).describe(parts.identity))


async def push_view(parts: Parts, args: Args) -> Json:
    """views.push: on top of the form that is open."""
    user, body = _exchange(parts, args)
    return _answer(parts, parts.modals.push(user, body).describe(parts.identity))


async def update_view(parts: Parts, args: Args) -> Json:
    """views.update."""
    if not args.string("view_id") and not args.string("external_id"):
        raise ApiError("invalid_arguments", "[ERROR] missing required field: view_id or external_id")
    body = read_view(args.raw.get("view"))
    view = parts.modals.find(args.string("view_id"), args.string("external_id"))
    if view is None:
        raise ApiError("not_found")
    return _answer(parts, parts.modals.update(view, body, args.string("hash")).describe(parts.identity))


async def publish_view(parts: Parts, args: Args) -> Json:
    """views.publish: somebody's Home tab."""
    user = args.string("user_id")
    if user not in parts.state.users:
        raise ApiError("user_not_found")
    body = read_view(args.raw.get("view"), "home")
    return _answer(parts, parts.modals.publish(user, body, args.string("hash")).describe(parts.identity))


def _exchange(parts: Parts, args: Args) -> tuple[str, Json]:
    trigger_id = args.string("trigger_id") or args.string("interactivity_pointer")
    if not trigger_id:
        raise ApiError("invalid_arguments", "[ERROR] missing required field: trigger_id")
    # The view is read first: one that Slack refuses does not use the trigger up.
    body = read_view(args.raw.get("view"))
    return parts.modals.exchange(trigger_id), body


def _answer(parts: Parts, view: Json) -> Json:
    parts.state.touch()
    return {"ok": True, "view": view}


METHODS = (
    Method("views.open", open_view, ("view",), TIER_4),
    Method("views.push", push_view, ("view",), TIER_4),
    Method("views.update", update_view, ("view",), TIER_4),
    Method("views.publish", publish_view, ("user_id", "view"), TIER_4),
)
