"""What keeps VMs on a host that is to be emptied, each VM with the reason and the way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from andock.operations.vm.subjects import some
from andock.ports.vsphere import Evacuation, PlacementRule, PowerState, RuleKind, Vm

_MOST = 20  # sentences; more VMs than that are counted
_SAID: Mapping[RuleKind, str] = {
    RuleKind.ON: "runs only on",
    RuleKind.OFF: "never runs on",
    RuleKind.APART: "is kept apart from VMs on",
}


def what_blocks(evacuation: Evacuation, vms: Sequence[Vm], *, with_off: bool = False) -> tuple[str, ...]:
    """Sentences about VMs that cannot leave by themselves, and why; `with_off` has those that are off too."""
    on = [vm for vm in vms if vm.power is PowerState.ON]
    off = [vm for vm in vms if vm.power is not PowerState.ON] if with_off else []
    if on and not evacuation.others:
        cluster = evacuation.host.cluster
        why = f"no other host of cluster `{cluster}` can take them" if cluster else "it is in no cluster"
        return (f"{len(on)} VMs are on and cannot leave: {why}. {some(f'`{vm.name}`' for vm in on)}",)
    stuck = {vm.id: list(_own_reasons(vm, evacuation)) for vm in on}
    apart = _parted(on, stuck, evacuation)
    said = [
        *_say_mover(on, evacuation),
        *(reason for reasons in stuck.values() for reason in reasons),
        *apart,
        *(reason for vm in off for reason in _say_local(vm, evacuation)),
    ]
    more = len(said) - _MOST
    return (*said[:_MOST], *((f"And {more} more reasons.",) if more > 0 else ()))


def _say_mover(on: Sequence[Vm], evacuation: Evacuation) -> Iterator[str]:
    if on and evacuation.mover != "automatic":
        how = "off" if evacuation.mover == "off" else "not fully automated"
        yield (
            f"DRS is {how} in `{evacuation.host.cluster}`: {len(on)} VMs stay until somebody moves them "
            f"(`vm migrate`): {some(f'`{vm.name}`' for vm in on)}"
        )


def _own_reasons(vm: Vm, evacuation: Evacuation) -> Iterator[str]:
    """What keeps this VM, whatever becomes of others."""
    for device in evacuation.devices:
        if device.vm != vm.id:
            continue
        out = "disconnect it" if device.drive else f"take it out of the VM, or `vm shutdown {vm.name}`"
        yield f"`{vm.name}` uses {device.label} of the host and cannot move: {out}."
    yield from _say_local(vm, evacuation)
    if vm.question:
        yield f"`{vm.name}` waits for an answer (`vm question {vm.name}`) and cannot move."
    if vm.id in evacuation.unmoved and evacuation.mover == "automatic":
        yield f"DRS is set to leave `{vm.name}` alone: `vm migrate {vm.name} --host {evacuation.others[0]}`."
    if not _hosts_for(vm, evacuation):
        rules = [rule for rule in evacuation.rules if vm.id in rule.vms and rule.kind in _SAID]
        why = ", and it ".join(f"{_SAID[rule.kind]} {_names(rule)} (rule `{rule.name}`)" for rule in rules)
        yield (
            f"No other host may take `{vm.name}`: it {why}. Put another host in service, change the rule, or "
            f"`vm shutdown {vm.name}`."
        )


def _say_local(vm: Vm, evacuation: Evacuation) -> Iterator[str]:
    local = [store for store in vm.datastores if store in evacuation.local]
    if local:
        yield (
            f"`{vm.name}` lies on `{local[0]}`, which no other host of the cluster reaches: "
            f"`vm migrate {vm.name} --datastore NAME` moves it to another."
        )


def _names(rule: PlacementRule) -> str:
    return some(f"`{host}`" for host in rule.hosts) or "no host"


def _hosts_for(vm: Vm, evacuation: Evacuation) -> set[str]:
    """The other hosts that the rules let it run on."""
    allowed = set(evacuation.others)
    for rule in evacuation.rules:
        if vm.id not in rule.vms:
            continue
        if rule.kind is RuleKind.ON:
            allowed &= set(rule.hosts)
        elif rule.kind in (RuleKind.OFF, RuleKind.APART):
            allowed -= set(rule.hosts)
    return allowed


def _parted(on: Sequence[Vm], stuck: Mapping[str, Sequence[str]], evacuation: Evacuation) -> Iterator[str]:
    """VMs that could leave, but not without one that they must stay with."""
    for rule in evacuation.rules:
        together = [vm for vm in on if vm.id in rule.vms] if rule.kind is RuleKind.TOGETHER else []
        held = [vm for vm in together if stuck[vm.id]]
        if held:
            for vm in together:
                if vm not in held:
                    yield f"`{vm.name}` stays with `{held[0].name}` (rule `{rule.name}`), which cannot leave."
        elif len(together) > 1 and not set.intersection(*(_hosts_for(vm, evacuation) for vm in together)):
            names = some(f"`{vm.name}`" for vm in together)
            yield f"No other host may take {names} together, as rule `{rule.name}` wants it: change the rule."
