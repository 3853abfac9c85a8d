"""The files of services: right, and their secrets at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from andock.errors import OpsError
from andock.ports.services import SecretRef, Service
from andock.redaction import SHORTEST
from config.credentials import read_secret
from config.redactor import name_reference
from config.services import ServiceFiles, load_service
from config.sites import SecretReference, Sites
from workers.doctor.configuration import check_secret_file
from workers.doctor.findings import Finding, fail_with, ok, warn
from workers.services import reference_of


def check_services(sites: Sites, base: Path) -> tuple[Finding, ...]:
    """Every file in services/, and the secrets that it refers to; whoever runs the doctor can read them."""
    try:
        paths = ServiceFiles(base, sites).paths()
    except OpsError as error:
        return (fail_with("services", error),)
    return tuple(finding for path in paths for finding in _check(path, sites, base))


def name_secrets(sites: Sites, base: Path) -> Iterator[SecretReference]:
    """Where the secrets of all services lie, as far as their files can be read."""
    try:
        paths = ServiceFiles(base, sites).paths()
    except OpsError:
        return
    for path in paths:
        try:
            yield from (reference for _, reference in _secrets(load_service(path, sites)))
        except OpsError:
            continue


def _check(path: Path, sites: Sites, base: Path) -> Iterator[Finding]:
    what = f"service {path.stem}"
    try:
        service = load_service(path, sites)
    except OpsError as error:
        yield fail_with(what, error)
        return
    yield ok(what, f"{service.image.familiar} in {', '.join(service.places)}")
    for name, reference in _secrets(service):
        try:
            value = read_secret(reference, of=what, base=base).get_secret_value()
        except OpsError:
            detail = f"{name_reference(reference)} cannot be read here, and `{name}` comes from there"
            fix = "give it to the workers of its engines and to the doctor."
            yield warn(f"{what} {name}", detail, fix)
            continue
        if len(value) < SHORTEST:
            detail = f"has fewer than {SHORTEST} characters, which are not hidden"
            yield warn(f"{what} {name}", detail, "choose a longer secret.")
        open_file = (
            None
            if reference.file is None
            else check_secret_file(f"{what} {name} file", base / reference.file)
        )
        yield from () if open_file is None else (open_file,)


def _secrets(service: Service) -> Iterator[tuple[str, SecretReference]]:
    for name, value in service.environment.items():
        if isinstance(value, SecretRef):
            yield name, reference_of(value)
