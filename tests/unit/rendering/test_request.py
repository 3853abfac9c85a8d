from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andock.errors import Changed
from andock.messages import State
from andock.operation import Offer, Outcome, Plan, Step, Target
from andock.rendering.buttons import PlanButton
from andock.rendering.message import Rendered
from andock.rendering.request import (
    ApprovalView,
    FailureView,
    ProgressView,
    RequestView,
    render_request,
)

Check = Callable[[Rendered], None]

TARGET = Target(kind="vm", site="lab", id="vm-1", name="web-01", environment="prod")
PLAN = Plan(batches=((Step(action="restart", target=TARGET, text="restart web-01 (on)"),),))
VIEW = RequestView(
    id="rabc", command="vm restart web-01", user="U1ANN", state="accepted", asked_at=1_750_000_000.0
)


def read(rendered: Rendered) -> str:
    """All words of the blocks."""
    return "\n".join(
        part["text"]
        for block in rendered.message.blocks
        for part in (*block.get("elements", ()), *block.get("fields", ()), block.get("text", {"text": None}))
        if isinstance(part["text"], str)
    )  # fmt: skip


@pytest.mark.parametrize("state", [*State, "something new"])
def test_every_state_is_a_word_and_an_emoji(within_limits: Check, state: str) -> None:
    rendered = render_request(replace(VIEW, state=state, plan=PLAN))
    within_limits(rendered)
    headline = rendered.message.blocks[0]["text"]["text"]
    assert "`vm restart web-01`" in headline
    assert headline.split(" ")[1].startswith("*")
    assert "`rabc`" in read(rendered)
    assert "<@U1ANN>" in read(rendered)
    if state in set(State):
        assert "❔" not in headline


@pytest.mark.parametrize(("failed", "shown"), [("target_not_found", True), ("target_busy", False)])
def test_who_named_what_is_not_there_reads_how_it_is_typed(failed: str, shown: bool) -> None:
    failure = FailureView(failed, "No VM `web-1` on `lab`. Did you mean `web-01`?")
    rendered = render_request(replace(VIEW, state="failed", failure=failure, usage="vm restart VM..."))

    assert ("Usage: `vm restart VM...`" in read(rendered)) is shown


def test_running_says_which_step() -> None:
    progress = ProgressView(done=1, total=5, text="restart the guest of web-01", percent=40)
    rendered = render_request(replace(VIEW, state="running", progress=progress))
    assert "2 of 5: restart the guest of web-01 · 40 %" in read(rendered)
    assert "2 of 5: restart the guest of web-01 · 40 %" in rendered.message.text


def test_a_board_shows_every_target_in_a_word(within_limits: Check) -> None:
    board = (("api on edge-1", "healthy"), ("api on edge-2", "waiting for health 4 s"))
    progress = ProgressView(done=1, total=5, text="roll api", board=board)
    rendered = render_request(replace(VIEW, state="running", progress=progress))
    assert "• api on edge-1: healthy\n• api on edge-2: waiting for health 4 s" in read(rendered)
    many = replace(progress, board=tuple((f"api on edge-{n}", "pending") for n in range(300)))
    rendered = render_request(replace(VIEW, state="running", progress=many))
    within_limits(rendered)
    assert "… and 280 more" in read(rendered)


def test_a_pause_says_why_and_has_buttons_for_both_ways_on(within_limits: Check) -> None:
    progress = ProgressView(done=2, total=5, board=(("api on edge-1", "healthy"),))
    view = replace(
        VIEW, state="paused", plan=PLAN, holder="api on edge-2: unhealthy", progress=progress, answer_by=9.0
    )
    rendered = render_request(view)
    within_limits(rendered)
    assert "api on edge-2: unhealthy" in read(rendered)
    assert "• api on edge-1: healthy" in read(rendered)
    actions = [button["action_id"] for button in rendered.message.blocks[-1]["elements"]]
    assert actions == ["andock.roll_back", "andock.go_on"]


def test_who_approved_is_said_at_the_end() -> None:
    given = ApprovalView("2 approvals from leads", "rule", ("U0LEAD1", "U0LEAD2"))
    rendered = render_request(replace(VIEW, state="succeeded", approval=given, finished_at=1_750_000_009.0))
    assert "approved by <@U0LEAD1>, <@U0LEAD2>" in read(rendered)


def test_what_was_put_back_is_called_rolled_back() -> None:
    failure = FailureView("rolled_back", "edge-2: unhealthy. Put back: api on edge-2.")
    assert "*Rolled back*" in read(render_request(replace(VIEW, state="failed", failure=failure)))


def test_waiting_says_for_which_request_or_whose_lock(within_limits: Check) -> None:
    behind = render_request(replace(VIEW, state="waiting", holder="rxyz"))
    assert "Request `rxyz` is changing the target" in read(behind)
    locked = render_request(
        replace(
            VIEW, state="waiting", holder="the lock of lead-1 on `web-01` until 2026-12-01 15:04 UTC: <b>"
        )
    )
    within_limits(locked)
    assert "It waits for the lock of lead-1 on `web-01` until 2026-12-01 15:04 UTC: &lt;b&gt;," in read(
        locked
    )


def test_running_without_progress_and_at_the_last_step() -> None:
    assert "Running" in read(render_request(replace(VIEW, state="running")))
    done = render_request(replace(VIEW, state="running", progress=ProgressView(5, 5, "finishing")))
    assert "5 of 5: finishing" in read(done)


def test_waiting_and_held_say_for_whom() -> None:
    assert "Request `rxyz` is changing" in read(render_request(replace(VIEW, state="waiting", holder="rxyz")))
    held = read(render_request(replace(VIEW, state="held", holder="ann: storm")))
    assert "halted by ann: storm" in held
    assert "`resume`" in held


def test_confirming_shows_the_plan_and_two_buttons(within_limits: Check) -> None:
    rendered = render_request(replace(VIEW, state="confirming", plan=PLAN, answer_by=1_750_000_300.0))
    within_limits(rendered)
    assert "restart web-01 (on)" in read(rendered)
    assert "restart web-01 (on)" in rendered.message.text
    assert "<!date^1750000300^" in read(rendered)
    ids = [element["action_id"] for element in rendered.message.blocks[-1]["elements"]]
    assert ids == ["andock.go_ahead", "andock.cancel"]


def test_only_an_open_question_has_the_plans_buttons() -> None:
    for state in set(State) - {State.CONFIRMING}:
        assert "andock.go_ahead" not in str(
            render_request(replace(VIEW, state=state, plan=PLAN)).message.blocks
        )


@pytest.mark.parametrize(
    ("failure", "word", "said"),
    [
        (FailureView("backend_rejected", "lab refused: no."), "Failed", "Changed: *nothing*"),
        (FailureView("deadline", "Too slow.", Changed.PARTLY), "Failed halfway", "Changed: *partly*"),
        (
            FailureView("outcome_unknown", "No answer.", Changed.UNKNOWN),
            "Outcome unknown",
            "Changed: *unknown*",
        ),
        (
            FailureView("not_allowed", "Not allowed.", rule="r (policy.yaml:3)"),
            "Denied",
            "Rule: r (policy.yaml:3)",
        ),
        (FailureView("expired", "Too late."), "Expired", "Too late."),
        (FailureView("cancelled", "Cancelled by ann."), "Cancelled", "Cancelled by ann."),
        (FailureView("cancelled", "Cancelled.", Changed.PARTLY), "Failed halfway", "Changed: *partly*"),
    ],
)
def test_failures_say_what_was_changed(
    within_limits: Check, failure: FailureView, word: str, said: str
) -> None:
    rendered = render_request(replace(VIEW, state="failed", failure=failure))
    within_limits(rendered)
    assert f"*{word}*" in read(rendered)
    assert said in read(rendered)
    assert said in rendered.message.text


def test_a_changed_plan_can_be_asked_for_again() -> None:
    rendered = render_request(
        replace(VIEW, state="failed", failure=FailureView("plan_changed", "It changed."))
    )
    (button,) = rendered.message.blocks[-1]["elements"]
    assert button["value"] == "vm restart web-01"
    assert button["action_id"].startswith("andock.command:")


def test_success_shows_the_outcome_and_how_long_it_took() -> None:
    outcome = Outcome(summary="`web-01` restarted", offers=(Offer(label="Info", command="vm info web-01"),))
    view = replace(VIEW, state="succeeded", outcome=outcome, finished_at=VIEW.asked_at + 75, attempt=2)
    words = read(render_request(view))
    assert "`web-01` restarted" in words
    assert "took 1 min 15 s" in words
    assert "attempt 2" in words


def test_a_person_on_the_host_is_no_mention() -> None:
    words = read(render_request(replace(VIEW, user="cli:<root>", private=True, mentions=("U2BOB",))))
    assert "`cli:&lt;root&gt;`" in words
    assert "only you see this" in words
    assert "<@U2BOB>" in words


TEXT = st.text(max_size=40) | st.sampled_from(
    ["`", "```", "<!here>", "&" * 900, "日本語" * 900, "x" * 5000, "\x1b[0m"]
)
VIEWS = st.builds(
    RequestView,
    id=st.just("rabcdefgh2jk"),
    command=TEXT,
    user=TEXT,
    state=st.sampled_from(State) | TEXT,
    plan=st.none() | st.just(PLAN),
    progress=st.none()
    | st.builds(ProgressView, st.integers(0, 9), st.integers(0, 9), TEXT, st.none() | st.integers(0, 100)),
    outcome=st.none()
    | st.builds(Outcome, summary=TEXT, text=TEXT, notes=st.lists(TEXT, max_size=3).map(tuple)),
    failure=st.none() | st.builds(FailureView, TEXT, TEXT, st.sampled_from(Changed), TEXT),
    holder=TEXT,
    asked_at=st.floats(0, 2e9),
    finished_at=st.none() | st.floats(0, 2e9),
    mentions=st.lists(TEXT, max_size=30).map(tuple),
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(VIEWS)
def test_any_request_is_within_slacks_limits(within_limits: Check, view: RequestView) -> None:
    within_limits(render_request(view))


@pytest.mark.parametrize("state", ["accepted", "running", "waiting", "held"])
def test_a_change_under_way_has_a_cancel_button_until_somebody_asked(state: str) -> None:
    view = replace(VIEW, state=state, plan=PLAN)
    (button,) = render_request(view).message.blocks[-1]["elements"]
    assert (button["action_id"], button["value"]) == ("andock.cancel", PlanButton("rabc", "").dumps())

    asked = render_request(replace(view, cancelled_by="ops-2"))
    assert asked.message.blocks[-1]["type"] == "context"
    if state == "running":
        assert "ops-2 asked to cancel: no more is begun." in read(asked)


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "expired"])
def test_what_has_ended_has_no_cancel_button(state: str) -> None:
    blocks = render_request(replace(VIEW, state=state, plan=PLAN)).message.blocks
    assert not any("andock.cancel" in str(block) for block in blocks)


def test_a_hook_is_shown_with_its_author_its_reason_and_a_link(within_limits: Check) -> None:
    hook = replace(
        VIEW, user="hook:ci", author="U1ANN", reason="fixes <b>", link="https://ci.example/run?a=1&b=2"
    )
    rendered = render_request(hook)
    within_limits(rendered)
    asked = "Asked by `hook:ci` for <@U1ANN> · fixes &lt;b&gt; · <https://ci.example/run?a=1&amp;b=2|more>"
    assert asked in read(rendered)


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://ci.example/|<!channel>", "https://ci.example/ x"]
)
def test_what_is_no_address_is_no_link(link: str) -> None:
    assert "|more>" not in read(render_request(replace(VIEW, user="hook:ci", link=link)))


def test_what_the_clock_asked_for_names_its_day_and_whether_it_is_late(within_limits: Check) -> None:
    asked = replace(VIEW, command="snapshot report", user="schedule:snapshots", state="succeeded")
    in_time = render_request(replace(asked, due=VIEW.asked_at - 3))
    late = render_request(replace(asked, due=VIEW.asked_at - 90_000))
    for rendered in (in_time, late):
        within_limits(rendered)
        assert "Asked by `schedule:snapshots` for <!date^" in read(rendered)
    assert ", late ·" not in read(in_time)
    assert "2025-06-14 14:06 UTC>, late · request `rabc`" in read(late)
