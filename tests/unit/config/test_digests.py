from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from andock.errors import ConfigError
from config.sites import load_sites
from config.watching import Digest
from tests.unit.config.conftest import Write

SITE = "engines:\n  edge-1: {url: 'unix:///run/docker.sock', environment: dev}\n"


def digest(at: object, zone: str = "Europe/Berlin") -> Digest:
    return Digest.model_validate({"channel": "C0OPS", "at": at, "zone": zone})


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-24T07:00", "2026-11-24T07:00"),  # 8:00 in Berlin, in winter
        ("2026-11-24T06:59", "2026-11-23T07:00"),
        ("2026-07-01T06:30", "2026-07-01T06:00"),  # in summer
        ("2026-03-29T06:00", "2026-03-29T06:00"),  # the day on which the clocks go forward
        ("2026-03-29T05:59", "2026-03-28T07:00"),
    ],
)
def test_it_is_due_by_the_clocks_of_its_zone(now: str, due: str) -> None:
    assert digest("08:00").due(utc(now)) == utc(due)


def test_a_time_that_a_day_does_not_have_is_due_on_that_day_all_the_same() -> None:
    assert digest("02:30").due(utc("2026-03-29T12:00")) == utc("2026-03-29T01:30")


def test_the_day_is_that_of_the_zone() -> None:
    assert str(digest("08:00").day(utc("2026-11-24T23:30"))) == "2026-11-25"


def test_yaml_s_numbers_to_the_base_of_60_are_times(write: Write) -> None:
    path = write(f"{SITE}digests:\n  daily: {{channel: C0OPS, at: 18:30}}\n")
    assert load_sites(path).digests["daily"].at.isoformat() == "18:30:00"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{channel: C0OPS, at: 25:00}", "digests.daily.at"),
        ("{channel: C0OPS, at: noon}", "digests.daily.at"),
        (
            '{channel: C0OPS, at: "08:00", zone: Berlin}',
            "there is no time zone `Berlin`; write it like Europe/Berlin",
        ),
        ('{at: "08:00"}', "digests.daily.channel"),
        ('{chanel: C0OPS, at: "08:00"}', "did you mean `channel`?"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(write: Write, entry: str, says: str) -> None:
    path: Path = write(f"{SITE}digests:\n  daily: {entry}\n")
    with pytest.raises(ConfigError) as refused:
        load_sites(path)
    assert refused.value.sentence.startswith(f"{path}:4")
    assert says in refused.value.sentence
