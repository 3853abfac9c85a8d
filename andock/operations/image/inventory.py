"""`image list`, `image info` and `image history`."""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase

from pydantic import Field

from andock.naming import count, list_names, pick, reached, short_id, tell_away
from andock.operation import Backend, Found, Offer, Outcome, Params, Read, Reader, Table
from andock.operations.image.targets import NAMING, names_of, target_of, title_of
from andock.ports.images import Image, ImageRow
from andock.sizes import write_size

_WILD = frozenset("*?[")
_DIGEST = 19  # characters: `sha256:` and twelve digits
_NAMES_SHOWN = 2
_COMMAND_SHOWN = 200


class ListParams(Params):
    """What `image list` takes."""

    name: str | None = Field(
        default=None,
        max_length=200,
        description="Only names like this: `*/team/*`, or a part of the name.",
        json_schema_extra={"positional": True},
    )
    unused: bool = Field(default=False, description="Only those that no container uses.")


class InfoParams(Params):
    """What `image info` and `image history` take."""

    image: str = Field(min_length=1, max_length=500, description=NAMING)


def find_listed(params: ListParams, ctx: Reader) -> Found[ImageRow]:
    """Every image whose name fits."""
    listing = reached(ctx.containers.list_images(ctx.site))
    rows = [row for row in listing.rows if _fits(row, params.name) and not (params.unused and row.used_by)]
    where = ", ".join(listing.searched)
    like = f" like `{params.name}`" if params.name else ""
    return Found(
        rows=tuple((target_of(row), row) for row in rows),
        notes=tell_away(listing),
        empty=f"No{' unused' if params.unused else ''} image{like} on {where}.",
    )


def show_list(_params: ListParams, _ctx: Reader, found: Found[ImageRow]) -> Outcome:
    """One line for each image on each engine."""
    rows = [row for _, row in found.rows]
    used = sum(bool(row.used_by) for row in rows)
    engines = count(len({row.site for row in rows}), "engine")
    return Outcome(
        summary=f"{count(len(rows), 'image')} on {engines}, {used} used by containers.",
        table=Table(
            columns=("image", "digest", "size", "made", "containers", "engine", "environment"),
            rows=tuple(_line(row) for row in rows),
        ),
        notes=found.notes,
    )


def find_one(params: InfoParams, ctx: Reader) -> Found[ImageRow]:
    """The one image of that name."""
    listing = reached(ctx.containers.list_images(ctx.site))
    row = pick("image", params.image, listing, names_of)
    return Found(rows=((target_of(row), row),), notes=tell_away(listing))


def show_info(_params: InfoParams, ctx: Reader, found: Found[ImageRow]) -> Outcome:
    """What the engine knows of it, without the values of variables."""
    row = found.rows[0][1]
    image = ctx.containers.read_image(row.site, row.id)
    named = f"{image.site}/{title_of(image)}"
    return Outcome(
        summary=f"`{title_of(image)}` on {image.site}: "
        f"{write_size(image.size)} in {count(image.layers, 'layer')}.",
        fields=tuple((label, value) for label, value in _fields(image) if value),
        notes=found.notes,
        offers=(Offer(label="History", command=f"image history {named}"),),
    )


def show_history(_params: InfoParams, ctx: Reader, found: Found[ImageRow]) -> Outcome:
    """Its layers, newest first, each with what made it."""
    row = found.rows[0][1]
    image = ctx.containers.read_image(row.site, row.id)
    lines = [
        (
            str(len(image.history) - number),
            write_size(layer.size) if layer.size else "",
            _moment(layer.made_at),
            _cut(layer.command or layer.comment or "(not told)"),
        )
        for number, layer in enumerate(image.history)
    ]
    return Outcome(
        summary=f"`{title_of(image)}` on {image.site} was made in {count(len(lines), 'step')}, "
        f"{count(image.layers, 'layer')} with files, {write_size(image.size)}; `{_digest(image)}`.",
        table=Table(columns=("step", "size", "made", "command"), rows=tuple(lines)),
        notes=found.notes,
    )


def _line(row: ImageRow) -> tuple[str, ...]:
    names = ", ".join(row.names[:_NAMES_SHOWN]) or f"{short_id(row.id)} (no name)"
    more = f" +{len(row.names) - _NAMES_SHOWN}" if len(row.names) > _NAMES_SHOWN else ""
    return (
        names + more,
        _digest(row)[:_DIGEST],
        write_size(row.size),
        _moment(row.made_at),
        str(len(row.used_by)) if row.used_by else "",
        row.site,
        row.environment,
    )


def _fields(image: Image) -> tuple[tuple[str, str], ...]:
    return (
        ("Environment", image.environment),
        ("Names", ", ".join(image.names)),
        ("Digests", ", ".join(image.digests) or "none; it was never pulled or pushed"),
        ("Id", image.id),
        ("Made", _moment(image.made_at)),
        ("Platform", image.platform),
        ("Entrypoint", _cut(image.entrypoint)),
        ("Command", _cut(image.command)),
        ("Health check", _cut(image.health)),
        ("User", image.user or "root"),
        ("Folder", image.folder),
        ("Ports", ", ".join(image.ports)),
        ("Volumes", ", ".join(image.volumes)),
        ("Variables", ", ".join(image.variables)),
        ("Labels", str(len(image.labels)) if image.labels else ""),
        ("Used by", list_names([use.name for use in image.used_by]) or "no container"),
    )


def _digest(row: ImageRow) -> str:
    """By which registries know it; its id where none does."""
    return row.digests[0].partition("@")[2] if row.digests else row.id


def _fits(row: ImageRow, wanted: str | None) -> bool:
    if wanted is None:
        return True
    if _WILD & set(wanted):
        return any(fnmatchcase(name, wanted) for name in row.names)
    return any(wanted.lower() in name.lower() for name in (*row.names, *row.digests))


def _moment(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "?"


def _cut(text: str) -> str:
    return text if len(text) <= _COMMAND_SHOWN else text[: _COMMAND_SHOWN - 1] + "…"


IMAGE_LIST = Read(
    name="image list",
    summary="The images of one engine or of all, with digest, size and how many containers use them.",
    params=ListParams,
    backend=Backend.DOCKER,
    find=find_listed,
    run=show_list,
    many=True,
    examples=("image list", "image list */team/*", "image list --unused --site edge-1"),
)

IMAGE_INFO = Read(
    name="image info",
    summary="One image: names, digests, command, ports, variables' names, who uses it.",
    params=InfoParams,
    backend=Backend.DOCKER,
    find=find_one,
    run=show_info,
    examples=("image info registry.lab:5000/team/web:2.1", "image info edge-1/web"),
)

IMAGE_HISTORY = Read(
    name="image history",
    summary="The layers of an image, each with its size and the command that made it.",
    params=InfoParams,
    backend=Backend.DOCKER,
    find=find_one,
    run=show_history,
    examples=("image history web:2.1", "image history edge-1/web"),
)
