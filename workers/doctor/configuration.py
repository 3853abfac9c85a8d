"""The environment, the two YAML files and the keys."""

from __future__ import annotations

import stat
from pathlib import Path

from andock.catalogue import load_catalogue
from andock.errors import OpsError
from andock.privileges import operations_allowed
from andock.redaction import SHORTEST
from andock.signing import AUDIT, SIGNERS, load_audit_key, load_signer, load_verifier
from config.policy import load_policy
from config.redactor import name_reference, read_known
from config.sites import Sites, load_sites
from workers.doctor.findings import Finding, fail, fail_with, ok, warn

_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def check_sites(folder: Path) -> tuple[Sites | None, Finding]:
    """sites.yaml; None when it is wrong, so that nothing can be asked of its sites."""
    try:
        sites = load_sites(folder / "sites.yaml")
    except OpsError as error:
        return None, fail_with("sites.yaml", error)
    return sites, ok("sites.yaml", f"instance {sites.instance}, sites {', '.join(sites.names())}")


def check_policy(folder: Path, sites: Sites | None) -> Finding:
    """policy.yaml against the catalogue and the sites."""
    what = "policy.yaml"
    if sites is None:
        return fail(what, "not checked, because it speaks of the sites", "mend sites.yaml first.")
    try:
        policy = load_policy(folder / "policy.yaml", operations=load_catalogue(), sites=sites)
    except OpsError as error:
        return fail_with(what, error)
    if not policy.rules:
        return warn(what, "has no rule, so everything is denied", "add rules; see docs/policy.md.")
    return ok(what, f"{len(policy.rules)} rules, {len(policy.groups)} groups")


def list_allowed(folder: Path, sites: Sites, site: str) -> tuple[str, ...] | None:
    """The operations that policy.yaml allows on a vCenter; None when it is wrong, which is told elsewhere."""
    catalogue = load_catalogue()
    try:
        policy = load_policy(folder / "policy.yaml", operations=catalogue, sites=sites)
    except OpsError:
        return None
    return tuple(one.name for one in operations_allowed(policy, catalogue, site))


def check_known(sites: Sites, base: Path) -> Finding:
    """What sites.yaml wants hidden; whoever runs the doctor can read all of it."""
    what = "redact"
    values = {name_reference(secret): read_known(secret, base) for secret in sites.redact.secrets}
    unread = [name for name, value in values.items() if value is None]
    if unread:
        fix = "give it to the processes that shall hide it and to the doctor, or remove it from sites.yaml."
        return warn(
            what,
            f"{', '.join(unread)} cannot be read here; a process that cannot read it hides it nowhere",
            fix,
        )
    short = [name for name, value in values.items() if value is not None and len(value) < SHORTEST]
    if short:
        detail = f"{', '.join(short)} has fewer than {SHORTEST} characters, which are not hidden"
        return warn(what, detail, "choose a longer secret.")
    return ok(what, f"{len(values)} secrets, {len(sites.redact.patterns)} patterns besides the built-in ones")


def check_keys(folder: Path) -> tuple[Finding, ...]:
    """The signing keys: all there, private ones the owner's alone, and nobody else may add one."""
    try:
        load_verifier(folder)
        for process in SIGNERS:
            load_signer(folder, process)
        load_audit_key(folder)
    except OpsError as error:
        return (fail_with("keys", error),)
    wrong = [_readable(path) for path in sorted(folder.glob("*.key"))]
    wrong += [_writable(path) for path in (folder, *sorted(folder.glob("*.pub")))]
    found = tuple(finding for finding in wrong if finding is not None)
    return found or (
        ok("keys", f"{', '.join((*SIGNERS, AUDIT))} in {folder}, private ones for their owner only"),
    )


def check_secret_file(what: str, path: Path) -> Finding | None:
    """A warning if others on this machine may read a file that holds a secret."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None  # whoever needs it says that it is not there
    if not mode & _FOR_OTHERS:
        return None
    return warn(what, f"{path} can be read by others ({stat.filemode(mode)})", f"chmod 600 {path}")


def _readable(path: Path) -> Finding | None:
    mode = path.stat().st_mode
    if not mode & _FOR_OTHERS:
        return None
    return fail("keys", f"{path} is not for its owner only ({stat.filemode(mode)})", f"chmod 600 {path}")


def _writable(path: Path) -> Finding | None:
    mode = path.stat().st_mode
    if not mode & _WRITABLE:
        return None
    detail = f"{path} may be written by others ({stat.filemode(mode)}), who could forge requests"
    return fail("keys", detail, f"chmod go-w {path}")
