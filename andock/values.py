"""What all values have in common that are stored or shown."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kept: ClassVar[frozenset[str]] = frozenset()
    """Fields in which no secret is hidden before the value is stored, because programs go by them."""
