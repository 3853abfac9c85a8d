"""Times and sizes as the Compose specification writes them: `1m30s`, `250ms`, `512m`, `1.5gb`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(h|ms|m|s|us|µs|ns)", re.ASCII)
_TIME = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(b|kb?|mb?|gb?)?", re.ASCII | re.IGNORECASE)
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3}


def read_seconds(text: object) -> float:
    """A time in seconds.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str) or (text != "0" and not _TIME.fullmatch(text)):
        raise ValueError("is no time; write it like `40s`, `1m30s` or `250ms`")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def read_bytes(text: object) -> int:
    """A size in bytes; units are of 1024.

    Raises:
        ValueError: it is none.
    """
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("is no size; write it like `512m` or `2g`")
    number, unit = match.groups()
    return int(float(number) * 1024 ** _POWERS[(unit or "b")[0].lower()])


Seconds = Annotated[float, BeforeValidator(read_seconds)]
Bytes = Annotated[int, BeforeValidator(read_bytes)]
