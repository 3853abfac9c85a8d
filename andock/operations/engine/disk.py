"""`engine disk`: what an engine's disk is full of, and what `engine prune` would free."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pydantic import Field

from andock.naming import count, reached, short_id, tell_away
from andock.operation import Backend, Found, Offer, Outcome, Params, Read, Reader, Table
from andock.operations.engine.targets import NAMING_OR_ALL, list_engines, target_of
from andock.ports.engines import Disk, EngineRow, Held
from andock.sizes import write_size

_KINDS = (("image", "images"), ("container", "containers"), ("volume", "volumes"), ("cache", "build cache"))
_LARGEST = 5


class DiskParams(Params):
    """What `engine disk` takes."""

    name: str | None = Field(
        default=None,
        max_length=100,
        description=NAMING_OR_ALL,
        json_schema_extra={"positional": True},
    )


def find_engines(params: DiskParams, ctx: Reader) -> Found[EngineRow]:
    """The engine that is named, or all."""
    listing = list_engines(ctx, params.name)
    rows = tuple((target_of(row), row) for row in listing.rows)
    return Found(rows=rows, notes=tell_away(listing), empty="No engine.")


def show_disk(_params: DiskParams, ctx: Reader, found: Found[EngineRow]) -> Outcome:
    """A line for each kind of thing on each engine, and the largest that nothing uses.

    Raises:
        BackendUnavailableError: not one engine answered.
    """
    listing = reached(ctx.containers.list_disks([row.site for _, row in found.rows]))
    disks = listing.rows
    unused = [(disk.site, held) for disk in disks for held in disk.held if not held.used and held.size > 0]
    largest = sorted(unused, key=lambda pair: pair[1].size, reverse=True)[:_LARGEST]
    used = write_size(sum(size_of(disk, kind) for disk in disks for kind, _ in _KINDS))
    free = write_size(sum(held.size for disk in disks for held in disk.held if is_pruned(held)))
    return Outcome(
        summary=f"{used} on {count(len(disks), 'engine')}; `engine prune` would free up to {free}.",
        table=Table(
            columns=("kind", "number", "used", "size", "prune frees", "prune --all frees", "engine"),
            rows=tuple(_line(disk, kind, title) for disk in disks for kind, title in _KINDS),
        ),
        fields=(("Largest unused", ", ".join(_name(*pair) for pair in largest)),) if largest else (),
        notes=(*found.notes, *tell_away(listing), "Volumes are freed by `volume prune` alone."),
        offers=_offers(disks),
    )


def _offers(disks: Sequence[Disk]) -> tuple[Offer, ...]:
    if len(disks) != 1 or not any(is_pruned(held) for held in disks[0].held):
        return ()
    return (Offer(label="Prune", command=f"engine prune {disks[0].site}", danger=True),)


def size_of(disk: Disk, kind: str) -> int:
    """Bytes of all things of a kind, layers that images share counted once."""
    if kind == "image":
        return disk.layers
    return sum(held.size for held in disk.held if held.kind == kind)


def is_pruned(held: Held, *, everything: bool = False) -> bool:
    """Whether `engine prune` would take it: what nothing uses, of images only those without a name."""
    if held.used or held.kind == "volume":
        return False
    return held.kind != "image" or everything or held.detail == "no name"


def _line(disk: Disk, kind: str, title: str) -> tuple[str, ...]:
    things = [held for held in disk.held if held.kind == kind]
    pruned = sum(held.size for held in things if is_pruned(held))
    all_of_them = sum(held.size for held in things if is_pruned(held, everything=True))
    return (
        title,
        str(len(things)),
        str(sum(held.used for held in things)),
        write_size(size_of(disk, kind)),
        write_size(pruned),
        write_size(all_of_them),
        disk.site,
    )


def _name(site: str, held: Held) -> str:
    name = short_id(held.name) if held.kind == "cache" else held.name
    return f"{held.kind} `{name}` on {site} ({write_size(held.size)})"


ENGINE_DISK = Read(
    name="engine disk",
    summary="What takes room on an engine's disk, by kind, and what a prune would free.",
    params=DiskParams,
    backend=Backend.DOCKER,
    find=find_engines,
    run=show_disk,
    many=True,
    time_limit=timedelta(minutes=2),
    examples=("engine disk edge-1", "engine disk"),
)
