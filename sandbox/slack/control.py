"""The control API: act as a person, look at the screen, change the workspace, order trouble."""

import base64
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox.slack import administration, clicks, forgery, forms, screen, speech, suggestions
from sandbox.slack.delivery import RETRY_DELAYS, Route
from sandbox.slack.faults import read_fault
from sandbox.slack.messages import Message
from sandbox.slack.modals import View
from sandbox.slack.parts import Parts
from sandbox.slack.wire import ControlError, Json

Command = Callable[[Parts, Json], Awaitable[Json]]


async def handle(parts: Parts, request: web.Request) -> web.Response:
    """`/_control/<name>`: JSON (or a query) in, JSON out; a refusal is HTTP 409 and explains itself."""
    name = request.match_info["name"]
    command = COMMANDS.get(name)
    if command is None:
        return _refuse(ControlError("unknown_control", f"{name}; there are {', '.join(sorted(COMMANDS))}"))
    text = await request.text()
    try:
        body = json.loads(text) if text.strip() else dict(request.query)
        if not isinstance(body, dict):
            return _refuse(ControlError("bad_json", "the body must be a JSON object"))
        return web.json_response(await command(parts, body))
    except ControlError as refusal:
        return _refuse(refusal)
    except (KeyError, TypeError, ValueError) as exc:
        # A test asked for something malformed: say so instead of answering 500 without a word.
        return _refuse(ControlError("bad_request", f"{type(exc).__name__}: {exc}"))


def _refuse(refusal: ControlError) -> web.Response:
    return web.json_response({"error": refusal.error, "explanation": refusal.explanation}, status=409)


async def _type(parts: Parts, body: Json) -> Json:
    said = await speech.say(
        parts,
        body["user"],
        body["channel"],
        body["text"],
        thread_ts=str(body.get("thread_ts") or ""),
        force=bool(body.get("force")),
    )
    for delivery in said.deliveries:
        await parts.courier.first_attempt(delivery)
    if not said.deliveries:
        return {"ts": said.ts, "delivery_id": "", "delivered": False, "acked": False, "deliveries": []}
    described = [delivery.describe() for delivery in said.deliveries]
    return {"ts": said.ts, **described[0], "deliveries": described}


async def _click(parts: Parts, body: Json) -> Json:
    place = _find_place(parts, body)
    chosen = body.get("choose")
    if chosen is not None:
        spot = clicks.find_spot(_list_blocks(place), str(body.get("action")))
        if spot.element["type"] in suggestions.SEARCHED:
            chosen = await suggestions.pick(parts, body["user"], place, spot, chosen)
    delivery = await clicks.click(
        parts,
        body["user"],
        place,
        str(body.get("action") or body.get("action_id") or body.get("label")),
        chosen=chosen,
        value=body.get("value"),
        confirm=body.get("confirm"),
        stale=bool(body.get("stale")),
        force=bool(body.get("force")),
    )
    if delivery is None:
        return {"dismissed": True, "delivery_id": "", "delivered": False, "acked": False}
    return delivery.describe()


def _list_blocks(place: Message | View) -> list[Json]:
    return list(place.blocks) if isinstance(place, Message) else place.body["blocks"]


def _find_place(parts: Parts, body: Json) -> Message | View:
    if not body.get("ts"):
        if body.get("home"):
            return parts.modals.homes[body["user"]]
        return forms.need_view(parts, body["user"])
    message = parts.state.get(body["channel"], body["ts"])
    if message is None:
        raise ControlError("message_not_found", f"{body['ts']} in {body['channel']}")
    return message


async def _submit(parts: Parts, body: Json) -> Json:
    submission = await forms.submit(parts, body["user"], body.get("values") or {})
    described = submission.delivery.describe() if submission.delivery else {"delivery_id": "", "acked": False}
    view = parts.modals.top(body["user"])
    return {**described, "errors": submission.errors, "closed": view is None}


async def _suggest(parts: Parts, body: Json) -> Json:
    view = forms.need_view(parts, body["user"])
    spot = forms.need_field(view, body["field"])
    return {"options": await suggestions.search(parts, body["user"], view, spot, str(body.get("text") or ""))}


async def _close(parts: Parts, body: Json) -> Json:
    delivery = await forms.close(parts, body["user"])
    return delivery.describe() if delivery else {"delivery_id": "", "delivered": False, "acked": False}


async def _shortcut(parts: Parts, body: Json) -> Json:
    message = parts.state.get(body.get("channel", ""), body["ts"]) if body.get("ts") else None
    return (await clicks.use_shortcut(parts, body["user"], body["callback_id"], message)).describe()


async def _edit(parts: Parts, body: Json) -> Json:
    return screen.describe(parts, speech.edit(parts, body["user"], body["channel"], body["ts"], body["text"]))


async def _delete(parts: Parts, body: Json) -> Json:
    speech.delete(parts, body["user"], body["channel"], body["ts"])
    return {}


async def _react(parts: Parts, body: Json) -> Json:
    speech.react(parts, body["user"], body["channel"], body["ts"], body["name"])
    return {}


async def _home(parts: Parts, body: Json) -> Json:
    user = body["user"]
    event = {"type": "app_home_opened", "user": user, "channel": parts.state.open_im(user).id, "tab": "home"}
    parts.announcer.tell(event | {"event_ts": parts.state.stamp()})
    view = parts.modals.homes.get(user)
    return {"view": view.describe(parts.identity) if view else None}


async def _view(parts: Parts, body: Json) -> Json:
    view = parts.modals.top(body["user"])
    if view is None:
        return {"view": None, "errors": {}, "depth": 0}
    depth = len(parts.modals.stacks[body["user"]])
    return {"view": view.describe(parts.identity), "errors": view.errors, "depth": depth}


async def _channel(parts: Parts, body: Json) -> Json:
    seen = screen.look(parts, body["channel"], str(body.get("user") or ""), str(body.get("thread_ts") or ""))
    return {"messages": [screen.describe(parts, message) for message in seen], "version": parts.state.version}


async def _wait(parts: Parts, body: Json) -> Json:
    found = await screen.wait_for(parts, body)
    return {
        "messages": [screen.describe(parts, message) for message in found],
        "version": parts.state.version,
    }


async def _change(parts: Parts, body: Json) -> Json:
    """Sleep until the workspace is newer than `after`."""
    await parts.state.wait_change(int(body.get("after") or 0), float(body.get("timeout") or 10.0))
    return {"version": parts.state.version}


async def _file(parts: Parts, body: Json) -> Json:
    upload = parts.state.uploads.get(body["id"])
    if upload is None or upload.content is None:
        raise ControlError("file_not_found", body["id"])
    return {"name": upload.name, "title": upload.title, "content": base64.b64encode(upload.content).decode()}


async def _faults(parts: Parts, body: Json) -> Json:
    if body.get("clear"):
        parts.faults.clear()
    elif body:
        parts.faults.order(read_fault(body))
    return {"faults": [fault.__dict__ for fault in parts.faults.orders]}


async def _limits(parts: Parts, body: Json) -> Json:
    if "enabled" in body:
        parts.rates.enabled = bool(body["enabled"])
    if "key" in body:
        parts.rates.set(body["key"], float(body["per_minute"]), int(body["burst"]))
    if body.get("reset"):
        parts.rates.reset()
    limits = {
        key: {"per_minute": limit.per_minute, "burst": limit.burst}
        for key, limit in parts.rates.limits.items()
    }
    return {"enabled": parts.rates.enabled, "limits": limits}


async def _sockets(parts: Parts, body: Json) -> Json:
    meant = await parts.sockets.disturb(body["action"], str(body.get("id") or "")) if "action" in body else 0
    listed = list(parts.sockets.describe())
    return {
        "sockets": listed,
        "meant": meant,
        "disabled": parts.sockets.disabled,
        "strays": parts.sockets.stray_acks,
    }


async def _calls(parts: Parts, body: Json) -> Json:
    method = body.get("method")
    calls = [call.__dict__ for call in parts.journal.calls if method in (None, call.method)]
    counts = parts.journal.count()
    if body.get("reset"):
        parts.journal.reset()
    return {"counts": counts, "calls": calls}


async def _deliveries(parts: Parts, body: Json) -> Json:
    kind, last = body.get("kind"), int(body.get("last") or 100)
    chosen = [delivery for delivery in parts.courier.record.values() if kind in (None, delivery.kind)]
    return {"deliveries": [delivery.describe() for delivery in chosen[-last:]]}


async def _delivery(parts: Parts, body: Json) -> Json:
    """Socket Mode or HTTP, and how soon events are tried again."""
    route = parts.courier.route
    delays = tuple(float(delay) for delay in body.get("retry_delays", route.retry_delays or RETRY_DELAYS))
    url, verified = route.request_url, None
    match body.get("mode"):
        case "http":
            url = str(body["request_url"])
            verified = await forgery.verify_url(parts, url) if body.get("verify", True) else None
        case "socket":
            url = ""
        case None:
            pass
        case other:
            raise ControlError("bad_mode", f"{other}; socket or http")
    parts.courier.route = Route(url, delays)
    if url and not route.request_url:
        await parts.sockets.disturb("refresh")
    return {
        "mode": "http" if url else "socket",
        "request_url": url,
        "verified": verified,
        "retry_delays": delays,
    }


def _administer(change: Callable[[Parts, Json], Json]) -> Command:
    async def run(parts: Parts, body: Json) -> Json:
        return change(parts, body)

    return run


COMMANDS: dict[str, Command] = {
    "type": _type,
    "click": _click,
    "select": _click,
    "submit": _submit,
    "suggest": _suggest,
    "close": _close,
    "shortcut": _shortcut,
    "edit": _edit,
    "delete": _delete,
    "react": _react,
    "home": _home,
    "view": _view,
    "channel": _channel,
    "wait": _wait,
    "change": _change,
    "file": _file,
    "faults": _faults,
    "limits": _limits,
    "sockets": _sockets,
    "calls": _calls,
    "deliver": forgery.deliver,
    "post": forgery.post_raw,
    "deliveries": _deliveries,
    "delivery": _delivery,
    "users": _administer(administration.set_user),
    "groups": _administer(administration.set_group),
    "channels": _administer(administration.set_channel),
    "members": _administer(administration.set_members),
    "app": _administer(administration.set_app),
}
