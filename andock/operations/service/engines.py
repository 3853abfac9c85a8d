"""What engines are asked before a deployment, side by side: each may be slow while it works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from andock.operation import Reader
from andock.operations.service.standing import Standing
from andock.ports.registry import Resolved

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Readiness:
    """What one engine has for an image that is to come in, and what its containers get back."""

    has_image: bool
    free: int | None  # bytes on its disk, where the image is to be pulled and the engine is on this machine
    restarts: Mapping[str, str]  # restart policies of the service's containers, by id


def ask_each(sites: Iterable[str], ask: Callable[[str], T]) -> dict[str, T]:
    """Each engine's answer, in the order of the engines; the first of them that fails is raised."""
    names = tuple(sites)
    with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="engine") as threads:
        return dict(zip(names, threads.map(ask, names), strict=True))


def read_readiness(
    standings: Mapping[str, Standing], resolved: Resolved, ctx: Reader
) -> dict[str, Readiness]:
    """How ready each of these engines is for the image.

    Raises:
        BackendUnavailableError: one does not answer.
        TargetNotFoundError: a container of the service has just gone.
    """
    return ask_each(standings, lambda site: _read_one(standings[site], resolved, ctx))


def _read_one(standing: Standing, resolved: Resolved, ctx: Reader) -> Readiness:
    site = standing.site
    with ThreadPoolExecutor(1, thread_name_prefix="restarts") as threads:
        # an engine that looks after a container's health at this moment takes its time to tell of it
        restarts = threads.submit(_read_restarts, standing, ctx)
        has_image = ctx.containers.local_image(site, resolved.name.pinned) is not None
        free = None if has_image or not resolved.size else ctx.containers.free_space(site)
    return Readiness(has_image=has_image, free=free, restarts=restarts.result())


def _read_restarts(standing: Standing, ctx: Reader) -> dict[str, str]:
    return {
        replica.id: ctx.containers.read_limits(standing.site, replica.id).restart
        for replica in standing.current.values()
    }
