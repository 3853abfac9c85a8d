"""What a regular expression can cost: how much text it takes, in how many ways it may be tried."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from re import _parser as parser  # type: ignore[attr-defined]  # Python's own reader; there is no public one
from typing import Any

_TOO_MANY = 1 << 20  # ways; what is beyond is not counted
_LOOKING = frozenset({"ASSERT", "ASSERT_NOT", "GROUPREF", "GROUPREF_EXISTS", "GROUPREF_IGNORE"})
_ENDS = frozenset({"AT_BEGINNING", "AT_BEGINNING_STRING", "AT_END", "AT_END_STRING"})


@dataclass(frozen=True, slots=True)
class Measure:
    """Characters that an expression takes at least and at most, and ways to try it at one place."""

    narrowest: int
    widest: int
    ways: int
    looks_around: bool  # ahead, behind, back at a group, or whether a text begins or ends there


def measure(expression: str) -> Measure:
    """The bounds of an expression; what look-arounds see is not counted in its width.

    Raises:
        re.error: it is no expression.
    """
    tree = parser.parse(expression)
    narrowest, widest = tree.getwidth()
    return Measure(narrowest, widest, _ways(tree), not (_LOOKING | _ENDS).isdisjoint(_names(tree)))


def _ways(tree: Iterable[Any]) -> int:
    """In how many ways a sequence can be tried, at most; a way for each length of each repetition."""
    return min(_TOO_MANY, math.prod(_ways_of(code.name, argument) for code, argument in tree))


def _ways_of(name: str, argument: Any) -> int:
    match name:
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, inner = argument
            ways = _ways(inner)
            if ways == 1:
                return min(_TOO_MANY, int(most) - int(least) + 1)
            # a number of times that multiplies to too many is as bad as any larger one
            return sum(ways**times for times in range(int(least), min(int(most), 20) + 1))
        case "SUBPATTERN":
            return _ways(argument[-1])
        case "ATOMIC_GROUP":
            return _ways(argument)
        case "BRANCH":
            return sum(_ways(branch) for branch in argument[1])
        case _:
            return 1


def _names(tree: Iterable[Any]) -> Iterable[str]:
    """Every part's name, also of those inside others; a place's own, such as AT_END."""
    for code, argument in tree:
        yield argument.name if code.name == "AT" else code.name
        for inner in _inside(code.name, argument):
            yield from _names(inner)


def _inside(name: str, argument: Any) -> Iterable[Any]:
    match name:
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT" | "SUBPATTERN":
            return (argument[-1],)
        case "ATOMIC_GROUP":
            return (argument,)
        case "BRANCH":
            return tuple(argument[1])
        case _:
            return ()
