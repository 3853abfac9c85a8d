"""What every backend port has in common: its sites, and those that did not answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NotReached:
    """A site that did not answer; `why` is one clause without a full stop."""

    site: str
    why: str


@dataclass(frozen=True, slots=True)
class Age:
    """A site whose rows come out of an index, and how many seconds old they are."""

    site: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """Rows from one or many sites; a site that is away marks itself and never hides the others' rows.

    Attributes:
        ages: of the sites whose rows were not asked for just now.
        untagged: sites whose rows have no labels because they are not known.
    """

    rows: tuple[T, ...]
    searched: tuple[str, ...]
    not_reached: tuple[NotReached, ...] = field(default=())
    ages: tuple[Age, ...] = field(default=())
    untagged: tuple[str, ...] = field(default=())
