"""Looks at many containers, one after the other: what fails for one takes no answer of the others with it."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import TypeVar

from andock.errors import BackendRejectedError, BackendUnavailableError, TargetNotFoundError
from andock.ports.containers import ContainerRow

T = TypeVar("T")


class Looks:
    """The looks of one question; an engine that has not answered once is asked no more."""

    def __init__(self) -> None:
        self._away: dict[str, BackendUnavailableError] = {}
        self._missed: dict[str, str] = {}  # by id of a container: why it was not seen

    def at(self, row: ContainerRow, call: Callable[[str, str], T]) -> T | None:
        """What the call says of this container; None when it has ended or is gone, or its engine is away."""
        if row.site in self._away:
            return None
        try:
            return call(row.site, row.id)
        except BackendUnavailableError as error:
            self._away[row.site] = error
        except BackendRejectedError as error:
            self._missed[row.id] = f"`{row.name}` on {row.site}: {error.why}"
        except TargetNotFoundError:
            self._missed[row.id] = f"`{row.name}` on {row.site}: it is gone"
        return None

    def is_away(self, row: ContainerRow) -> bool:
        """Whether its engine did not answer."""
        return row.site in self._away

    @property
    def notes(self) -> tuple[str, ...]:
        """Engines that did not answer, and containers that were not seen."""
        return (*self.away, *self._missed.values())

    @property
    def away(self) -> tuple[str, ...]:
        """Engines that did not answer."""
        return tuple(f"{site} not reached: {error.why}" for site, error in self._away.items())

    def require(self, seen: Sized) -> None:
        """Raise BackendUnavailableError when nothing was seen because no engine answered."""
        if not seen and self._away:
            raise next(iter(self._away.values()))
