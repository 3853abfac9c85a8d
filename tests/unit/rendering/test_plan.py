from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andock.operation import Plan, Step, Target
from andock.rendering.buttons import PlanButton
from andock.rendering.message import Rendered
from andock.rendering.plan import render_plan

Check = Callable[[Rendered], None]
TEXT = st.text(max_size=80) | st.sampled_from(["`", "```", "<!here>", "&" * 99, "日本語" * 40, "x" * 500])


def step(name: str, text: str = "") -> Step:
    target = Target(kind="vm", site="lab", id="vm-1", name=name, environment="prod", path=f"/DC0/vm/{name}")
    return Step(action="restart", target=target, text=text or f"restart {name} (on)")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.lists(st.builds(step, TEXT, TEXT), max_size=6).map(tuple), max_size=12).map(tuple),
    st.lists(TEXT, max_size=14).map(tuple),
)
def test_any_plan_is_within_slacks_limits(
    within_limits: Check, batches: tuple[tuple[Step, ...], ...], warnings: tuple[str, ...]
) -> None:
    within_limits(render_plan("r1", Plan(batches=batches, warnings=warnings)))


def test_steps_by_batch_with_place_and_warnings(within_limits: Check) -> None:
    plan = Plan(batches=((step("a"), step("b")), (step("c"),)), warnings=("`a` has no VMware Tools",))
    rendered = render_plan("r1", plan)
    within_limits(rendered)
    warning, steps, buttons = rendered.message.blocks
    assert "Warning: `a` has no VMware Tools" in warning["elements"][0]["text"]
    assert steps["text"]["text"].split("\n") == [
        "*Batch 1 of 2, together*",
        "1. restart a (on) · `lab · prod · /DC0/vm/a`",
        "2. restart b (on) · `lab · prod · /DC0/vm/b`",
        "*Batch 2 of 2*",
        "3. restart c (on) · `lab · prod · /DC0/vm/c`",
    ]
    go_ahead, cancel = buttons["elements"]
    assert (go_ahead["action_id"], cancel["action_id"]) == ("andock.go_ahead", "andock.cancel")
    assert PlanButton.loads(go_ahead["value"]) == PlanButton("r1", plan.digest)
    assert rendered.file is None


def test_a_plan_that_is_not_shown_whole_is_a_file(within_limits: Check) -> None:
    plan = Plan(batches=tuple((step(f"web-{number:03}"),) for number in range(300)))
    rendered = render_plan("r1", plan)
    within_limits(rendered)
    assert rendered.file is not None
    assert rendered.file.content.count("restart web-") == 300
    assert "all 300 are in `plan.txt`" in str(rendered.message.blocks)


@pytest.mark.parametrize(
    "value", ["", "[]", "{}", '{"request":"r1"}', '{"request":1,"plan":"x"}', "nonsense"]
)
def test_a_strange_button_value_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        PlanButton.loads(value)
