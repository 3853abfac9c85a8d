"""Which privileges of vCenter each operation needs, and which of them policy makes use of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from andock.operation import Backend, Operation
from andock.rulebook import EVERYONE, Policy, Rule

NEEDED: Mapping[str, tuple[str, ...]] = {
    "alarm ack": ("Alarm.Acknowledge",),
    "host maintenance": ("Host.Config.Maintenance",),
    "snapshot consolidate": ("VirtualMachine.State.RemoveSnapshot",),
    "snapshot create": ("VirtualMachine.State.CreateSnapshot",),
    "snapshot delete": ("VirtualMachine.State.RemoveSnapshot",),
    "snapshot revert": ("VirtualMachine.State.RevertToSnapshot",),
    "tag attach": ("InventoryService.Tagging.AttachTag",),
    "tag detach": ("InventoryService.Tagging.AttachTag",),
    "task cancel": ("Global.CancelTask",),
    "vm answer": ("VirtualMachine.Interact.AnswerQuestion",),
    "vm clone": (
        "Datastore.AllocateSpace",
        "Network.Assign",
        "Resource.AssignVMToPool",
        "VirtualMachine.Config.AddNewDisk",
        "VirtualMachine.Config.Annotation",
        "VirtualMachine.Config.CPUCount",
        "VirtualMachine.Config.EditDevice",
        "VirtualMachine.Config.Memory",
        "VirtualMachine.Interact.PowerOn",
        "VirtualMachine.Inventory.CreateFromExisting",
        "VirtualMachine.Provisioning.Clone",
        "VirtualMachine.Provisioning.Customize",
        "VirtualMachine.Provisioning.DeployTemplate",
        "VirtualMachine.Provisioning.ReadCustSpecs",
    ),
    "vm destroy": ("VirtualMachine.Inventory.Delete",),
    "vm migrate": (
        "Datastore.AllocateSpace",
        "Resource.AssignVMToPool",
        "Resource.ColdMigrate",
        "Resource.HotMigrate",
        "Resource.QueryVMotion",
    ),
    "vm note": ("VirtualMachine.Config.Annotation",),
    "vm off": ("VirtualMachine.Interact.PowerOff",),
    "vm on": ("VirtualMachine.Interact.PowerOn",),
    "vm rename": ("VirtualMachine.Config.Rename",),
    "vm reset": ("VirtualMachine.Interact.Reset",),
    "vm resize": ("VirtualMachine.Config.CPUCount", "VirtualMachine.Config.Memory"),
    "vm restart": ("VirtualMachine.Interact.Reset",),
    "vm shutdown": ("VirtualMachine.Interact.PowerOff",),
    "vm suspend": ("VirtualMachine.Interact.Suspend",),
}
"""By operation. A read needs none besides those that every role has: System.View, System.Read."""
CANCEL = "Global.CancelTask"
"""For the Cancel button of every change that is a task of vCenter."""
EXTENSION = ("Extension.Register", "Extension.Unregister", "Global.LogEvent", "Task.Create", "Task.Update")
"""For `andock vcenter register`, and for showing there who asked."""

WATCHING = ("System.View", "System.Read")
"""On the root folder, where a vCenter shows the alarms and events of everything below it."""
WATCHING_FIX = (
    f"give it a role with {' and '.join(WATCHING)} on the root folder, with Propagate to children; see "
    "docs/vsphere-role.md."
)


def say_blind(what: str, missing: Sequence[str]) -> str:
    """Why alarms or events are not seen, as a sentence goes on."""
    return f"{what} are not seen: the account lacks {' and '.join(missing)} on the root folder"


def privileges_for(operation: str) -> tuple[str, ...]:
    """What the account must have for this operation; nothing for a read."""
    named = NEEDED.get(operation, ())
    return tuple(dict.fromkeys((*named, CANCEL))) if named else ()


def operations_allowed(policy: Policy, operations: Iterable[Operation], site: str) -> tuple[Operation, ...]:
    """The operations on vCenters that policy allows somebody on some target of this site."""
    return tuple(
        one for one in operations if one.backend is Backend.VSPHERE and _is_allowed(policy, one, site)
    )


def _is_allowed(policy: Policy, operation: Operation, site: str) -> bool:
    for rule in policy.rules:
        if not rule.operations.fits(operation.name.casefold()):
            continue
        if (rule.risk and operation.risk not in rule.risk) or (rule.sites and site not in rule.sites):
            continue
        if rule.allow:
            return True
        if _denies_all(rule):
            return False
    return False


def _denies_all(rule: Rule) -> bool:
    """Whether nothing that the rule speaks of gets past it: no matter who asks for what, where."""
    narrow = rule.environments or rule.targets or rule.labels or rule.params or rule.channels
    return not narrow and (not rule.to or EVERYONE in rule.to)
