"""What operations ask of image registries. Implemented in `workers.containers.registry`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Protocol

from andock.errors import UserError

HUB = "docker.io"
LATEST = "latest"
_HOST = re.compile(r"(?:[a-zA-Z0-9][a-zA-Z0-9.-]*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image as people name it, with everything that the name leaves out filled in."""

    registry: str  # host and port, `docker.io` where none is written
    repository: str  # `team/web`
    tag: str = ""  # empty with a digest alone
    digest: str = ""  # sha256:...

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """Read `registry:port/team/web:1.2@sha256:...`; a name without tag and digest has the tag `latest`.

        Raises:
            UserError: it is no image's name; says which part is not.
        """
        rest, _, digest = text.strip().partition("@")
        if digest and not _DIGEST.fullmatch(digest):
            raise _no_name(text, "after `@` comes sha256: and 64 hexadecimal digits")
        first, slash, path = rest.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost"):
            registry, rest = first, path
        else:
            registry = HUB
        repository, colon, tag = rest.partition(":")
        if registry == HUB and "/" not in repository:
            repository = f"library/{repository}"
        if not _HOST.fullmatch(registry):
            raise _no_name(text, f"`{registry}` is no registry's address")
        if not _REPOSITORY.fullmatch(repository):
            raise _no_name(text, "lower case letters and digits, parts joined by . _ - and /")
        if colon and not _TAG.fullmatch(tag):
            raise _no_name(text, "a tag is at most 128 letters, digits and . _ -")
        return cls(registry, repository, tag or ("" if digest else LATEST), digest)

    @property
    def path(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar(self) -> str:
        """As engines show it: without what Docker Hub's names leave out."""
        path = self.path
        if self.registry == HUB:
            path = self.repository.removeprefix("library/")
        return path + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def pinned(self) -> str:
        """The one content that the digest names, as an engine pulls it."""
        return f"{self.path}@{self.digest}"

    def at(self, digest: str) -> ImageName:
        """This name with the digest that it stands for."""
        return replace(self, digest=digest)

    def fits(self, pattern: str) -> bool:
        """Whether a pattern of an allow list speaks of it: `registry.lab:5000/team/*`, `.../web:2.*`.

        `*` takes slashes too. The port must be the same; a pattern without a tag allows every tag.
        """
        return fnmatchcase(self.path, pattern) or fnmatchcase(f"{self.path}:{self.tag}", pattern)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a registry holds under a name now."""

    name: ImageName  # with the digest; that of the list where there is one for several platforms
    platforms: tuple[str, ...] = ()  # `linux/amd64`; empty for an image of one platform
    size: int = 0  # bytes to transfer, compressed; 0 where it depends on the platform


@dataclass(frozen=True, slots=True)
class Tag:
    """One version of an image."""

    name: str
    digest: str  # of what it stands for now
    made: datetime | None  # when the image was made, in UTC; None where the image does not say


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of an image, as far as its registry was asked for them."""

    tags: tuple[Tag, ...]  # the newest first; those without a date at the end
    total: int  # how many tags there are


class Registry(Protocol):
    """The registries in sites.yaml; no image of any other is pulled or run."""

    def check_allowed(self, name: ImageName) -> None:
        """Let a name pass that sites.yaml allows; asks nobody.

        Raises:
            ImageNotAllowedError: says what is allowed.
        """
        ...

    def resolve(self, name: ImageName) -> Resolved:
        """What the name stands for now. The registry is asked only about what is allowed.

        Raises:
            ImageNotAllowedError: as `check_allowed`.
            TargetNotFoundError: the registry has no such image; says the nearest tags.
            BackendUnavailableError: the registry does not answer.
            BackendRejectedError: it does not let us see the image.
        """
        ...

    def tags(self, name: ImageName) -> tuple[str, ...]:
        """The repository's tags, at most 1,000, sorted. Raises as `resolve`."""
        ...

    def versions(self, name: ImageName, most: int, within: float) -> Versions:
        """The repository's tags with what they stand for and when that was made.

        Of many tags the `most` highest are asked for, by the numbers in their names; what is not known after
        `within` seconds is left out. Raises as `resolve`.
        """
        ...


def _no_name(text: str, why: str) -> UserError:
    return UserError(f"`{text[:200]}` is no name of an image: {why}.")
