"""Whether sites.yaml gives a container what it asks for of its host."""

from __future__ import annotations

from collections.abc import Iterable

from andock.ports.allowances import Allowances
from andock.refusals import NotListedError


def check_powers(image: str, powers: Iterable[str], allowances: Allowances) -> tuple[str, ...]:
    """A warning for each power that a rule gives to containers of the image.

    Raises:
        NotListedError: no rule gives one of them.
    """
    given = []
    for power in powers:
        rule = allowances.power(image, power)
        if not rule:
            raise NotListedError(f"`{power}` for image `{image}`", part="powers")
        given.append(f"it gets `{power}` of its host (rule: {rule})")
    return tuple(given)
