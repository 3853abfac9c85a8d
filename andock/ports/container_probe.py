"""Whether a service answers from outside of its container. Part of `Containers`."""

from __future__ import annotations

from typing import Protocol


class ContainerProbe(Protocol):
    """HTTP from this worker to a container, past the engine."""

    def is_near(self, site: str) -> bool:
        """Whether the engine is on this machine, so that ports which are not published are reached too."""
        ...

    def probe(self, site: str, container: str, port: int, path: str) -> str:
        """GET the path of a TCP port inside the container, within a few seconds.

        Empty for an answer of 2xx or 3xx, else a clause that says why not. Raises as `read_container`.
        """
        ...
