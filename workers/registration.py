"""`andock vcenter register` and `unregister`: Andock as an extension of its vCenters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import click

from andock import __version__
from andock.errors import OpsError
from andock.operation import Backend
from config.installation import Installation
from config.settings import Settings
from workers.vcenters import open_vcenters
from workers.vsphere import extension
from workers.vsphere.session import Session

_Do: TypeAlias = Callable[[Session], str]


def register_all(installation: Installation, settings: Settings, sites: tuple[str, ...]) -> bool:
    """Register on these vCenters, or on all, and say so line by line; whether all went well."""
    instance, operations = installation.sites.instance, tuple(installation.catalogue)

    def register(session: Session) -> str:
        is_new = extension.register(session, instance, __version__, operations)
        key = extension.key_of(instance)
        return f"registered as `{key}`" if is_new else f"`{key}` was registered, and is up to date"

    return _on_each(installation, settings, sites, register)


def unregister_all(installation: Installation, settings: Settings, sites: tuple[str, ...]) -> bool:
    """Take the registration away from these vCenters, or from all; as `register_all`."""
    instance = installation.sites.instance

    def unregister(session: Session) -> str:
        return "no longer registered" if extension.unregister(session, instance) else "was not registered"

    return _on_each(installation, settings, sites, unregister)


def _on_each(installation: Installation, settings: Settings, sites: tuple[str, ...], do: _Do) -> bool:
    names = sites or installation.sites.names(Backend.VSPHERE)
    sessions = open_vcenters(installation, settings, names)
    went_well = True
    for name in names:
        session = sessions.open(name)
        try:
            click.echo(f"{name}: {do(session)}")
        except OpsError as error:
            went_well = False
            click.echo(f"{name}: {error.sentence}", err=True)
        finally:
            session.close()
    return went_well
