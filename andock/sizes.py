"""Bytes as people read them."""

from __future__ import annotations

_STEP = 1024


def write_size(count: float) -> str:
    """`12.3 MiB`; `?` for a size that nobody knows."""
    if count < 0:
        return "?"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < _STEP:
            return f"{count:.1f}".removesuffix(".0") + f" {unit}"
        count /= _STEP
    return f"{count:.1f} TiB"
