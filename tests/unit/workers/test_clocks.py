"""How far a clock may be off."""

from __future__ import annotations

import time

import pytest

from workers.doctor.clocks import compare_clock, judge_skew
from workers.doctor.findings import Level


@pytest.mark.parametrize(
    ("skew", "level", "says"),
    [
        (0.02, Level.OK, "within 0.1 s"),
        (-4.9, Level.OK, "within 4.9 s"),
        (5.0, Level.WARN, "5 s ahead of this host"),
        (-60.0, Level.WARN, "60 s behind this host"),
        (61.0, Level.FAIL, "61 s ahead of this host"),
        (-3600.0, Level.FAIL, "3600 s behind this host"),
    ],
)
def test_a_difference_is_judged(skew: float, level: Level, says: str) -> None:
    finding = judge_skew("clock", skew)
    assert finding.level is level
    assert says in finding.detail


def test_the_other_clock_is_compared_with_the_middle_of_the_question() -> None:
    def answer_late() -> float:
        time.sleep(0.2)
        return time.time() - 0.1  # as it was when half of the time had passed

    assert compare_clock("clock", answer_late).level is Level.OK
    assert compare_clock("clock", lambda: time.time() + 120).level is Level.FAIL
