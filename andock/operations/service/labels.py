"""What the containers of a service say of themselves, by labels and names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from andock.belonging import SERVICE_LABEL
from andock.ports.registry import ImageName

ENVIRONMENT = "andock.environment"
VERSION = "andock.version"
DIGEST = "andock.digest"
CONFIG = "andock.config"
PARTS = "andock.parts"
SLOT = "andock.slot"
DEPLOYMENT = "andock.deployment"
ASKER = "andock.asker"
MADE = "andock.made"
HEALTHY = "andock.healthy"
MOST_HEALTHY = 5  # versions that a container remembers
_MOMENT = "%Y-%m-%d %H:%M UTC"
_SHORT = 12  # digits of a digest that people read
_KEPT = re.compile(r".*-before-(?P<request>[a-z0-9]+)")


@dataclass(frozen=True, slots=True)
class Version:
    """A tag, and the content that it stood for when it was deployed."""

    tag: str  # empty where a digest alone was asked for
    digest: str

    @classmethod
    def of(cls, name: ImageName) -> Version:
        """The version that an image's resolved name is."""
        return cls(name.tag, name.digest)

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read what `written` wrote."""
        tag, _, digest = text.rpartition("@")
        return cls(tag, digest)

    @property
    def written(self) -> str:
        """`v1.2.3@sha256:...`, or `@sha256:...`."""
        return f"{self.tag}@{self.digest}"

    @property
    def title(self) -> str:
        """What people call it."""
        return self.tag or self.short

    @property
    def short(self) -> str:
        """The first digits of its digest."""
        return self.digest.removeprefix("sha256:")[:_SHORT]

    @property
    def full(self) -> str:
        """`v1.2.3 (0123456789ab)`."""
        return f"{self.tag} ({self.short})" if self.tag else self.short


def name_of(service: str, slot: int) -> str:
    """The name of a replica's container."""
    return f"{service}-{slot}"


def kept_name(service: str, slot: int, request: str) -> str:
    """The name of the container that a deployment set aside."""
    return f"{name_of(service, slot)}-before-{request}"


def keeper_of(name: str) -> str:
    """The deployment that set a container of this name aside, or empty."""
    found = _KEPT.fullmatch(name)
    return found["request"] if found else ""


def write_parts(parts: Mapping[str, str]) -> str:
    """What a configuration is made of, as `ports=0123ab environment.MODE=4567cd`."""
    return " ".join(f"{name.replace(' ', '.', 1)}={digits}" for name, digits in parts.items())


def read_parts(text: str) -> Mapping[str, str]:
    """Read what `write_parts` wrote."""
    pairs = (word.rpartition("=") for word in text.split())
    return {name.replace(".", " ", 1): digits for name, _, digits in pairs}


def labels_of(
    service: str,
    environment: str,
    *,
    version: Version,
    config: str,
    parts: Mapping[str, str],
    slot: int,
    request: str,
    asker: str,
    healthy: Iterable[Version],
) -> Mapping[str, str]:
    """The labels of a container that is made now."""
    return {
        SERVICE_LABEL: service,
        ENVIRONMENT: environment,
        VERSION: version.tag,
        DIGEST: version.digest,
        CONFIG: config,
        PARTS: write_parts(parts),
        SLOT: str(slot),
        DEPLOYMENT: request,
        ASKER: asker,
        MADE: datetime.now(UTC).strftime(_MOMENT),
        HEALTHY: " ".join(known.written for known in healthy),
    }


def remember(version: Version, current: Version, *, well: bool, healthy: Iterable[Version]) -> list[Version]:
    """What a container of a new version remembers to have been healthy before it, newest first.

    `current` is what runs now, whether `well` or not, and remembers `healthy` itself.
    """
    known = {one.digest: one for one in (*([current] if well else []), *healthy)}
    return [one for one in known.values() if one.digest != version.digest][:MOST_HEALTHY]


def forget(version: Version, healthy: Iterable[Version]) -> list[Version]:
    """What a container of an old version, gone back to, remembers: what was healthy before that one."""
    known = list(healthy)
    digests = [one.digest for one in known]
    return known[digests.index(version.digest) + 1 :] if version.digest in digests else []
