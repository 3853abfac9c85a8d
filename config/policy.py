"""policy.yaml, checked against the catalogue and sites.yaml before a process starts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from andock.conditions import Kind, asked_kinds, kind_of
from andock.errors import ConfigError
from andock.operation import Operation
from andock.patterns import Globs
from andock.rulebook import EVERYONE, Policy, Rule
from config.documents import Document, Place
from config.freezes import check_freezes
from config.sites import Sites

_CHANNEL = re.compile(r"[CDG][A-Z0-9]+|cli")
_USER = re.compile(r"[UW][A-Z0-9]+|(cli|hook|schedule):\S+")
_USERS = "`U...`, `cli:NAME` on the host, `hook:NAME` or `schedule:NAME`"
_USERGROUP = re.compile(r"S[A-Z0-9]+")


def load_policy(path: Path, *, operations: Iterable[Operation], sites: Sites) -> Policy:
    """The policy, with the line of each rule.

    Raises:
        ConfigError: an unknown key, operation, parameter, group, environment or site, or what is no id of
            Slack's; names file, line and fix.
    """
    document = Document(path)
    policy = document.parse(Policy)
    known = tuple(operations)
    _check_groups(document, policy)
    for index, rule in enumerate(policy.rules):
        _check_rule(document, index, rule, policy, sites)
        _check_operations(document, index, rule, known)
    _check_rule_names(document, [rule.name for rule in policy.rules])
    rules = tuple(
        rule.model_copy(update={"line": document.line(("rules", index))})
        for index, rule in enumerate(policy.rules)
    )
    names = tuple(operation.name for operation in known)
    freezes = check_freezes(document, policy, operations=names, sites=sites)
    limits = policy.limits.model_copy(update={"line": document.line(("limits",))})
    return policy.model_copy(
        update={"rules": rules, "freezes": freezes, "limits": limits, "source": path.name}
    )


def _check_groups(document: Document, policy: Policy) -> None:
    if EVERYONE in policy.groups:
        raise ConfigError(
            f"`{EVERYONE}` cannot be a group of yours: it means all full members.",
            where=document.where(("groups", EVERYONE)),
            fix="give the group another name.",
        )
    for name, group in policy.groups.items():
        place: Place = ("groups", name)
        _check_ids(document, place, group.users, _USER, "user", _USERS)
        _check_ids(document, place, group.usergroups, _USERGROUP, "user group", "`S...`")


def _check_rule(document: Document, index: int, rule: Rule, policy: Policy, sites: Sites) -> None:
    groups = tuple(policy.groups)
    _check_names(document, index, "to", rule.to, (*groups, EVERYONE), "group")
    _check_names(document, index, "environments", rule.environments, sites.environments, "environment")
    _check_names(document, index, "sites", rule.sites, sites.names(), "site")
    _check_ids(document, ("rules", index, "channels"), rule.channels, _CHANNEL, "channel", "`C...`, or `cli`")
    if rule.approvals is not None:
        _check_names(document, index, "approvals", rule.approvals.from_, groups, "group")
    if rule.break_glass is not None:
        told = [name for name in rule.break_glass.tell if not _CHANNEL.fullmatch(name)]
        _check_names(document, index, "break_glass", (*rule.break_glass.to, *told), groups, "group")


def _check_operations(document: Document, index: int, rule: Rule, known: tuple[Operation, ...]) -> None:
    key = "allow" if rule.allow else "deny"
    names = tuple(operation.name for operation in known)
    for position, glob in enumerate(rule.operations):
        if not any(Globs((glob,)).fits(name) for name in names):
            raise document.unknown(("rules", index, key, position), "operation", glob, names)
    matched = [operation for operation in known if rule.operations.fits(operation.name)]
    _check_params(document, index, rule, matched)


def _check_params(document: Document, index: int, rule: Rule, matched: list[Operation]) -> None:
    """Every parameter is one of an operation that the rule speaks of, and holds what is asked of it."""
    offered = dict.fromkeys(name for operation in matched for name in operation.params.model_fields)
    for name, condition in rule.params.items():
        place: Place = ("rules", index, "params", name)
        if name not in offered:
            raise document.unknown(place, "parameter", name, tuple(offered))
        for operation in matched:
            field = operation.params.model_fields.get(name)
            kind = kind_of(field.annotation) if field is not None else None
            if kind is not None and kind not in asked_kinds(condition):
                raise ConfigError(
                    f"`{name}` of `{operation.name}` is {kind.value}.",
                    where=document.where(place),
                    fix=_SPEAK_OF[kind].format(name=name),
                )
    if rule.params and not any(rule.params.keys() <= one.params.model_fields.keys() for one in matched):
        raise ConfigError(
            f"no operation has all of {', '.join(f'`{name}`' for name in rule.params)}.",
            where=document.where(("rules", index, "params")),
            fix="make a rule for each, or leave one out.",
        )


_SPEAK_OF = {
    Kind.FLAG: "write `{name}: true` or `{name}: false`.",
    Kind.TEXT: 'write patterns, as in `{name}: ["web-*"]`.',
    Kind.NUMBER: "write bounds, as in `{name}: {{max: 5}}`.",
    Kind.TIME: "write bounds, as in `{name}: {{max: 10m}}`.",
    Kind.OTHER: "leave it out.",
}


def _check_rule_names(document: Document, names: list[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(
                f"two rules are named `{name}`.",
                where=document.where(("rules", index)),
                fix="give each its own name.",
            )


def _check_names(
    document: Document, index: int, key: str, named: Iterable[str], known: tuple[str, ...], what: str
) -> None:
    for name in named:
        if name not in known:
            raise document.unknown(("rules", index, key), what, name, known)


def _check_ids(
    document: Document, place: Place, ids: Iterable[str], shape: re.Pattern[str], what: str, written: str
) -> None:
    for name in ids:
        if not shape.fullmatch(name):
            raise ConfigError(
                f"`{name}` is no id of a {what}.",
                where=document.where(place),
                fix=f"write the id that Slack shows for it: {written}.",
            )
