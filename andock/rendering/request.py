"""The one message of a request, in every state that it can be in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from andock.errors import Changed
from andock.operation import Offer, Outcome, Plan
from andock.rendering.buttons import (
    approval_buttons,
    cancel_button,
    offer_buttons,
    pause_buttons,
    plan_buttons,
)
from andock.rendering.message import (
    FRAME,
    MAX_FALLBACK,
    MAX_PAYLOAD,
    Block,
    File,
    Piece,
    Rendered,
    SlackMessage,
    context,
    section,
    size_of,
)
from andock.rendering.mrkdwn import code, cut, escape, prose
from andock.rendering.outcome import file_of, outcome_piece
from andock.rendering.plan import PLAN_FILE, plan_piece, plan_text
from andock.rendering.text import render_text

_COMMAND = 300  # characters of the command that the first line shows
_USAGE = 500  # the longest of ours has 374
_SENTENCE = 1_500
_BOARD = 20  # targets
_SENTENCE_ROOM = 3_000  # characters of JSON, for what is not ASCII
_LATE = 600.0  # seconds after which what the clock asked for is late
_REQUEST = re.compile(r"[a-z0-9]*")
_REASON = 300
_LINK = re.compile(r"https?://[!-;=?-{}~]{1,500}")  # nothing in it may end Slack's markup of a link
_SLACK_USER = re.compile(r"[UW][A-Z0-9]{2,20}")

# Emoji and word: never one alone, and never a colour alone
_STATES = {
    "accepted": ("⏳", "Queued"),
    "running": ("▶️", "Running"),
    "confirming": ("❓", "Waits for your Go ahead"),
    "approving": ("🗳️", "Waits for approval"),
    "waiting": ("⏸️", "Waits for its turn"),
    "held": ("✋", "Held by a halt"),
    "paused": ("⚠️", "Stopped halfway"),
    "succeeded": ("✅", "Done"),
    "failed": ("❌", "Failed"),
    "partly": ("⚠️", "Failed halfway"),
    "unknown": ("⚠️", "Outcome unknown"),
    "rolled_back": ("↩️", "Rolled back"),
    "denied": ("⛔", "Denied"),
    "cancelled": ("🚫", "Cancelled"),
    "expired": ("⌛", "Expired"),
}
_SHOWING = ("confirming", "approving")  # states in which the plan is shown
_CHANGED = {
    Changed.NOTHING: "Changed: *nothing*.",
    Changed.PARTLY: "Changed: *partly*. Some of it was done; look before you ask again.",
    Changed.UNKNOWN: "Changed: *unknown*. Look at the target before you ask again.",
}
# While these last, a change's message has a button that stops it
_CANCELLABLE = frozenset({"accepted", "running", "waiting", "held"})
# Failures that have a word of their own
_SHOWN_AS = {"not_allowed": "denied", "not_approved": "denied", "rolled_back": "rolled_back"}
# A new request is the way on after these: what was agreed on is no longer what would be done.
_MISNAMED = frozenset({"target_not_found", "unknown_site"})
_ASK_AGAIN = frozenset({"plan_changed", "expired"})


@dataclass(frozen=True, slots=True)
class ProgressView:
    """How far a running request is."""

    done: int  # steps at their end; the one under way is the next
    total: int
    text: str = ""
    percent: int | None = None  # of the step under way
    board: tuple[tuple[str, str], ...] = ()  # each target and its state in a word


@dataclass(frozen=True, slots=True)
class FailureView:
    """Why a request did not do what was asked."""

    code: str
    sentence: str
    changed: Changed = Changed.NOTHING
    rule: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """What others must agree to, and who has."""

    needed: str  # `2 approvals from leads`
    rule: str
    given: tuple[str, ...] = ()  # Slack user ids
    as_of: str = ""  # how old the memberships are that it was decided on, if too old


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request as its message shows it. Times are seconds since the epoch."""

    id: str
    command: str
    user: str  # who asked: a Slack user id, the name of a person on the host, or `hook:NAME`
    state: str  # as `andock.messages.State` names them
    attempt: int = 1
    plan: Plan | None = None
    progress: ProgressView | None = None
    outcome: Outcome | None = None
    failure: FailureView | None = None
    holder: str = ""  # waiting: the request or the lock that is in the way; held: who halted and why
    private: bool = False
    asked_at: float = 0.0
    due: float = 0.0  # asked by the clock: the time that it was asked for
    finished_at: float | None = None
    answer_by: float | None = None  # confirming: when it expires unanswered
    phrase: str = ""  # confirming: what is to be typed again
    approval: ApprovalView | None = None  # what others were asked for
    cancelled_by: str = ""  # the name of who asked to cancel it
    mentions: tuple[str, ...] = ()  # Slack user ids that are to be told
    author: str = ""  # Slack user id of the person in whose name a hook asks
    reason: str = ""  # why, as a hook said it
    link: str = ""  # a page that says more
    usage: str = ""  # how the operation is typed


def render_request(view: RequestView) -> Rendered:
    """The message as it should look now; the file holds what an outcome or a plan had too much of."""
    emoji, word = _STATES.get(_shown_state(view), ("❔", view.state))
    headline = f"{emoji} *{prose(word, 60)}* · {code(view.command, _COMMAND, 2 * _COMMAND)}"
    sentence = _sentence(view)
    top = [section(headline), *([section(sentence)] if sentence else [])]
    bottom = [context((_small_print(view),))]
    buttons = _buttons(view)
    room = MAX_PAYLOAD - size_of([*top, *bottom, *buttons]) - FRAME
    body, file = _body(view, room)
    text = f"{emoji} {prose(word, 60)}: {code(view.command, _COMMAND, 2 * _COMMAND)}"
    details = [part for part in (sentence, _fallback_body(view)) if part]
    return Rendered(
        SlackMessage(_joined([text, *details]), (*top, *body.blocks, *bottom, *buttons)),
        file,
    )


def _shown_state(view: RequestView) -> str:
    """The state in people's words: failures differ by what they left behind."""
    if view.failure is not None and view.failure.code in _SHOWN_AS:
        return _SHOWN_AS[view.failure.code]
    if view.state != "failed" or view.failure is None:
        return view.state
    if view.failure.code in ("expired", "cancelled") and view.failure.changed is Changed.NOTHING:
        return view.failure.code
    return {Changed.UNKNOWN: "unknown", Changed.PARTLY: "partly"}.get(view.failure.changed, "failed")


def _sentence(view: RequestView) -> str:
    """What there is to say besides the state's name, as markup; empty if nothing."""
    if view.failure is not None:
        return _failure(view.failure, view.usage)
    match view.state:
        case "accepted":
            return "A worker takes it next."
        case "running":
            by = prose(view.cancelled_by, 100)
            asked = f"{by} asked to cancel: no more is begun." if by else ""
            return "\n".join(part for part in (_progress(view.progress), asked) if part)
        case "paused":
            return _paused(view)
        case "waiting":
            return _waiting(view.holder)
        case "held":
            halted = f" by {prose(view.holder, _SENTENCE, _SENTENCE_ROOM)}" if view.holder else ""
            return f"Changes are halted{halted}. It goes on after `resume`, unless it is too late by then."
        case "confirming":
            until = f" until {moment(view.answer_by)}" if view.answer_by else ""
            return f"Nothing is changed yet. This is what would be done; it waits for your answer{until}."
        case "approving" if view.approval is not None:
            return _asked(view, view.approval)
        case "cancelled" | "expired" if view.outcome is None:
            return _CHANGED[Changed.NOTHING]
        case _:
            return ""


def _asked(view: RequestView, approval: ApprovalView) -> str:
    until = f" until {moment(view.answer_by)}" if view.answer_by else ""
    given = ", ".join(map(person, approval.given)) or "nobody yet"
    aged = f"; {prose(approval.as_of, 100)}" if approval.as_of else ""
    return (
        f"Nothing is changed yet. It needs {prose(approval.needed, 300)}{until} "
        f"(rule: {prose(approval.rule, 200)}{aged}). Approved by: {given}."
    )


def _paused(view: RequestView) -> str:
    until = f" until {moment(view.answer_by)}" if view.answer_by else ""
    why = prose(view.holder, _SENTENCE, _SENTENCE_ROOM)
    lines = (why, f"It waits for your word{until}: go on with the rest, or roll back.", _board(view.progress))
    return "\n".join(line for line in lines if line)


def _waiting(holder: str) -> str:
    if _REQUEST.fullmatch(holder):
        return f"Request {code(holder, 60)} is changing the target; this one goes on after it."
    return (
        f"It waits for {prose(holder, _SENTENCE, _SENTENCE_ROOM)}, and goes on when that is released or over."
    )


def _failure(failure: FailureView, usage: str) -> str:
    said = prose(failure.sentence, _SENTENCE, _SENTENCE_ROOM)
    if usage and failure.code in _MISNAMED:
        said += f"\nUsage: {code(usage, _USAGE, 2 * _USAGE)}"
    if failure.rule and failure.rule not in failure.sentence:
        said += f"\nRule: {prose(failure.rule, 200)}"
    return f"{said}\n{_CHANGED[failure.changed]}"


def _progress(progress: ProgressView | None) -> str:
    """`2 of 5: restart the guest of web-01 · 40 %`."""
    if progress is None or progress.total < 1:
        return prose(progress.text, _SENTENCE, _SENTENCE_ROOM) if progress else ""
    step = min(progress.done + 1, progress.total)
    text = f": {prose(progress.text, _SENTENCE, _SENTENCE_ROOM)}" if progress.text else ""
    percent = f" · {progress.percent} %" if progress.percent is not None else ""
    line = f"{step} of {progress.total}{text}{percent}"
    return "\n".join(part for part in (line, _board(progress)) if part)


def _board(progress: ProgressView | None) -> str:
    """A line for each target: `api on edge-1: healthy`."""
    lines = progress.board if progress is not None else ()
    shown = [f"• {prose(name, 100)}: {prose(state, 100)}" for name, state in lines[:_BOARD]]
    return "\n".join([*shown, *([f"… and {len(lines) - _BOARD} more"] if len(lines) > _BOARD else [])])


def _small_print(view: RequestView) -> str:
    behind = f" for {person(view.author)}" if view.author else ""
    asked = f"Asked by {person(view.user)}{behind}{_for_when(view)}"
    parts = [asked, *_why(view), f"request {code(view.id, 60)}"]
    if view.attempt > 1:
        parts.append(f"attempt {view.attempt}")
    if view.finished_at is not None and view.asked_at:
        parts.append(f"took {_took(view.finished_at - view.asked_at)}")
    elif view.asked_at:
        parts.append(moment(view.asked_at))
    if view.private:
        parts.append("only you see this")
    if view.finished_at is not None and view.approval is not None and view.approval.given:
        parts.append(f"approved by {', '.join(map(person, view.approval.given[:20]))}")
    parts += [person(user) for user in view.mentions[:20]]
    return " · ".join(parts)


def _why(view: RequestView) -> tuple[str, ...]:
    """What a hook says of its reasons."""
    said = (prose(view.reason, _REASON),) if view.reason else ()
    return (*said, f"<{escape(view.link)}|more>") if _LINK.fullmatch(view.link) else said


def _for_when(view: RequestView) -> str:
    """For which day the clock asked, and whether it was late."""
    if not view.due:
        return ""
    return f" for {day(view.due)}{', late' if view.asked_at - view.due > _LATE else ''}"


def person(user: str) -> str:
    """A mention of a Slack user, or the name of a person on the host."""
    return f"<@{user}>" if _SLACK_USER.fullmatch(user) else code(user, 60)


def day(at: float) -> str:
    """Day and time in the reader's own zone."""
    said = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(at)}^{{date_short_pretty}} {{time}}|{said}>"


def moment(at: float | None) -> str:
    """A time in the reader's own zone."""
    # Slack shows the time in the reader's own zone; the rest is for clients that cannot
    seconds = int(at or 0)
    return f"<!date^{seconds}^{{time_secs}}|{seconds % 86400 // 3600:02}:{seconds % 3600 // 60:02} UTC>"


def _took(seconds: float) -> str:
    if 0 <= seconds < 10:  # noqa: PLR2004  below ten seconds the tenths say something
        return f"{seconds:.1f} s"
    whole = max(0, int(seconds))
    if whole < 60:  # noqa: PLR2004  seconds in a minute
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def _buttons(view: RequestView) -> tuple[Block, ...]:
    if view.state == "confirming" and view.plan is not None:
        return (plan_buttons(view.id, view.plan.digest, view.phrase),)
    if view.state == "approving" and view.plan is not None:
        return (approval_buttons(view.id, view.plan.digest, view.command),)
    if view.state == "paused":
        return (pause_buttons(view.id),)
    if view.state in _CANCELLABLE and view.plan is not None and not view.cancelled_by:
        return (cancel_button(view.id),)
    code_of_failure = view.failure.code if view.failure else view.state
    if code_of_failure in _ASK_AGAIN and view.outcome is None:
        return offer_buttons([Offer(label="Ask again", command=view.command)], MAX_PAYLOAD // 6).blocks
    return ()


def _body(view: RequestView, room: int) -> tuple[Piece, File | None]:
    """The outcome if there is one, else the plan while it is still to be answered or held up."""
    if view.outcome is not None:
        piece = outcome_piece(view.outcome, room)
        return piece, file_of(view.outcome, piece)
    if view.plan is not None and view.state in _SHOWING:
        piece = plan_piece(view.plan, room)
        return piece, File(PLAN_FILE, piece.left_out) if piece.left_out else None
    return Piece(), None


def _fallback_body(view: RequestView) -> str:
    if view.outcome is not None:
        return prose(render_text(view.outcome), MAX_FALLBACK)
    if view.plan is not None and view.state in _SHOWING:
        return prose(plan_text(view.plan), MAX_FALLBACK)
    return ""


def _joined(parts: list[str]) -> str:
    """The parts as the message's text; the last one gives way when it is too long."""
    return cut("\n".join(parts), MAX_FALLBACK)
