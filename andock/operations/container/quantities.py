"""Bytes and CPUs as people write them: `256m`, `1.5g`, `0.5`."""

from __future__ import annotations

MEMORY = r"^[1-9][0-9]{0,8}(\.[0-9]{1,2})?[kmgKMG]$"
CPUS = r"^[0-9]{1,4}(\.[0-9]{1,3})?$"
_UNITS = {"k": 1024, "m": 1024**2, "g": 1024**3}
_LEAST_CPUS = 0.01


def read_memory(text: str) -> int:
    """`256m` in bytes; the text fits MEMORY."""
    return int(float(text[:-1]) * _UNITS[text[-1].lower()])


def read_cpus(text: str) -> float:
    """`0.5`; the text fits CPUS.

    Raises:
        ValueError: too little for anything to run.
    """
    if float(text) < _LEAST_CPUS:
        raise ValueError(f"must be at least {_LEAST_CPUS}")
    return float(text)
