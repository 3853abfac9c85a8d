"""Managed objects by id: the form in which they are kept and passed on."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from pyVmomi.SoapAdapter import SoapStubAdapter

R = TypeVar("R")


def refer(kind: type[R], identifier: str, stub: SoapStubAdapter) -> R:
    """The object of this kind and id, to be called through this stub; nothing is sent."""
    return cast("R", cast("Any", kind)(identifier, stub))


def id_of(reference: Any) -> str:
    """A managed object's id, such as `vm-57`; empty for none."""
    return "" if reference is None else str(reference._GetMoId())  # noqa: SLF001  pyVmomi's only way to ask
