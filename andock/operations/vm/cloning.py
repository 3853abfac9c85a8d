"""`vm clone`."""

from __future__ import annotations

import difflib
from datetime import timedelta

from pydantic import Field, field_validator

from andock.errors import InvalidParamsError, TargetNotFoundError, TargetStateError
from andock.operation import (
    Backend,
    Change,
    Done,
    Mark,
    Offer,
    Params,
    Plan,
    Reader,
    Risk,
    Settled,
    Step,
    Target,
    Writer,
)
from andock.operations.vm import arrival
from andock.operations.vm.places import resolve_place, warn_of_room
from andock.operations.vm.sizes import read_size, write_size
from andock.operations.vm.subjects import reached
from andock.operations.vm.tasks import Seen, TaskStep
from andock.ports.vsphere import NewVm, Place, PlaceKind, TaskRef

_MIB = 1024**2
_LONGEST = 80  # characters of a name that vCenter takes


class CloneParams(Params):
    """What `vm clone` takes."""

    template: str = Field(min_length=1, max_length=300, description="The template's name, path or id.")
    name: str = Field(min_length=1, max_length=_LONGEST, description="The new VM's name.")
    folder: str = Field(default="", description="Where it lies, such as `prod`; the template's if left out.")
    host: str = Field(default="", description="What runs it; left out, vCenter chooses.")
    datastore: str = Field(default="", description="Where its disks lie; the template's if left out.")
    network: str = Field(default="", description="What its first network card is connected to.")
    spec: str = Field(default="", description="A customization specification of the vCenter's.")
    cpus: int | None = Field(default=None, ge=1, le=128, description="Its CPUs.")
    memory: str = Field(default="", description="Its memory, such as `8G`.")
    note: str = Field(default="", max_length=500, description="What stands in its notes.")
    on: bool = Field(default=False, description="Power it on, and wait until it has an address.")
    within: timedelta = Field(
        default=timedelta(minutes=15),
        ge=timedelta(seconds=5),
        le=timedelta(hours=1),
        description="How long it has, once it is on, for its customization and an address. Such as `10m`.",
    )

    @field_validator("memory")
    @classmethod
    def _is_size(cls, text: str) -> str:
        if text:
            read_size(text)
        return text


def plan_clone(params: CloneParams, ctx: Reader) -> Plan:
    """One VM out of a template, judged by where it will lie; powered on and waited for in steps of their own.

    Raises:
        TargetStateError: the host cannot be used.
        InvalidParamsError: a VM of that name lies there already.
        TargetNotFoundError, AmbiguousTargetError, BackendUnavailableError: for what is named.
    """
    template = resolve_place(PlaceKind.TEMPLATE, params.template, ctx.site, ctx)
    site = template.site
    folder = _folder(params, template, ctx)
    path = f"{folder.path}/{params.name.replace('/', '%2f')}"
    known = ctx.vsphere.find_vms(path, site)
    reached(known)
    if known.rows:
        raise InvalidParamsError(f"There is a VM `{path}` already.")
    chosen = {
        kind: resolve_place(kind, typed, site, ctx)
        for kind, typed in (
            (PlaceKind.HOST, params.host),
            (PlaceKind.DATASTORE, params.datastore),
            (PlaceKind.NETWORK, params.network),
        )
        if typed
    }
    _refuse_unusable(chosen)
    _check_specification(params.spec, site, ctx)
    store = chosen.get(PlaceKind.DATASTORE)
    hosts = (f"host:{site}/{chosen[PlaceKind.HOST].id}",) if PlaceKind.HOST in chosen else ()
    target = Target(
        kind="vm",
        site=site,
        id=path,  # it has no other yet; nobody else makes one there meanwhile
        name=params.name,
        environment=ctx.vsphere.environment_of(site, path, cluster=_cluster(template, chosen, ctx)),
        path=path,
        parents=(f"vm:{site}/{template.id}", *hosts),
    )
    step = Step(
        action="clone",
        target=target,
        text=f"clone `{template.name}` to `{params.name}` in {folder.path}{_details(params)}",
        facts={"template": template.path},
        args={
            "template": template.id,
            "folder": folder.id,
            **{kind.value: place.id for kind, place in chosen.items()},
            "spec": params.spec,
            "cpus": params.cpus,
            "memory": read_size(params.memory) // _MIB if params.memory else None,
            "note": params.note,
            "on": params.on,
        },
    )
    after = arrival.steps_of(target, params.spec, params.within) if params.on else ()
    return Plan(batches=((step,), *((one,) for one in after)), warnings=warn_of_room(store) if store else ())


def _folder(params: CloneParams, template: Place, ctx: Reader) -> Place:
    above = params.folder or template.path.rpartition("/")[0]
    return resolve_place(PlaceKind.FOLDER, above, template.site, ctx)


def _cluster(template: Place, chosen: dict[PlaceKind, Place], ctx: Reader) -> str:
    """Where it will run: in the cluster of the host that is named, or of the template's."""
    host = chosen.get(PlaceKind.HOST)
    if host is not None:
        return host.cluster
    return next((one.cluster for one in ctx.vsphere.read_vms(template.site, (template.id,))), "")


def _refuse_unusable(chosen: dict[PlaceKind, Place]) -> None:
    for place in chosen.values():
        if not place.usable:
            raise TargetStateError(place.name, actual="in maintenance mode or not connected", wanted="in use")


def _check_specification(name: str, site: str, ctx: Reader) -> None:
    if not name:
        return
    known = ctx.vsphere.customizations(site)
    if name not in known:
        raise TargetNotFoundError(
            "customization specification",
            name,
            searched=(site,),
            similar=difflib.get_close_matches(name, known, n=3, cutoff=0.4),
        )


def _details(params: CloneParams) -> str:
    said = [f"{params.cpus} CPUs"] if params.cpus else []
    said += [write_size(read_size(params.memory))] if params.memory else []
    said += [f"on host `{params.host}`"] if params.host else []
    said += [f"on datastore `{params.datastore}`"] if params.datastore else []
    said += [f"network `{params.network}`"] if params.network else []
    said += [f"customized by `{params.spec}`"] if params.spec else []
    return f" ({', '.join(said)})" if said else ""


def _start(step: Step, ctx: Writer, _mark: Mark) -> TaskRef:
    args = step.args
    cpus, memory = args.get("cpus"), args.get("memory")
    new = NewVm(
        name=step.target.name,
        folder=str(args["folder"]),
        host=str(args.get("host") or ""),
        datastore=str(args.get("datastore") or ""),
        network=str(args.get("network") or ""),
        customization=str(args.get("spec") or ""),
        cpus=cpus if isinstance(cpus, int) else None,
        memory_mb=memory if isinstance(memory, int) else None,
        notes=str(args.get("note") or ""),
    )
    return ctx.vsphere.clone(step.target.site, str(args["template"]), new)


def _look(step: Step, ctx: Reader, _mark: Mark) -> Seen:
    found = ctx.vsphere.find_vms(step.target.path, step.target.site)
    reached(found)
    return Seen(bool(found.rows), f"there is no VM `{step.target.path}`")


def _offers(step: Step) -> tuple[Offer, ...]:
    where = f"{step.target.path} --site {step.target.site}"
    show = Offer(label="Show it", command=f"vm info {where}")
    return (show,) if step.args.get("on") else (show, Offer(label="Power it on", command=f"vm on {where}"))


def _say(step: Step) -> str:
    later = "" if step.args.get("on") or not step.args.get("spec") else "; it is customized when it is on"
    return f"`{step.target.name}` was cloned from `{step.facts['template']}`{later}."


CLONING = TaskStep(
    kind="clone",
    start=_start,
    look=_look,
    done=_say,
    offers=_offers,
    subject=lambda step: str(step.args["template"]),
)


def apply_clone(step: Step, ctx: Writer) -> Done:
    """One of the steps; raises as `TaskStep.apply` and `await_arrival`."""
    match step.action:
        case "power on":
            return arrival.power_on(step, ctx)
        case "await":
            return arrival.await_arrival(step, ctx)
    return CLONING.apply(step, ctx)


def settle_clone(step: Step, ctx: Reader, mark: Mark) -> Settled:
    """What became of it: the task's end, or else what vCenter shows."""
    match step.action:
        case "power on":
            return arrival.settle_power_on(step, ctx, mark)
        case "await":
            return arrival.settle_arrival(step, ctx, mark)
    return CLONING.settle(step, ctx, mark)


VM_CLONE = Change(
    name="vm clone",
    summary="Make a VM out of a template; `--on` also waits until it is customized and has an address.",
    params=CloneParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=plan_clone,
    apply=apply_clone,
    settle=settle_clone,
    time_limit=timedelta(hours=2),
    long=True,
    examples=(
        "vm clone debian-12 web-04 --on",
        "vm clone debian-12 web-04 --folder prod --cpus 4 --memory 8G --network VLAN-20 --spec linux",
    ),
)
