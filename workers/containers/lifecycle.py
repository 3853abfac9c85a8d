"""Start, stop and restart: one call each, and no second try. All raise the SDK's errors."""

from __future__ import annotations

from workers.containers.engines import EngineClient


def start(client: EngineClient, container: str) -> None:
    """Start it; a running one stays as it is."""
    client.start(container)


def stop(client: EngineClient, container: str, grace: int) -> None:
    """Stop it; the SDK waits for the answer `grace` seconds longer than READ_SECONDS."""
    client.stop(container, timeout=grace)


def restart(client: EngineClient, container: str, grace: int) -> None:
    """Stop and start it, waiting as `stop`."""
    client.restart(container, timeout=grace)
