"""Values without secrets, before they are stored where others read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar, get_origin

from andock.operation import Plan, Value
from andock.redaction import Redactor
from andock.refusals import SecretInPlanError
from andock.rendering.mrkdwn import clean as plain

V = TypeVar("V", bound=Value)


def clean(value: V, redactor: Redactor) -> V:
    """The value with secrets hidden in all its texts but those that it keeps; see `Value.kept`.

    Raises:
        SecretInPlanError: a plan holds a secret in what it keeps.
    """
    # one look at all texts together, since nearly no value holds anything
    found = redactor.find("\n".join(_texts(value)))
    if found:
        value = _hide(value, redactor)
    if isinstance(value, Plan):
        _refuse_secret(value, redactor, texts=_texts(value) if found else ())
    return value


def _refuse_secret(plan: Plan, redactor: Redactor, *, texts: Iterable[str]) -> None:
    """Raise SecretInPlanError if one is in these texts of the plan, or in it as JSON.

    There an argument stands beside its name.
    """
    left = {kind for text in (*texts, plan.model_dump_json()) for kind in redactor.find(text)}
    if left:
        raise SecretInPlanError(sorted(left))


def _texts(part: Any) -> Iterator[str]:
    match part:
        case Value():
            for name in type(part).model_fields:
                yield from _texts(getattr(part, name))
        case tuple() | list():
            for inner in part:
                yield from _texts(inner)
        case Mapping():
            yield from _texts(list(part.values()))
        case str():
            yield plain(part)


def _hide(part: Any, redactor: Redactor) -> Any:
    match part:
        case Value():
            hidden = {name: _hide(getattr(part, name), redactor) for name in _open_fields(part)}
            # not validated: what is hidden is no longer of the shape that a field may ask for
            return part.model_copy(update=hidden)
        case tuple():
            return tuple(_hide(inner, redactor) for inner in part)
        case list():
            return [_hide(inner, redactor) for inner in part]
        case Mapping():
            return {key: _hide(inner, redactor) for key, inner in part.items()}
        case str() if type(part) is str:  # a word of an enumeration is no text
            # without what is not shown: a control character in a secret would be gone in the message
            return redactor.redact(plain(part))
        case _:
            return part


def _open_fields(value: Value) -> Iterator[str]:
    """Fields in which secrets are hidden; one of a few fixed words holds none."""
    for name, info in type(value).model_fields.items():
        if name not in value.kept and get_origin(info.annotation) is not Literal:
            yield name
