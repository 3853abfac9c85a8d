"""Volumes of a service's file, in the short and in the long form."""

from __future__ import annotations

import posixpath
import re
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from andock.operation import Value

_VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}")
_LONGEST = 3  # parts of the short form


class Mount(Value):
    """A volume, or a folder of the host, in the container; `data:/var/lib/api` or the long form."""

    type: Literal["volume", "bind"] = Field(
        description="a bind is a power: `powers:` in sites.yaml allows it"
    )
    source: str = Field(description="a volume's name, or a whole path of the host")
    target: str = Field(description="a whole path in the container")
    read_only: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("type") == "tmpfs":
            raise ValueError("tmpfs is not supported: mount a volume there")
        if not isinstance(value, str):
            return value
        parts = value.split(":")
        if len(parts) == 1:
            raise ValueError("a volume without a name is lost with its container: name it, `data:/path`")
        if len(parts) > _LONGEST or parts[2:] not in ([], ["ro"], ["rw"]):
            raise ValueError("is no volume; write `data:/var/lib/api` or `/host/path:/inside:ro`")
        kind = "volume" if _VOLUME.fullmatch(parts[0]) else "bind"
        return {"type": kind, "source": parts[0], "target": parts[1], "read_only": parts[2:] == ["ro"]}

    @model_validator(mode="after")
    def _plain_paths(self) -> Self:
        if self.type == "volume" and not _VOLUME.fullmatch(self.source):
            raise ValueError(f"`{self.source}` is no name of a volume")
        for path in (self.source, self.target)[self.type == "volume" :]:
            plain = (
                path.startswith("/") and not path.startswith("//") and ":" not in path and "\0" not in path
            )
            if not plain or posixpath.normpath(path) != _without_slash(path):
                raise ValueError(f"`{path}` is no whole, plain path, such as `/srv/api`")
        return self

    @property
    def inside(self) -> str:
        """Where it is in the container."""
        return _without_slash(self.target)

    def write(self, source: str) -> str:
        """It as `source:target[:ro]`."""
        return f"{_without_slash(source)}:{self.inside}" + (":ro" if self.read_only else "")


def _without_slash(path: str) -> str:
    return path.rstrip("/") or path[:1]
