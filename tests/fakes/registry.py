"""A registry in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from andock.errors import BackendUnavailableError, TargetNotFoundError
from andock.ports.registry import ImageName, Resolved, Tag, Versions
from andock.refusals import ImageNotAllowedError


@dataclass
class FakeRegistry:
    """Implements `Registry`."""

    allow: Sequence[str] = ("registry.lab:5000/*",)
    held: dict[str, str] = field(default_factory=dict)  # name with its tag -> digest
    made: dict[str, datetime] = field(default_factory=dict)  # by digest
    silent: set[str] = field(default_factory=set)  # tags that it does not answer for
    away: str = ""
    asked: list[str] = field(default_factory=list)

    def hold(self, name: str, digest: str) -> None:
        self.held[name] = digest

    def check_allowed(self, name: ImageName) -> None:
        if not any(name.fits(pattern) for pattern in self.allow):
            raise ImageNotAllowedError(name.familiar, self.allow)

    def resolve(self, name: ImageName) -> Resolved:
        self._ask(name)
        tagged = f"{name.path}:{name.tag}"
        digest = self.held.get(tagged, "")
        if name.digest and name.digest in self.held.values():
            digest = name.digest
        if not digest:
            near = [known for known in self.held if known.startswith(f"{name.path}:")]
            raise TargetNotFoundError("image", name.familiar, searched=(name.registry,), similar=near)
        return Resolved(name.at(digest), size=1000)

    def tags(self, name: ImageName) -> tuple[str, ...]:
        self._ask(name)
        found = [known.rpartition(":")[2] for known in self.held if known.startswith(f"{name.path}:")]
        if not found:
            raise TargetNotFoundError("image", name.familiar, searched=(name.registry,))
        return tuple(sorted(found))

    def versions(self, name: ImageName, most: int, within: float) -> Versions:  # noqa: ARG002  it is at once
        names = self.tags(name)
        held = {tag: self.held[f"{name.path}:{tag}"] for tag in sorted(names, reverse=True)[:most]}
        known = [
            Tag(tag, digest, self.made.get(digest)) for tag, digest in held.items() if tag not in self.silent
        ]
        known.sort(key=lambda tag: tag.made.timestamp() if tag.made else 0.0, reverse=True)
        return Versions(tuple(known), len(names))

    def _ask(self, name: ImageName) -> None:
        self.check_allowed(name)
        self.asked.append(name.familiar)
        if self.away:
            raise BackendUnavailableError(f"Registry `{name.registry}`", self.away)
