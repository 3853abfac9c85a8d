"""The `Registry` port of a worker, which keeps the versions that it hears of where the bot finds them."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from andock.ports.registry import ImageName, Registry, Resolved, Versions
from andock.versions import VersionIndex

log = structlog.get_logger()


@dataclass(frozen=True)
class KeepingRegistry:
    """Implements `Registry` over another one."""

    registry: Registry
    index: VersionIndex

    def check_allowed(self, name: ImageName) -> None:
        """See `Registry`."""
        self.registry.check_allowed(name)

    def resolve(self, name: ImageName) -> Resolved:
        """See `Registry`."""
        return self.registry.resolve(name)

    def tags(self, name: ImageName) -> tuple[str, ...]:
        """See `Registry`."""
        return self.registry.tags(name)

    def versions(self, name: ImageName, most: int, within: float) -> Versions:
        """See `Registry`."""
        found = self.registry.versions(name, most, within)
        try:
            self.index.put(name, found.tags)
        except RedisError as error:  # the answer is there all the same
            log.warning("versions_not_kept", image=name.path, error=type(error).__name__)
        return found
