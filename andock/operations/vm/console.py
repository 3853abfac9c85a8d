"""`vm console`: where a person can open a VM's console after a login of their own."""

from __future__ import annotations

from pydantic import Field

from andock.operation import Backend, Found, Link, Outcome, Params, Read, Reader
from andock.operations.vm.targets import NAMING, resolve_one, target_of
from andock.ports.vsphere import Vm


class ConsoleParams(Params):
    """What `vm console` takes."""

    vm: str = Field(min_length=1, max_length=300, description=NAMING)


def find_one(params: ConsoleParams, ctx: Reader) -> Found[Vm]:
    """The VM that is meant; raises as `resolve_one`."""
    vm, _ = resolve_one(params.vm, ctx)
    return Found(rows=((target_of(vm), vm),))


def show_links(params: ConsoleParams, ctx: Reader, found: Found[Vm]) -> Outcome:
    """Two addresses; a ticket would let everybody in the channel in as Andock, so there is none."""
    del params
    vm = found.rows[0][1]
    links = ctx.vsphere.client_links(vm.site, vm.id)
    return Outcome(
        summary=f"`{vm.name}` is {vm.power.value}. Its console opens after your own login at {vm.site}.",
        fields=(("vSphere Client", links.page), ("Remote Console", links.remote_console)),
        links=(Link(label="Open in the vSphere Client", url=links.page),),
        notes=found.notes,
    )


VM_CONSOLE = Read(
    name="vm console",
    summary="Links to a VM's console; you log in there as yourself.",
    params=ConsoleParams,
    backend=Backend.VSPHERE,
    find=find_one,
    run=show_links,
    examples=("vm console web-01",),
)
