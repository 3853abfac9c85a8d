"""A bot whose hooks ask for `vm off SERVICE`, which needs no service: `python -m tests.hooked_bot`."""

from __future__ import annotations

import asyncio

from andock.catalogue import Catalogue
from bot.hooks.calls import DeployCall
from bot.server import serve
from config.settings import BotSettings, read_settings


def power_off(_catalogue: Catalogue, call: DeployCall) -> str:
    """The command that a call is here."""
    return f"vm off {call.service}"


if __name__ == "__main__":
    asyncio.run(serve(read_settings(BotSettings), power_off))
