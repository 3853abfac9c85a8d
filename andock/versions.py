"""The versions of images as workers last heard of them from registries, for the bot, which has no logins.

It only offers them to people; what is deployed is resolved by a worker, so this is not signed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

import structlog
from pydantic import ValidationError

from andock.ledger import Ledger
from andock.operation import Value
from andock.ports.registry import ImageName, Tag

log = structlog.get_logger()
KEPT = 30 * 86_400  # seconds that nobody asks until it is forgotten


class Listed(Value):
    """An image's newest versions, newest first."""

    at: float  # seconds since the epoch when the registry said so
    tags: tuple[tuple[str, datetime | None], ...]  # each with the time at which the image was made


class VersionIndex:
    """What is known of each image's versions. Raises redis' own errors when Redis is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def put(self, image: ImageName, tags: Sequence[Tag]) -> None:
        """Keep what a registry has just said."""
        listed = Listed(at=time.time(), tags=tuple((tag.name, tag.made) for tag in tags))
        self._ledger.redis.set(self._key(image), listed.model_dump_json(), ex=KEPT)

    def look(self, image: ImageName) -> Listed | None:
        """What was last said; None when nothing is known."""
        stored = self._ledger.redis.get(self._key(image))
        if stored is None:
            return None
        try:
            return Listed.model_validate_json(stored)
        except ValidationError:
            log.warning("versions_not_understood", image=image.path)  # of another release of Andock
            return None

    def _key(self, image: ImageName) -> str:
        return self._ledger.key("versions", image.path)
