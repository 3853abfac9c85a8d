"""`vm migrate`: to another host or datastore, after vCenter said that it can be done."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from andock.errors import AmbiguousTargetError, TargetStateError
from andock.operation import Backend, Change, Mark, Plan, Reader, Risk, Step
from andock.operations.vm.places import resolve_place, warn_of_room
from andock.operations.vm.power import warn_of_questions
from andock.operations.vm.selection import Selection, pick, sort_out
from andock.operations.vm.targets import target_of
from andock.operations.vm.tasks import Seen, TaskStep
from andock.ports.vsphere import Place, PlaceKind, Verdict, Vm


class MigrateParams(Selection):
    """What `vm migrate` takes."""

    host: str = Field(default="", description="The host that is to run it.")
    datastore: str = Field(default="", description="The datastore that is to hold its disks.")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not self.host and not self.datastore:
            raise ValueError("say where to: `--host NAME`, `--datastore NAME` or both")
        return self


def plan_migration(params: MigrateParams, ctx: Reader) -> Plan:
    """One step for each VM that is not there yet and can go there.

    Raises:
        TargetStateError: a VM is there already, or vCenter says that it cannot go.
        AmbiguousTargetError: the VMs are on several sites.
        TargetNotFoundError, BackendUnavailableError, ...: see `pick` and `resolve_place`.
    """
    picked = pick(params, ctx)
    sites = sorted({one.vm.site for one in picked})
    if len(sites) > 1:
        raise AmbiguousTargetError("site", params.host or params.datastore, sites)
    host = resolve_place(PlaceKind.HOST, params.host, sites[0], ctx) if params.host else None
    store = resolve_place(PlaceKind.DATASTORE, params.datastore, sites[0], ctx) if params.datastore else None
    verdicts: dict[str, Verdict] = {}

    def refuse(vm: Vm) -> TargetStateError | None:
        there = (host is None or vm.host_id == host.id) and (store is None or vm.datastores == (store.name,))
        if there:
            return TargetStateError(vm.name, actual="there already", wanted="somewhere else")
        verdicts[vm.id] = ctx.vsphere.check_move(
            vm.site, vm.id, host=host.id if host else "", datastore=store.id if store else "", watch=ctx.watch
        )
        if not verdicts[vm.id].errors:
            return None
        return TargetStateError(
            vm.name,
            actual=f"kept where it is by vCenter ({'; '.join(verdicts[vm.id].errors)})",
            wanted="free to go",
        )

    vms, left_out = sort_out(picked, refuse)
    warnings = [f"`{vm.name}`: {warning}." for vm in vms for warning in verdicts[vm.id].warnings]
    room = warn_of_room(store) if store else ()
    steps = tuple(_step(vm, host, store, _environment(vm, host, ctx)) for vm in vms)
    moved = (
        f"`{step.target.name}` goes from {step.target.environment} to {step.becomes.environment} by it."
        for step in steps
        if step.becomes is not None
    )
    return params.plan_of(steps, (*left_out, *warn_of_questions(vms), *warnings, *moved, *room))


def _environment(vm: Vm, host: Place | None, ctx: Reader) -> str:
    """The environment that it is in afterwards: that may go by the cluster."""
    if host is None:
        return vm.environment
    return ctx.vsphere.environment_of(vm.site, vm.path, vm.labels, host.cluster)


def _step(vm: Vm, host: Place | None, store: Place | None, environment: str) -> Step:
    target = target_of(vm)
    where = [f"host `{host.name}`"] if host else []
    where += [f"datastore `{store.name}`"] if store else []
    if host is not None:
        # nobody puts the host it goes to into maintenance meanwhile
        parents = dict.fromkeys((*target.parents, f"host:{vm.site}/{host.id}"))
        target = target.model_copy(update={"parents": tuple(parents)})
    return Step(
        action="migrate",
        target=target,
        text=f"move `{vm.name}` ({vm.power.value}) from `{vm.host}` to {' and '.join(where)}",
        facts={"power": vm.power.value, "host": vm.host, "datastores": ", ".join(vm.datastores)},
        args={
            "host": host.id if host else "",
            "datastore": store.id if store else "",
            "store": store.name if store else "",
            "where": " and ".join(where),
        },
        becomes=target.model_copy(update={"environment": environment})
        if environment != target.environment
        else None,
    )


def _arg(step: Step, name: str) -> str:
    return str(step.args.get(name, ""))


def _look(step: Step, ctx: Reader, _mark: Mark) -> Seen:
    vm = ctx.vsphere.read_vm(step.target.site, step.target.id)
    on_host = not _arg(step, "host") or vm.host_id == _arg(step, "host")
    on_store = not _arg(step, "store") or vm.datastores == (_arg(step, "store"),)
    return Seen(
        on_host and on_store, f"it is on `{vm.host}` and {', '.join(vm.datastores) or 'no datastore'}"
    )


MIGRATION = TaskStep(
    kind="relocate",
    start=lambda step, ctx, _: ctx.vsphere.move(
        step.target.site, step.target.id, host=_arg(step, "host"), datastore=_arg(step, "datastore")
    ),
    look=_look,
    done=lambda step: f"`{step.target.name}` is on {_arg(step, 'where')}.",
)

VM_MIGRATE = Change(
    name="vm migrate",
    summary="Move VMs to another host or datastore, if vCenter says beforehand that they can go.",
    params=MigrateParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=plan_migration,
    apply=MIGRATION.apply,
    settle=MIGRATION.settle,
    time_limit=timedelta(hours=8),
    long=True,
    examples=("vm migrate web-01 --host esx-2.example.com", "vm migrate web-* --datastore ssd-2 --at-once 2"),
)
