"""Typed names become images."""

from __future__ import annotations

from collections.abc import Iterable

from andock.errors import UserError
from andock.naming import engine_key, short_id
from andock.operation import Target
from andock.ports.images import ImageRow
from andock.ports.registry import ImageName

NAMING = "Name with its tag (without one: `latest`), `engine/name`, digest, or 12 or more digits of its id."


def names_of(row: ImageRow) -> Iterable[str]:
    """Everything that it may be typed as, the usual name first."""
    for known in (*row.names, *row.digests):
        yield known
    for known in row.names:
        try:
            name = ImageName.parse(known)
        except UserError:  # an engine lets in names that no registry would
            continue
        yield from (name.familiar, f"{name.path}:{name.tag}")
        if name.tag == "latest":
            yield from (name.familiar.removesuffix(":latest"), name.path)


def title_of(row: ImageRow) -> str:
    """How people know it."""
    return row.names[0] if row.names else short_id(row.id)


def target_of(row: ImageRow) -> Target:
    """What policy judges."""
    return Target(
        kind="image",
        site=row.site,
        id=row.id,
        name=title_of(row),
        environment=row.environment,
        labels=tuple(f"{key}={value}" for key, value in sorted(row.labels.items())),
        parents=(engine_key(row.site),),
    )
