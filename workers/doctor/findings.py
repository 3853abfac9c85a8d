"""What the doctor says: one line a finding, with the fix where something is wrong."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from andock.errors import ConfigError, OpsError
from andock.redaction import Redactor

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]+")


class Level(StrEnum):
    """How bad it is. Only FAIL makes the doctor's exit code 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str
    detail: str
    fix: str = ""


def ok(what: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(Level.OK, what, detail)


def warn(what: str, detail: str, fix: str) -> Finding:
    """Andock works, but somebody should look at this."""
    return Finding(Level.WARN, what, detail, fix)


def fail(what: str, detail: str, fix: str) -> Finding:
    """Andock does not work, or does not keep its promises."""
    return Finding(Level.FAIL, what, detail, fix)


def fail_with(what: str, error: OpsError, fix: str = "") -> Finding:
    """An error of ours; one about configuration names its own fix."""
    if isinstance(error, ConfigError):
        return fail(what, error.sentence.removesuffix(f" Fix: {error.fix}"), error.fix)
    return fail(what, error.sentence, fix)


def censor(findings: Iterable[Finding], redactor: Redactor) -> tuple[Finding, ...]:
    """The findings on one plain line each, without any secret that the redactor knows."""

    def clean(text: str) -> str:
        return _UNPRINTABLE.sub(" ", redactor.redact(text)).strip()

    return tuple(Finding(one.level, one.what, clean(one.detail), clean(one.fix)) for one in findings)


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> bool:
    """Print them; whether nothing failed."""
    healthy = all(one.level is not Level.FAIL for one in findings)
    if as_json:
        body = {"ok": healthy, "checks": [asdict(one) for one in findings]}
        sys.stdout.write(json.dumps(body, indent=1) + "\n")
        return healthy
    width = max((len(one.what) for one in findings), default=0)
    for one in findings:
        fix = f"  -> {one.fix}" if one.fix else ""
        sys.stdout.write(f"{one.level.value:<4}  {one.what:<{width}}  {one.detail}{fix}\n")
    return healthy
