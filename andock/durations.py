"""Times as people write them: `90s`, `5m`, `1h30m`, `2d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_WRITTEN = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?")


def read_duration(text: str) -> timedelta:
    """`90s`, `5m`, `1h30m` or `2d` as a time.

    Raises:
        ValueError: it is none.
    """
    match = _WRITTEN.fullmatch(text.lower())
    if not text or match is None:
        raise ValueError("is no time; write it like `90s`, `5m`, `1h30m` or `2d`")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def write_duration(duration: timedelta) -> str:
    """The time as `read_duration` reads it; whole seconds."""
    rest = int(duration.total_seconds())
    text = ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _from_file(value: object) -> object:
    return read_duration(value) if isinstance(value, str) else value


# In YAML and in Redis it is written as people write it.
Duration = Annotated[timedelta, BeforeValidator(_from_file), PlainSerializer(write_duration, return_type=str)]
