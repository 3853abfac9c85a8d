"""What sites.yaml allows on engines: powers over the host, named commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase

from pydantic import Field

from andock.durations import Duration
from andock.operation import Value
from andock.ports.allowances import NamedCommand
from andock.ports.registry import ImageName


class Powers(Value):
    """Lets containers of some images have something of their host."""

    name: str = Field(description="names the rule to people")
    images: tuple[str, ...] = Field(min_length=1, description="globs over images, as under `registries:`")
    may: tuple[str, ...] = Field(
        min_length=1,
        description="globs over powers: `privileged`, `net=host`, `pid=host`, `bind=/proc:*:ro`, "
        "`device=/dev/kvm`, `cap=NET_ADMIN`",
    )


class Command(Value):
    """A command that `container exec` may run."""

    argv: tuple[str, ...] = Field(min_length=1, description="program and arguments; no shell reads them")
    containers: tuple[str, ...] = Field(default=("*",), description="globs over the containers' names")
    within: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        le=timedelta(minutes=5),
        description="time that it may take",
    )
    output: int = Field(default=64, ge=1, le=256, description="KiB of its output that are kept")


@dataclass(frozen=True)
class AllowedByFile:
    """Implements `Allowances`. What is not listed is not allowed."""

    powers: tuple[Powers, ...] = ()
    exec: Mapping[str, Command] = field(default_factory=dict)

    def power(self, image: str, power: str) -> str:
        """The name of the first rule that gives the power, or empty."""
        given = (
            rule.name
            for rule in self.powers
            if _fits(rule.images, image) and any(fnmatchcase(power, glob) for glob in rule.may)
        )
        return next(given, "")

    def command(self, name: str) -> NamedCommand | None:
        """The command of this name."""
        command = self.exec.get(name)
        if command is None:
            return None
        return NamedCommand(
            name=name,
            argv=command.argv,
            containers=command.containers,
            seconds=command.within.total_seconds(),
            most_bytes=command.output * 1024,
        )

    @property
    def commands(self) -> tuple[str, ...]:
        """Names of all commands, as the file has them."""
        return tuple(self.exec)


def _fits(patterns: Iterable[str], image: str) -> bool:
    """Whether a pattern fits the image, by its whole name or as people write it."""
    name = ImageName.parse(image)
    written = {name.familiar, replace(name, tag="", digest="").familiar}
    return any(name.fits(glob) or any(fnmatchcase(text, glob) for text in written) for glob in patterns)
