"""Sizes as people write them: `500M`, `10G`, `1.5T`."""

from __future__ import annotations

import re

_WRITTEN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s?([MGT])(?:i?B)?", re.IGNORECASE)
_UNITS = {"M": 1024**2, "G": 1024**3, "T": 1024**4}


def read_size(text: str) -> int:
    """`10G` in bytes; units are those of 1,024.

    Raises:
        ValueError: it is no size.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ValueError("is no size; write it like `500M`, `10G` or `1.5T`")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def write_size(size: int) -> str:
    """Bytes for people."""
    for unit in ("T", "G"):
        if size >= _UNITS[unit]:
            return f"{size / _UNITS[unit]:.1f} {unit}iB"
    return f"{size / _UNITS['M']:.0f} MiB"
