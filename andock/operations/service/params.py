"""What operations on services take."""

from __future__ import annotations

from pydantic import Field, JsonValue

from andock.operation import Params
from andock.operations.service.targets import NAMING

NAME = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
VERSION = r"^(sha256:[0-9a-f]{64}|[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})$"
ENVIRONMENT = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$"
TO: dict[str, JsonValue] = {"lead": "to"}
IN: dict[str, JsonValue] = {"lead": "in"}


class NameParams(Params):
    """A service alone."""

    name: str = Field(pattern=NAME, description=NAMING)


class VersionParams(NameParams):
    """A version of a service in an environment."""

    version: str = Field(pattern=VERSION, description="A tag of its image, or `sha256:...`.")
    environment: str = Field(
        pattern=ENVIRONMENT, description="One of its environments.", json_schema_extra=TO
    )


class ReasonParams(Params):
    """Why a service is changed."""

    reason: str = Field(default="", max_length=300, description="Why; everybody reads it.")


class DeployParams(ReasonParams, VersionParams):
    """What `service deploy` takes."""


class PlaceParams(NameParams):
    """A service in an environment."""

    environment: str = Field(
        pattern=ENVIRONMENT, description="One of its environments.", json_schema_extra=IN
    )
