"""What a service's file may say: the words of the Compose specification that Andock knows, and `x-andock`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from andock.operation import Value
from andock.ports.registry import ImageName
from andock.ports.services import SecretRef
from config.interpolation import read_image
from config.mounts import Mount
from config.publishing import Port
from config.quantities import Bytes, Seconds

LEAST_MEMORY, LEAST_TIME = 6 * 1024**2, 0.001  # bytes and seconds that an engine demands
_VARIABLE = re.compile(r"[^=\s\0]{1,200}")
_SECRET = "a secret is {env: NAME} or {file: PATH}, and the variables are a map then"  # noqa: S105  no secret


def _words(value: Any) -> Any:
    """A command: a list, or text that is split as a shell would."""
    if isinstance(value, str):
        value = shlex.split(value)
    if value in ([], None):
        raise ValueError("is empty; leave it out, and the image's own is run")
    return value


def _pairs(value: Any) -> Any:
    """A map, or a list of `key=value`."""
    if not isinstance(value, list):
        return value
    if not all(isinstance(item, str) for item in value):
        raise ValueError("a list holds `key=value`; a secret needs the map, `NAME: {env: NAME}`")
    pairs: dict[str, Any] = {}
    for item in value:
        key, equals, text = item.partition("=")
        if key in pairs:
            raise ValueError(f"`{key}` is there twice")
        pairs[key] = text if equals else None
    return pairs


def _text_or_secret(value: Any) -> Any:
    if value is None:
        raise ValueError("has no value, and none is taken from a shell: write one, or {env: NAME}")
    if isinstance(value, str) and re.match(r"\{\s*(env|file)\s*:", value):
        raise ValueError(_SECRET)
    match value:
        case {"env": str(name)} if name and len(value) == 1:
            return SecretRef("env", name)
        case {"file": str(name)} if name and len(value) == 1:
            return SecretRef("file", name)
        case dict():
            raise ValueError(_SECRET)
    return value


def _names(value: Any) -> Any:
    """Networks: a list of names, or a map."""
    if isinstance(value, list):
        if not all(isinstance(name, str) for name in value):
            raise ValueError("is a list of names")
        return {name: {} for name in value}
    return (
        {name: {} if how is None else how for name, how in value.items()}
        if isinstance(value, dict)
        else value
    )


def _nothing_said(value: Any) -> Any:
    """A network or volume that is only named."""
    return {} if value is None else value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
TextOrSecret = Annotated[str | SecretRef, BeforeValidator(_text_or_secret)]
Label = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
Image = Annotated[ImageName, BeforeValidator(read_image)]


class Healthcheck(Value):
    """How the engine tells whether a container is healthy; what is left out is as the image has it."""

    test: tuple[str, ...] = Field(
        default=(), description="`[CMD, ...]`, `[CMD-SHELL, text]`, `[NONE]`, or text for a shell"
    )
    interval: Seconds = 0.0
    timeout: Seconds = 0.0
    start_period: Seconds = 0.0
    retries: int = Field(default=0, ge=0, le=1000)
    disable: bool = Field(default=False, description="without the image's own check too")

    @field_validator("test", mode="before")
    @classmethod
    def _shell(cls, value: Any) -> Any:
        return ["CMD-SHELL", value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        kind, *words = self.test or ("",)
        if self.disable and kind not in ("", "NONE"):
            raise ValueError("it has a test and is disabled; keep one of them")
        known = {"": True, "NONE": not words, "CMD": bool(words), "CMD-SHELL": len(words) == 1}
        if not known.get(kind):
            raise ValueError("a test is [CMD, program, ...], [CMD-SHELL, text] or [NONE]")
        if any(0 < time < LEAST_TIME for time in (self.interval, self.timeout, self.start_period)):
            raise ValueError("an engine takes no times below 1ms")
        return self


class ResourceLimits(Value):
    """What a container may take at most."""

    cpus: float = Field(default=0.0, ge=0.01, le=4096, description="CPUs, `0.5`")
    memory: Bytes = Field(default=0, ge=LEAST_MEMORY, description="`512m`; an engine wants at least 6m")
    pids: int = Field(default=0, ge=1, le=4_000_000, description="processes and threads")


class Resources(Value):
    """What a container may use."""

    limits: ResourceLimits = ResourceLimits()


class UpdateConfig(Value):
    """How a new version comes in."""

    parallelism: int = Field(default=1, ge=0, le=1000, description="engines at a time; 0 for all at once")
    delay: Seconds = Field(default=0.0, description="time between two batches")
    order: Literal["stop-first", "start-first"] = "stop-first"
    failure_action: Literal["pause", "rollback", "continue"] = "pause"
    monitor: Seconds = Field(default=5.0, description="how long a new container must stay up and healthy")
    max_failure_ratio: float = Field(default=0.0, ge=0, le=1, description="of the engines, from 0 to 1")


class RollbackConfig(UpdateConfig):
    """How an old version comes back."""

    failure_action: Literal["pause", "continue"] = "pause"


class Deploy(Value):
    """How many containers there are, and how they are exchanged."""

    mode: Literal["replicated", "global"] = Field(
        default="replicated", description="`global`: one on each engine"
    )
    replicas: int = Field(default=1, ge=1, le=100, description="containers on each engine")
    resources: Resources = Resources()
    update_config: UpdateConfig = UpdateConfig()
    rollback_config: RollbackConfig = RollbackConfig()

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if self.mode == "global" and self.replicas != 1:
            raise ValueError("with `mode: global` there is one on each engine; leave out `replicas`")
        return self


class Joined(Value):
    """How a service is in a network: the service's name is its alias there."""


class ServicePlace(Value):
    """One environment of a service."""

    engines: tuple[str, ...] = Field(min_length=1, description="sites, in the order of a roll-out")
    after: str = Field(
        default="",
        description="the environment before: what is not healthy there is warned of, and not promoted",
    )


class HttpCheck(Value):
    """A request that a new container must answer with 2xx or 3xx, besides its health check."""

    http: str = Field(pattern=r"^/[!-~]*$", max_length=500, description="path, `/ready`")
    port: int = Field(ge=1, le=65535, description="in the container")
    within: Seconds = Field(
        default=60.0, le=3600, description="how long it may fail, once the container is healthy"
    )


class Extension(Value):
    """`x-andock`: what Compose has no words for."""

    environments: Mapping[str, ServicePlace] = Field(
        min_length=1, description="where it runs, by environment"
    )
    checks: tuple[HttpCheck, ...] = ()
    announce: str = Field(
        default="",
        pattern=r"^(#[^\s#]+|[CG][A-Z0-9]{2,})?$",
        max_length=81,
        description="a channel that is told of every deployment, `#releases` or its id",
    )


class ComposeService(Value):
    """The one service of a file."""

    image: Image = Field(description="with a tag, or `:${VERSION}` where the version is always named")
    command: Words | None = Field(default=None, description="instead of the image's; a list, or text")
    environment: Annotated[Mapping[str, TextOrSecret], BeforeValidator(_pairs)] = Field(
        default_factory=dict, description="a map, or a list of `NAME=value`"
    )
    ports: tuple[Port, ...] = ()
    volumes: tuple[Mount, ...] = ()
    networks: Annotated[Mapping[str, Joined], BeforeValidator(_names)] = Field(
        default_factory=dict, description="a list of names, or a map; the engines have them"
    )
    network_mode: Literal["host"] | None = Field(
        default=None, description="the host's own network; a power: `powers:` in sites.yaml allows it"
    )
    healthcheck: Healthcheck | None = None
    labels: Annotated[Mapping[str, Label], BeforeValidator(_pairs)] = Field(
        default_factory=dict, description="a map, or a list of `key=value`; policy may speak of them"
    )
    deploy: Deploy = Deploy()
    restart: Literal["no", "always", "on-failure", "unless-stopped"] = "no"
    stop_grace_period: Seconds = Field(default=10.0, le=3600, description="from TERM to KILL")
    x_andock: Extension | None = Field(default=None, alias="x-andock")

    @field_validator("environment")
    @classmethod
    def _variables(cls, value: Mapping[str, str | SecretRef]) -> Mapping[str, str | SecretRef]:
        for name in value:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"`{name[:50]}` is no name of a variable")
        return value

    @model_validator(mode="after")
    def _one_network_mode(self) -> Self:
        if self.network_mode and (self.networks or self.ports):
            raise ValueError("with `network_mode: host` there are no `networks` and no `ports`")
        return self


class Declaration(Value):
    """A network or volume that the engines have."""

    external: bool = Field(
        default=False, description="the engines must have it; a network always so, a volume is made otherwise"
    )
    name: str = Field(
        default="",
        pattern=r"^([a-zA-Z0-9][a-zA-Z0-9_.-]*)?$",
        description="what engines know it by; left out: its key",
    )


Declarations = Mapping[str, Annotated[Declaration, BeforeValidator(_nothing_said)]]


class ComposeFile(Value):
    """One file of config/services/, named after its service."""

    services: Mapping[str, ComposeService] = Field(min_length=1, max_length=1, description="exactly one")
    networks: Declarations = Field(default_factory=dict)
    volumes: Declarations = Field(default_factory=dict)
    version: str = Field(default="", description="means nothing, as in the specification")
    name: str = Field(default="", description="means nothing here: no name is put before others")
    x_andock: Extension | None = Field(default=None, alias="x-andock", description="here or in the service")
