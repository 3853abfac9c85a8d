"""hooks.yaml: right, its secrets at hand, and policy.yaml speaks of the same hooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from andock.catalogue import load_catalogue
from andock.errors import OpsError
from andock.messages import HOOK_TEAM
from config.hooks import FILE, load_hooks
from config.policy import load_policy
from config.sites import Sites
from workers.doctor.configuration import check_secret_file
from workers.doctor.findings import Finding, fail_with, ok, warn


def check_hooks(sites: Sites, base: Path) -> tuple[Finding, ...]:
    """The hooks, if there are any; whoever runs the doctor can read their secrets."""
    try:
        hooks = load_hooks(base, sites)
    except OpsError as error:
        return (fail_with(FILE, error),)
    readable = [
        check_secret_file(f"hook {name}", base / hook.settings.secret.file)
        for name, hook in hooks.items()
        if hook.settings.secret.file is not None
    ]
    found = [finding for finding in readable if finding is not None]
    found += _compare(set(hooks), _named(sites, base))
    return (*found, ok(FILE, f"hooks {', '.join(hooks)}")) if hooks else tuple(found)


def secrets_of_hooks(sites: Sites, base: Path) -> Iterator[str]:
    """What must not be printed, as far as the file can be read."""
    try:
        hooks = load_hooks(base, sites)
    except OpsError:
        return
    for hook in hooks.values():
        yield hook.secret.get_secret_value()


def _compare(there: set[str], named: set[str] | None) -> Iterator[Finding]:
    if named is None:
        return
    for name in sorted(named - there):
        yield warn(
            f"hook {name}",
            "policy.yaml names it, and hooks.yaml has no such hook",
            "remove it, or mend its name.",
        )
    for name in sorted(there - named):
        fix = f"put `{HOOK_TEAM}:{name}` into a group; see docs/hooks.md."
        yield warn(f"hook {name}", "no group of policy.yaml names it, so it may ask for nothing", fix)


def _named(sites: Sites, base: Path) -> set[str] | None:
    """The hooks that policy.yaml names; None when it is wrong, which is told elsewhere."""
    try:
        policy = load_policy(base / "policy.yaml", operations=load_catalogue(), sites=sites)
    except OpsError:
        return None
    users = {user for group in policy.groups.values() for user in group.users}
    return {user.removeprefix(f"{HOOK_TEAM}:") for user in users if user.startswith(f"{HOOK_TEAM}:")}
