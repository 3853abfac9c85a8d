"""What a dollar sign means in a service's file: a variable only in the image's tag, else `$$` for itself."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from andock.errors import ConfigError, UserError
from andock.ports.registry import ImageName
from config.documents import Document, Place

_DOLLAR = re.compile(r"\$\$|\$(\{[^}]*\}?|\w*)", re.ASCII)
_VERSIONED = re.compile(
    r"(?P<name>[^$]+):\$(?:\{[A-Za-z_]\w*(?::?-(?P<default>[^{}$]*)|:?\?[^{}$]*)?\}|[A-Za-z_]\w*)", re.ASCII
)


def resolve_dollars(document: Document, data: Any, place: Place, *, but: Place) -> Any:
    """The data with `$$` made `$`; what lies at the place `but` stays as it is written.

    Raises:
        ConfigError: a variable stands somewhere else.
    """
    if place == but:
        return data
    if isinstance(data, dict):
        return {
            key: resolve_dollars(document, value, (*place, str(key)), but=but) for key, value in data.items()
        }
    if isinstance(data, list):
        return [
            resolve_dollars(document, value, (*place, index), but=but) for index, value in enumerate(data)
        ]
    if not isinstance(data, str):
        return data
    variable = next((found[0] for found in _DOLLAR.finditer(data) if found[0] != "$$"), None)
    if variable is None:
        return data.replace("$$", "$")
    raise ConfigError(
        f"`{'.'.join(str(part) for part in place)}` holds the variable `{variable}`, which nobody sets here."
        if variable != "$"
        else f"`{'.'.join(str(part) for part in place)}` holds a dollar sign alone.",
        where=document.where(place),
        fix="write the value itself, a secret of `environment` as {env: NAME}, and $$ for a dollar sign; "
        "only the image's tag may be ${VERSION}.",
    )


def read_image(value: object) -> ImageName:
    """An image; its tag is empty where it is a variable without a default.

    Raises:
        ValueError: it is no name of an image, or names a digest.
    """
    text = str(value)
    versioned = _VERSIONED.fullmatch(text)
    try:
        if versioned is None:
            name = ImageName.parse(text)
        elif versioned["default"]:
            name = ImageName.parse(f"{versioned['name']}:{versioned['default']}")
        else:
            name = replace(ImageName.parse(versioned["name"]), tag="")
    except UserError as error:
        if "$" in text:
            raise ValueError("a variable may only be the whole tag, `team/api:${VERSION}`") from error
        raise ValueError(error.sentence.rstrip(".")) from error
    if name.digest:
        raise ValueError("name a tag: Andock finds its digest, and what is agreed to is bound to that")
    return name
