"""Words that belong to no request's own message."""

from __future__ import annotations

from collections.abc import Sequence

from andock.alarms import Alarm
from andock.approvals import Approval
from andock.messages import Request
from andock.privileges import WATCHING_FIX, say_blind
from andock.rendering.mrkdwn import code, prose
from andock.rendering.request import day, moment, person
from andock.site_events import KINDS, SiteEvent

MOST_EVENTS = 15  # in one message
_LIGHTS = {"red": "🔴", "yellow": "🟡"}


def alarm_raised(alarm: Alarm) -> str:
    """An alarm of a vCenter as it is now."""
    by = f" · acknowledged by {prose(alarm.acknowledged, 100)}" if alarm.acknowledged else ""
    return f"{_LIGHTS[alarm.status]} {_alarm_on(alarm)} · {alarm.status} since {day(alarm.since)}{by}"


def alarm_over(alarm: Alarm, at: float) -> str:
    """An alarm that is green again since `at`."""
    return f"✅ {_alarm_on(alarm)} · green since {day(at)}; raised {day(alarm.since)}"


def events_told(site: str, events: Sequence[SiteEvent], *, cut: bool = False) -> str:
    """Events of a vCenter, the oldest first; `cut`: there were more before them, which are not known."""
    if len(events) == 1 and not cut:
        return _event(events[0], f" ({site})")
    shown = events[-MOST_EVENTS:]
    more = "more than " if cut else ""
    lines = [f"*{more}{len(events)} events* on {site}:", *(_event(event, "") for event in shown)]
    if cut or len(shown) < len(events):
        left = "others" if cut else f"{len(events) - len(shown)} more"
        lines.append(
            f"… and {left} before them; {code('event list NAME --since 1h', 60)} shows those of one thing."
        )
    return "\n".join(lines)


def _event(event: SiteEvent, where: str) -> str:
    by = f" · by {prose(event.user, 100)}" if event.user else ""
    on = f"{KINDS[event.name].light} *{event.name}* · {code(event.entity, 100)}{where} · {day(event.at)}"
    return f"{on} · {prose(' '.join(event.text.split()), 200)}{by}"


def digest_refused(user: str, command: str, due: float, why: str) -> str:
    """What the clock should have asked for is not allowed, or cannot be."""
    return (
        f"⚠️ {code(command, 300)}, due on {day(due)}, was not made: {prose(why, 1000)}\n"
        f"Fix: let policy.yaml allow it to a group with the user {code(user, 60)}, and invite Andock to the "
        "channel. It is asked for again in a day."
    )


def sight_lost(site: str, what: str, missing: Sequence[str]) -> str:
    """What is configured to be told cannot be seen."""
    return f"⚠️ {site}: {say_blind(what, missing)}. Fix: {WATCHING_FIX}"


def sight_back(site: str, what: str) -> str:
    """It can be seen again."""
    return f"✅ {site}: {what} are seen again."


def _alarm_on(alarm: Alarm) -> str:
    where = f"{prose(alarm.kind, 40)}, {alarm.site}"
    return f"*{prose(alarm.name, 200)}* on {code(alarm.entity, 200)} ({where})"


def broke_glass(request: Request, rule: str, review_by: float, as_of: str = "") -> str:
    """Somebody went ahead without the approvals that a rule asks for."""
    review = code(f"request review {request.id}", 60)
    aged = f" · {prose(as_of, 100)}" if as_of else ""
    return (
        f"🚨 {person(request.actor.user)} *broke the glass*: {code(request.command, 300)} goes ahead without "
        "approval.\n"
        f"Reason: {prose(request.emergency, 300)}\n"
        f"Rule: {prose(rule, 200)}{aged} · request {code(request.id, 60)}\n"
        f"Somebody else looks at it until {moment(review_by)} and says so: {review}"
    )


def still_waits(command: str, approval: Approval, answer_by: float | None) -> str:
    """Half of the time to answer has passed."""
    people = " ".join(map(person, approval.people[:20]))
    return f"⏰ {code(command, 300)} still waits for {approval.needed}, until {moment(answer_by)}. {people}"


def review_overdue(user: str, request: str, command: str, reason: str) -> str:
    """Nobody has looked at a break-glass in time."""
    return (
        f"🚨 Nobody has reviewed what {person(user)} did by breaking the glass: {code(command, 300)}, "
        f"{prose(reason, 300)}. Look at it and say {code(f'request review {request}', 60)}."
    )
