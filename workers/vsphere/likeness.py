"""Names that a person may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

_MOST = 3


def look_alike(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """At most three of the names that a person who typed `name` may have meant."""
    known = {one.casefold(): one for one in names}
    near = difflib.get_close_matches(name.casefold(), known, n=_MOST, cutoff=0.6)
    # `web` is no close match of `shop-web-01` by letters, and still what people mean
    near += sorted(folded for folded in known if name.casefold() in folded)
    return tuple(known[folded] for folded in dict.fromkeys(near))[:_MOST]
