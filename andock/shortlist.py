"""Which of many patterns may fit a name, told by the letters that they begin with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from andock.patterns import Globs


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Over many sets of patterns, as places in the order in which they were given.

    Nobody has to try 500 patterns to find the three that begin as a name does: what a pattern asks for
    before its first wildcard is looked up in a dictionary, once for each length that there is.
    """

    always: tuple[int, ...]  # no patterns at all, or one that begins with a wildcard
    starts: Mapping[str, tuple[int, ...]]
    lengths: tuple[int, ...]

    @classmethod
    def over(cls, sets: Sequence[Globs]) -> Shortlist:
        """The shortlist over these sets of patterns; an empty set may fit any name."""
        always: list[int] = []
        starts: dict[str, list[int]] = defaultdict(list)
        for place, patterns in enumerate(sets):
            if not patterns or "" in patterns.starts:
                always.append(place)
                continue
            for start in patterns.starts:
                starts[start].append(place)
        lengths = sorted({len(start) for start in starts})
        return cls(tuple(always), {start: tuple(places) for start, places in starts.items()}, tuple(lengths))

    def places(self, names: Iterable[str]) -> Sequence[int]:
        """Where patterns stand that may fit one of the names, in order; the names are case-folded already."""
        found: set[int] = set()
        for name in names:
            for length in self.lengths:
                found.update(self.starts.get(name[:length], ()))
        return sorted(found.union(self.always)) if found else self.always
