"""What a rule may ask of a parameter: true or false, patterns over text, bounds of numbers and times."""

from __future__ import annotations

import types
import typing
from datetime import timedelta
from enum import Enum, StrEnum
from typing import Annotated, Any, TypeAlias

from pydantic import Discriminator, Field, JsonValue, Tag, TypeAdapter, ValidationError, model_validator

from andock.durations import Duration
from andock.operation import Value
from andock.patterns import Globs, covers

Amount: TypeAlias = int | float | Duration
_TIME: TypeAdapter[timedelta] = TypeAdapter(timedelta)


class Kind(StrEnum):
    """What a parameter holds, in words."""

    FLAG = "true or false"
    TEXT = "text"
    NUMBER = "a number"
    TIME = "a time"
    OTHER = "something that no rule can speak of"


class Bounds(Value):
    """Between these, both included; at least one of the two."""

    min: Amount | None = Field(default=None, description="a number, or a time as `10m`")
    max: Amount | None = Field(default=None, description="a number, or a time as `10m`")

    @model_validator(mode="after")
    def _sensible(self) -> Bounds:
        if self.min is None and self.max is None:
            raise ValueError("bounds have min, max or both")
        if len(self.kinds) > 1:
            raise ValueError("min and max are both numbers or both times")
        if self.min is not None and self.max is not None and _plain(self.min) > _plain(self.max):
            raise ValueError("min is above max, so nothing would fit")
        return self

    @property
    def kinds(self) -> frozenset[Kind]:
        """Whether they are bounds of a number or of a time."""
        given = [bound for bound in (self.min, self.max) if bound is not None]
        return frozenset(Kind.TIME if isinstance(bound, timedelta) else Kind.NUMBER for bound in given)

    def hold(self, value: JsonValue) -> bool:
        """Whether the value, as a request carries it, lies between them."""
        amount = _amount(value)
        if amount is None:
            return False
        return (self.min is None or _plain(self.min) <= amount) and (
            self.max is None or amount <= _plain(self.max)
        )


def _shape(value: object) -> str | None:
    match value:
        case bool():
            return "flag"
        case list() | tuple():
            return "patterns"
        case dict() | Bounds():
            return "bounds"
        case _:
            return None


Condition: TypeAlias = Annotated[
    Annotated[bool, Tag("flag")] | Annotated[Globs, Tag("patterns")] | Annotated[Bounds, Tag("bounds")],
    Discriminator(
        _shape,
        custom_error_type="no_condition",
        custom_error_message="Write true, false, a list of patterns, or {min: N, max: N}",
    ),
]


def fits(condition: bool | Globs | Bounds, value: JsonValue, *, every: bool) -> bool:
    """Whether a parameter's value is what the condition asks for; of several values `every` one, or any.

    What was not given, and has no default, fits nothing.
    """
    values = value if isinstance(value, list) else [value]
    judged = [_fits_one(condition, one) for one in values if one is not None]
    return bool(judged) and (all(judged) if every else any(judged))


def _fits_one(condition: bool | Globs | Bounds, value: JsonValue) -> bool:
    match condition:
        case bool():
            return value is condition
        case Globs():
            return isinstance(value, str) and condition.fits(value.casefold())
        case Bounds():
            return condition.hold(value)


def implies(narrow: bool | Globs | Bounds, wide: bool | Globs | Bounds) -> bool:
    """Whether every value that fits `narrow` is sure to fit `wide`."""
    match narrow, wide:
        case Globs(), Globs():
            return all(any(covers(outer, inner) for outer in wide) for inner in narrow)
        case Bounds(), Bounds():
            above = wide.min is None or (narrow.min is not None and _plain(narrow.min) >= _plain(wide.min))
            below = wide.max is None or (narrow.max is not None and _plain(narrow.max) <= _plain(wide.max))
            return above and below
        case _:
            return narrow is wide


def asked_kinds(condition: bool | Globs | Bounds) -> frozenset[Kind]:
    """What kind of parameter the condition speaks of."""
    match condition:
        case bool():
            return frozenset({Kind.FLAG})
        case Globs():
            return frozenset({Kind.TEXT})
        case Bounds():
            return condition.kinds


def kind_of(annotation: Any) -> Kind:
    """What kind of parameter a field of an operation's Params is, or each of its values."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return kind_of(parts[0])
    if origin in (typing.Union, types.UnionType):
        kinds = {kind_of(part) for part in parts if part is not types.NoneType}
        return kinds.pop() if len(kinds) == 1 else Kind.OTHER
    if origin in (tuple, list, frozenset):
        return kind_of(parts[0])
    if origin is typing.Literal:
        return Kind.TEXT if all(isinstance(part, str) for part in parts) else Kind.OTHER
    if not isinstance(annotation, type):
        return Kind.OTHER
    return next((kind for known, kind in _KINDS if issubclass(annotation, known)), Kind.OTHER)


_KINDS: tuple[tuple[type | tuple[type, ...], Kind], ...] = (
    (bool, Kind.FLAG),
    ((int, float), Kind.NUMBER),
    (timedelta, Kind.TIME),
    ((str, Enum), Kind.TEXT),
)


def _plain(bound: Amount) -> float:
    return bound.total_seconds() if isinstance(bound, timedelta) else float(bound)


def _amount(value: JsonValue) -> float | None:
    """The number, or the time's seconds: a time crosses Redis as ISO 8601."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        return _TIME.validate_python(value).total_seconds()
    except ValidationError:
        return None
