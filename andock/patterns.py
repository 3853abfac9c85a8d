"""Patterns over names, as people write them in policy.yaml: `*`, `?` and `[abc]`, in upper or lower case."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_WILD = frozenset("*?[")


class Globs(tuple[str, ...]):  # noqa: SLOT001  slots of a tuple's subclass must be empty
    """Some patterns, compiled once: `fnmatch` looks each up anew for every name, and keeps only so many."""

    starts: frozenset[str]  # what each asks for before its first wildcard, case-folded
    _plain: frozenset[str]
    _wild: Callable[[str], re.Match[str] | None] | None

    def __new__(cls, patterns: Iterable[str] = ()) -> Self:
        """The patterns, each as it was written."""
        made = super().__new__(cls, patterns)
        folded = [pattern.casefold() for pattern in made]
        wild = [pattern for pattern in folded if not _WILD.isdisjoint(pattern)]
        made.starts = frozenset(_start_of(pattern) for pattern in folded)
        made._plain = frozenset(folded).difference(wild)
        made._wild = re.compile("|".join(map(translate, wild))).match if wild else None
        return made

    def fits(self, name: str) -> bool:
        """Whether the name fits one of the patterns; it is case-folded already."""
        return name in self._plain or (self._wild is not None and self._wild(name) is not None)

    def fit_any(self, names: Iterable[str]) -> bool:
        """Whether one of the names fits one of the patterns; they are case-folded already."""
        plain, wild = self._plain, self._wild
        for name in names:  # noqa: SIM110  a generator costs a third of a decision more
            if name in plain or (wild is not None and wild(name) is not None):
                return True
        return False

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As a list of texts in a file."""
        return core_schema.no_info_after_validator_function(cls, handler(tuple[str, ...]))


def _start_of(pattern: str) -> str:
    return re.split(r"[*?\[]", pattern, maxsplit=1)[0]


def covers(wide: str, narrow: str) -> bool:
    """Whether every name that fits `narrow` is sure to fit `wide`; False also where it cannot be told.

    A pattern whose only wildcard is `*` covers whatever it matches when that is read as a name: a star
    stands for all that the other's wildcards may become.
    """
    wide, narrow = wide.casefold(), narrow.casefold()
    if wide in {narrow, "*"}:
        return True
    if "[" in narrow or (not _WILD.isdisjoint(narrow) and not {"?", "["}.isdisjoint(wide)):
        return False
    return Globs([wide]).fits(narrow)
