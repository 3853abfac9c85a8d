"""YAML files read with the line of every value, so that each complaint names file, line and fix."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from andock.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]
_DEEPEST = 20  # nothing that an operator edits lies as deep
_TAG = "tag:yaml.org,2002:"


class TextLoader(yaml.SafeLoader):
    """Takes every value but null as the text that stands there: `yes`, `0644` and `22:22` are no numbers."""

    yaml_implicit_resolvers = {  # noqa: RUF012  PyYAML's own way to say it
        sign: [rule for rule in rules if rule[0] in (f"{_TAG}null", f"{_TAG}merge")]
        for sign, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {  # noqa: RUF012  as above
        tag: yaml.SafeLoader.yaml_constructors[tag]
        for tag in (f"{_TAG}null", f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map", None)
    }


class Document:
    """One YAML file as plain data, and the line (from 1) of each place in it."""

    def __init__(self, path: Path, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> None:
        self.path = path
        self._lines: dict[Place, int] = {(): 1}
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"cannot be read ({error.strerror}).",
                where=str(path),
                fix="create it, or set ANDOCK_CONFIG_DIR.",
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigError("is not UTF-8.", where=str(path), fix="save it as UTF-8.") from error
        try:
            reader = loader(text)
            node = reader.get_single_node()
            self._note(node, ())
            self.data: Any = (reader.construct_document(node) if node is not None else None) or {}
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError(
                f"is not YAML: {error.problem}.",
                where=f"{path}:{line}",
                fix="mend the line or the one before it.",
            ) from error
        except yaml.YAMLError as error:
            raise ConfigError(
                "is not YAML: it holds a control character.", where=str(path), fix="remove it."
            ) from error
        except ValueError as error:  # such as the 13th month
            raise ConfigError(
                f"holds what is no value: {error}.", where=str(path), fix="put it between quotes."
            ) from error
        except RecursionError as error:
            raise ConfigError("lies too deep.", where=str(path), fix="close what is open.") from error

    def _note(self, node: yaml.Node | None, place: Place) -> None:
        if node is None:
            return
        if len(place) > _DEEPEST:
            raise ConfigError(
                "lies too deep, or in itself.",
                where=self.where(place),
                fix="write it out, without an alias.",
            )
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise ConfigError(
                        "a key is a list or a mapping.",
                        where=f"{self.path}:{key.start_mark.line + 1}",
                        fix="write a name before the colon.",
                    )
                if key.value in seen:
                    raise ConfigError(
                        f"`{key.value}` is there twice.",
                        where=f"{self.path}:{key.start_mark.line + 1}",
                        fix="keep one of them.",
                    )
                seen.add(key.value)
                self._lines[(*place, key.value)] = key.start_mark.line + 1
                self._note(value, (*place, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._note(value, (*place, index))

    def line(self, place: Place) -> int:
        """The line of this place, or of the nearest place around it."""
        while place not in self._lines:
            place = place[:-1]
        return self._lines[place]

    def where(self, place: Place) -> str:
        """`file:line` of a place."""
        return f"{self.path}:{self.line(place)}"

    def unknown(self, place: Place, what: str, name: str, known: Sequence[str]) -> ConfigError:
        """The error that a name of nothing is; its fix is the nearest one, or all."""
        near = difflib.get_close_matches(name, known, n=1)
        fix = f"did you mean `{near[0]}`?" if near else f"use one of: {', '.join(known) or 'none'}."
        return ConfigError(f"there is no {what} `{name}`.", where=self.where(place), fix=fix)

    def parse(self, model: type[M], data: Any = None) -> M:
        """The document, or `data` that was made of it, as a checked value.

        Raises:
            ConfigError: the first thing wrong, with file, line and fix.
        """
        try:
            return model.model_validate(self.data if data is None else data)
        except ValidationError as error:
            errors = error.errors()
            # a misspelt key comes before the one that is missing because of it
            first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
            place: Place = tuple(part for part in first["loc"] if (part,) != ("function-after",))
            name = ".".join(str(part) for part in place) or "the document"
            if first["type"] == "extra_forbidden":
                known = _keys_beside(model, place)
                near = difflib.get_close_matches(str(place[-1]), known, n=1)
                fix = f"did you mean `{near[0]}`?" if near else f"use one of: {', '.join(known) or 'none'}."
                raise ConfigError(f"`{name}` is not known.", where=self.where(place), fix=fix) from error
            raise ConfigError(
                f"`{name}`: {first['msg']}.", where=self.where(place), fix="see the example beside the file."
            ) from error


def _keys_beside(model: type[BaseModel], place: Place) -> list[str]:
    """Names that stand where the unknown key stands, as far as the models tell."""
    current: Any = model
    for part in place[:-1]:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            current = _inner_model(fields[part].annotation)
    return [field.alias or name for name, field in getattr(current, "model_fields", {}).items()]


def _inner_model(annotation: Any) -> Any:
    """The model inside `dict[str, M]`, `tuple[M, ...]` or `M | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None
