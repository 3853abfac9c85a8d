"""`service versions`: what there is to deploy, when it was made, and where it runs."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from andock.naming import count
from andock.operation import Backend, Found, Outcome, Read, Reader, Table
from andock.operations.service.labels import Version
from andock.operations.service.params import NameParams
from andock.operations.service.status import Seen, StatusParams, find_status, offer_deploy
from andock.ports.registry import Tag, Versions

MOST = 50  # tags that a registry is asked about; each takes two requests or three
_WITHIN = 15.0  # seconds for all of them
_MOMENT = "%Y-%m-%d %H:%M"


class VersionsParams(NameParams):
    """What `service versions` takes."""

    limit: int = Field(default=15, ge=1, le=MOST, description="How many, newest first.")


def find_versions(params: VersionsParams, ctx: Reader) -> Found[Seen]:
    """The service on each of its engines, for what runs there now."""
    return find_status(StatusParams(name=params.name), ctx)


def show_versions(params: VersionsParams, ctx: Reader, found: Found[Seen]) -> Outcome:
    """A row for each tag. A tag runs where its content does, whatever it was called when it was deployed."""
    image = ctx.services.read(params.name).image
    versions = ctx.registry.versions(image, MOST, min(_WITHIN, ctx.watch.remaining() / 2))
    seen = [one for _, one in found.rows]
    shown = versions.tags[: params.limit]
    first = f"the {len(shown)} newest of {versions.total}" if len(shown) < versions.total else "newest first"
    return Outcome(
        summary=f"`{params.name}`: versions of `{image.path}`, {first}.",
        table=Table(
            columns=("version", "made (UTC)", "digest", "runs in"),
            rows=tuple(_row(tag, seen) for tag in shown),
        ),
        notes=(*found.notes, *_note(versions)),
        offers=(offer_deploy(params.name),),
    )


def _row(tag: Tag, seen: Iterable[Seen]) -> tuple[str, ...]:
    runs = dict.fromkeys(
        one.environment
        for one in seen
        if one.standing is not None and tag.digest in {known.digest for known in one.standing.versions}
    )
    made = "" if tag.made is None else tag.made.strftime(_MOMENT)
    return (tag.name, made, Version(tag.name, tag.digest).short, ", ".join(runs))


def _note(versions: Versions) -> tuple[str, ...]:
    """What the registry was not asked for, or has not answered."""
    asked = min(MOST, versions.total)
    notes = []
    if asked < versions.total:
        notes.append(
            f"Only the {asked} highest of {versions.total} tags were asked for; any can be deployed."
        )
    if len(versions.tags) < asked:
        missing = count(asked - len(versions.tags), "tag")
        notes.append(f"Of {missing} the registry said nothing in time.")
    return tuple(notes)


SERVICE_VERSIONS = Read(
    name="service versions",
    summary="The versions that its registry holds, when each was made, and where it runs.",
    params=VersionsParams,
    backend=Backend.DOCKER,
    find=find_versions,
    run=show_versions,
    many=True,
    examples=("service versions api",),
)
