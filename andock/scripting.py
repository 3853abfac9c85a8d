"""The Lua scripts in `scripts/`, each loaded once and run by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.commands.core import Script

_FOLDER = Path(__file__).parent / "scripts"


class Scripts:
    """Runs scripts by name against one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._loaded: dict[str, Script] = {}

    def run(
        self, name: str, keys: Sequence[str], *args: str | bytes | float, within: Pipeline | None = None
    ) -> Any:
        """The script's answer; what it means stands in the head of its file.

        With `within` it is a step of that transaction, and the answer is among those of its end.
        """
        script = self._loaded.get(name)
        if script is None:
            script = self._redis.register_script((_FOLDER / f"{name}.lua").read_text(encoding="utf-8"))
            self._loaded[name] = script
        return script(keys=keys, args=args, client=within)
