"""Image registries: reached, and the login taken."""

from __future__ import annotations

from pathlib import Path

from andock.errors import OpsError
from config.sites import ImageRegistry
from workers.containers import HttpRegistry
from workers.doctor.configuration import check_secret_file
from workers.doctor.findings import Finding, fail_with, ok, warn


def check_registry(address: str, registry: ImageRegistry, base: Path) -> tuple[Finding, ...]:
    """One registry."""
    what = f"registry {address}"
    port = HttpRegistry({address: registry}, base)
    found: list[Finding] = []
    if registry.insecure:
        detail = "HTTP without TLS: whoever is in between can read the login and change the images"
        found.append(warn(f"{what} tls", detail, "let it have a certificate, and name its CA in ca."))
    if registry.password is not None and registry.password.file is not None:
        open_file = check_secret_file(f"{what} password", base / registry.password.file)
        found += [open_file] if open_file is not None else []
    try:
        port.prepare()
        port.greet(address)
    except OpsError as error:
        return (fail_with(what, error, f"check registries.{address} in sites.yaml."), *found)
    return (
        ok(what, "answers" + ("" if registry.user is None else f", takes the login of {registry.user}")),
        *found,
    )
