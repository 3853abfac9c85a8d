"""The freezes of policy.yaml, checked against the catalogue, the groups and sites.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from andock.errors import ConfigError
from andock.freezes import Freeze, flaw_of
from andock.policy import Policy
from config.documents import Document, Place
from config.sites import Sites


def check_freezes(
    document: Document, policy: Policy, *, operations: tuple[str, ...], sites: Sites
) -> tuple[Freeze, ...]:
    """The policy's freezes, each with its line.

    Raises:
        ConfigError: a window that is none, two of one name, or an unknown operation, group or environment.
    """
    for index, freeze in enumerate(policy.freezes):
        place: Place = ("freezes", index)
        flaw = flaw_of(freeze)
        if flaw is not None:
            raise ConfigError(flaw.problem, where=document.where((*place, flaw.key)), fix=flaw.fix)
        earlier = {other.name.casefold() for other in policy.freezes[:index]}
        if freeze.name.casefold() in earlier:
            raise ConfigError(
                f"two freezes are named `{freeze.name}`.",
                where=document.where((*place, "name")),
                fix="give each its own name.",
            )
        for glob in freeze.except_.operations:
            if not any(fnmatchcase(name, glob) for name in operations):
                raise document.unknown((*place, "except", "operations"), "operation", glob, operations)
        groups, approvers = freeze.except_.groups, freeze.override.from_ if freeze.override else ()
        _check(document, (*place, "except", "groups"), "group", groups, tuple(policy.groups))
        _check(document, (*place, "override", "from"), "group", approvers, tuple(policy.groups))
        named = sorted(freeze.environments)
        _check(document, (*place, "environments"), "environment", named, sites.environments)
    return tuple(
        freeze.model_copy(update={"line": document.line(("freezes", index)), "source": document.path.name})
        for index, freeze in enumerate(policy.freezes)
    )


def _check(document: Document, place: Place, what: str, named: Iterable[str], known: tuple[str, ...]) -> None:
    for name in named:
        if name not in known:
            raise document.unknown(place, what, name, known)
