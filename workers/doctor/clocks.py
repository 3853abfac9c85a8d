"""Whether another machine's clock agrees with this one's."""

from __future__ import annotations

import time
from collections.abc import Callable

from workers.doctor.findings import Finding, fail, ok, warn

NOTICED = 5.0  # seconds; the order of events in logs and messages is no longer certain
TOO_MUCH = 60.0  # seconds; a change may start until five minutes after it was accepted, by another clock
_FIX = "let both machines follow the same NTP servers."


def compare_clock(what: str, ask: Callable[[], float]) -> Finding:
    """Compare the other clock with ours, half-way between the question and its answer.

    Args:
        what: whose clock it is.
        ask: the other clock, in seconds since the epoch; its errors pass.
    """
    before = time.time()
    theirs = ask()
    return judge_skew(what, theirs - (before + time.time()) / 2)


def judge_skew(what: str, skew: float) -> Finding:
    """What a difference in seconds means; positive is ahead of this host."""
    if abs(skew) < NOTICED:
        return ok(what, f"agrees with this host within {max(0.1, abs(skew)):.1f} s")
    detail = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this host"
    return fail(what, detail, _FIX) if abs(skew) > TOO_MUCH else warn(what, detail, _FIX)
