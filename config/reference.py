"""docs/settings.md, made from the models: `python -m config.reference docs/settings.md`."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from andock.durations import write_duration
from andock.patterns import Globs
from andock.ports.registry import ImageName
from andock.ports.services import SecretRef
from andock.rulebook import Policy
from config.compose import ComposeFile
from config.hooks import Hooks
from config.quantities import read_bytes, read_seconds
from config.settings import BotSettings, ManifestSettings, RecorderSettings, Settings, SlackSettings
from config.sites import Sites

_HEAD = """# Settings

This page is made from the models in `config/` by `make docs`; change it there. `andock doctor` checks it all.

## Environment

"""
_READERS: tuple[tuple[type[Settings], str], ...] = (
    (Settings, "every process"),
    (RecorderSettings, "recorder, `andock audit`"),
    (SlackSettings, "bot, courier"),
    (BotSettings, "bot"),
    (ManifestSettings, "`andock manifest`"),
)
_SITES = """
## sites.yaml

The vCenters and engines that Andock manages, in `ANDOCK_CONFIG_DIR`. What is wrong in it stops every process,
with file, line and fix. Secrets are never written here: `{env: NAME}` names a variable of the worker,
`{file: PATH}` a file, beside this one if the path is relative. An example,
[`config/sites.example.yaml`](../config/sites.example.yaml):

"""
_POLICY = """
## policy.yaml

Who may do what. [policy.md](policy.md) explains how rules are matched. An example,
[`config/policy.example.yaml`](../config/policy.example.yaml):

"""
_SERVICES = """
## services/NAME.yaml

One service each, in the words of the Compose specification, in the folder `services` beside sites.yaml.
[deployments.md](deployments.md) explains them. What is not in these tables is refused, with file, line and
fix. An example,
[`config/services.example/api.yaml`](../config/services.example/api.yaml):

"""
_READ_BY = {read_seconds: "time such as `1m30s`", read_bytes: "size such as `512m`"}
_HOOKS = """
## hooks.yaml

The systems that may ask for deployments over HTTP; without the file there are none. Only the bot reads it,
at its start. [hooks.md](hooks.md) says how they ask. An example,
[`config/hooks.example.yaml`](../config/hooks.example.yaml):

"""
_HIDDEN = frozenset({"source", "line"})  # set by the loader


def describe_settings(folder: Path = Path(__file__).parent) -> str:
    """The whole page; `folder` holds the examples."""
    rows = ["| variable | read by | default | meaning |", "|---|---|---|---|", *_environment()]
    return "".join(
        [
            _HEAD,
            "\n".join(rows) + "\n",
            _SITES,
            _fenced(folder / "sites.example.yaml"),
            *_tables(Sites),
            _POLICY,
            _fenced(folder / "policy.example.yaml"),
            *_tables(Policy, _HIDDEN),
            _HOOKS,
            _fenced(folder / "hooks.example.yaml"),
            *_tables(Hooks, but=_below(Sites)),
            _SERVICES,
            _fenced(folder / "services.example" / "api.yaml"),
            *_tables(ComposeFile),
        ]
    )


def _environment() -> Iterator[str]:
    told: set[str] = set()
    for model, readers in _READERS:
        for name, info in model.model_fields.items():
            if name in told:
                continue
            told.add(name)
            default = _default(info)
            yield f"| `{info.validation_alias}` | {readers} | {default} | {_cell(info.description or '')} |"


def _fenced(path: Path) -> str:
    return f"```yaml\n{path.read_text(encoding='utf-8')}```\n"


def _tables(
    root: type[BaseModel], hidden: frozenset[str] = frozenset(), but: Sequence[type[BaseModel]] = ()
) -> Iterator[str]:
    """A table for each model below the root, the root first, but for those told elsewhere on the page."""
    for model in _below(root):
        if model in but:
            continue
        rows = ["| key | value | default | meaning |", "|---|---|---|---|"] if model.model_fields else []
        for name, info in model.model_fields.items():
            if name in hidden:
                continue
            kind, default = _cell(_written(info)), _default(info)
            rows.append(f"| `{info.alias or name}` | {kind} | {default} | {_cell(info.description or '')} |")
        summary = (model.__doc__ or "").strip().splitlines()[0]
        yield f"\n### {_title(model)}\n\n{summary}\n\n" + "\n".join(rows) + "\n"


def _below(root: type[BaseModel]) -> list[type[BaseModel]]:
    found = [root]
    for model in found:
        for info in model.model_fields.values():
            found += [inner for inner in _models(info.annotation) if inner not in found]
    return found


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


def _title(model: type[BaseModel]) -> str:
    return f"`{model.__name__}`"


def _written(info: FieldInfo) -> str:
    """What may be written in a field, in words."""
    readers = [rule.func for rule in info.metadata if isinstance(rule, BeforeValidator)]
    return next((_READ_BY[reader] for reader in readers if reader in _READ_BY), _kind(info.annotation))


def _kind(annotation: Any) -> str:
    """What may stand there, in words."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(parts[0])
    if origin in (typing.Union, types.UnionType):
        kinds = (_kind(part) for part in parts if part is not types.NoneType)
        return " or ".join(dict.fromkeys(kinds))
    if origin is typing.Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is not None and issubclass(origin, Mapping):
        return f"name: {_kind(parts[1])}"
    if origin in (tuple, frozenset):
        return f"list of {_kind(parts[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    words = {
        str: "text", int: "number", float: "number", bool: "true or false", Path: "path",
        timedelta: "time such as `2h`", datetime: "date and time", Globs: "list of patterns",
        ImageName: "image", SecretRef: "`{env: NAME}` or `{file: PATH}`",
    }  # fmt: skip
    return words.get(annotation, str(annotation))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, "", (), frozenset()) or isinstance(value, BaseModel | Mapping):
        return ""
    if isinstance(value, int | float) and any(isinstance(rule, BeforeValidator) for rule in info.metadata):
        return f"`{value:g}s`" if value else ""
    if isinstance(value, timedelta):
        return f"`{write_duration(value)}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(describe_settings(), encoding="utf-8")
