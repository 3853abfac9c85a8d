"""Moves of VMs between hosts and datastores: asked about first, then made."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from andock.errors import BackendRejectedError
from andock.ports.vsphere import TaskRef, Verdict
from andock.ports.watch import Watch
from workers.vsphere.faults import say_fault
from workers.vsphere.lifecycle import pool_of
from workers.vsphere.properties import collect, of_kind, walk
from workers.vsphere.references import id_of, refer
from workers.vsphere.session import Session
from workers.vsphere.tasks import UnfollowedTaskError, await_task
from workers.vsphere.vcenters import Vcenters

_RelocateSpec: Any = vim.vm.RelocateSpec


class MovesClient(Vcenters):
    """Implements the moves of `andock.ports.vsphere.lifecycle.Lifecycle`."""

    def check_move(self, site: str, vm: str, *, host: str, datastore: str, watch: Watch) -> Verdict:
        """See the port. vCenter checks in a task of its own, whose result says what it found."""
        session = self._session(site)

        def ask(session: Session) -> Any:
            content = refer(vim.ServiceInstance, "ServiceInstance", session.stub).RetrieveContent()
            checker = content.vmProvisioningChecker
            if checker is None:
                raise BackendRejectedError(site, "it cannot check moves; is it a vCenter?")
            spec = _spec(session, vm, host, datastore)
            return checker.CheckRelocate_Task(refer(vim.VirtualMachine, vm, session.stub), spec, None)

        task = TaskRef(site, id_of(session.read(ask, target=vm)))
        try:
            await_task(session, task, watch)
        except UnfollowedTaskError as error:  # a check changes nothing
            raise BackendRejectedError(site, error.why) from error
        # Any: a task's result is of whatever type the task has
        found: Any = session.read(lambda session: refer(vim.Task, task.id, session.stub).info.result) or ()
        return Verdict(
            errors=tuple(say_fault(fault) for result in found for fault in result.error or ()),
            warnings=tuple(say_fault(fault) for result in found for fault in result.warning or ()),
        )

    def move(self, site: str, vm: str, *, host: str, datastore: str) -> TaskRef:
        """See the port."""
        spec = self._session(site).read(lambda session: _spec(session, vm, host, datastore), target=vm)
        return self._start(site, vm, "move", "relocate", lambda found: found.RelocateVM_Task(spec, None))


def _spec(session: Session, vm: str, host: str, datastore: str) -> Any:
    """Where to; the resource pool only changes where the host belongs to another cluster."""
    spec = _RelocateSpec()
    if host:
        spec.host = refer(vim.HostSystem, host, session.stub)
        pool = pool_of(session, host)
        if id_of(_owner(session, vm)) != id_of(_owner_of_pool(session, pool)):
            spec.pool = pool
    if datastore:
        spec.datastore = refer(vim.Datastore, datastore, session.stub)
    return spec


def _owner(session: Session, vm: str) -> Any:
    """The cluster or lone host that the VM's resource pool belongs to."""
    ways = (walk(vim.VirtualMachine, "resourcePool", name="pool"),)
    start = [refer(vim.VirtualMachine, vm, session.stub)]
    pools = of_kind(collect(session, start, ways, {vim.ResourcePool: ("owner",)}), vim.ResourcePool)
    return next((pool.get("owner") for pool in pools.values()), None)


def _owner_of_pool(session: Session, pool: Any) -> Any:
    if pool is None:
        return None
    pools = of_kind(collect(session, [pool], (), {vim.ResourcePool: ("owner",)}), vim.ResourcePool)
    return next((one.get("owner") for one in pools.values()), None)
