"""The remote control of our vCenter simulator: fault rules, guests' behaviour, and what really happened."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

NEVER = -1.0
"""As a guest's time to obey: it ignores what it is asked."""

Tools = Literal["guestToolsRunning", "guestToolsNotRunning", ""]
AlarmStatus = Literal["red", "yellow", "green"]
Customization = Literal["", "never", "CustomizationFailed", "CustomizationNetworkSetupFailed"]
DeviceKind = Literal["pci", "usb", "drive", "image"]
RuleKind = Literal["together", "apart", "on", "off"]
"""Of machines to each other, or to the hosts that they must or must not run on."""


class ControlError(RuntimeError):
    """The simulator refused a control call, did not answer in time, or is none of ours."""


@dataclass(frozen=True)
class Rule:
    """What becomes of the next `count` calls of a SOAP method.

    Attributes:
        method: the method's name on the wire, e.g. "PowerOnVM_Task"; "*" is every method. An action of the
            REST service is "rest:attach"; of it only `delay`, `http`, `drop` and `lose_answer` are known.
        this: the id of the object it is called on, e.g. "vm-42"; "" is any.
        count: how often the rule holds; 0 is for ever.
        delay: seconds. A call waits that long; a `..._Task` method answers at once with a task that shows
            progress that long, takes effect at the end, and can be cancelled until then.
        fault: a vim25 fault type, e.g. "NotAuthenticated": the call fails with it, without effect.
        task_fault: the task ends with this fault, without effect.
        message: what either fault says, instead of its own name.
        http: this HTTP status instead of an answer, without effect.
        drop: the connection closes without an answer, without effect.
        lose_answer: the call takes effect, and then the connection closes without an answer.
        hold_answer: seconds between the call's effect and its answer.
        uncancelable: the slow task cannot be cancelled.
    """

    method: str
    this: str = ""
    count: int = 0
    delay: float = 0.0
    fault: str = ""
    task_fault: str = ""
    message: str = ""
    http: int = 0
    drop: bool = False
    lose_answer: bool = False
    hold_answer: float = 0.0
    uncancelable: bool = False


@dataclass(frozen=True)
class VmState:
    """A virtual machine as it really is, read beside the vSphere API.

    Attributes:
        id: the managed object's id, e.g. "vm-57".
        folder: the inventory path of the folder it is in, e.g. "/DC0/vm/web".
        power: "poweredOn", "poweredOff" or "suspended".
        boot_time: when its guest was started last; None when it is off.
        host: the name of its host.
        tools: VMware Tools, "guestToolsRunning" or "guestToolsNotRunning".
        address: its guest's address, "" when not known.
        effects: how often what happened to it: tasks that ended well by their short names ("powerOn",
            "reset", "relocate", "createSnapshot", ...), "guestShutdown", "guestReboot", "customize", and
            "answer:0" for a question's first choice.
        notes: its annotation.
        datastores, networks: names.
    """

    id: str
    name: str
    folder: str
    power: str
    boot_time: datetime | None
    host: str
    tools: str
    address: str
    bios_uuid: str
    instance_uuid: str
    effects: Mapping[str, int]
    cpus: int = 0
    memory_mb: int = 0
    notes: str = ""
    template: bool = False
    datastores: Sequence[str] = ()
    networks: Sequence[str] = ()


@dataclass(frozen=True)
class Control:
    """Calls on `/_sim/` of one simulator; each has a time-out of `timeout` seconds."""

    host: str
    port: int
    user: str
    password: str
    timeout: float = 10.0

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Replace all rules; none clears them. Refused as a whole if one names an unknown fault."""
        self._post("rules", [asdict(rule) for rule in rules])

    def calls(self) -> dict[str, int]:
        """How often each SOAP method was called since this was asked last."""
        taken: dict[str, int] = self._post("calls", None)
        return taken

    def notices(self) -> tuple[datetime, ...]:
        """When updates were handed out to clients that wait for them, since this was asked last."""
        return tuple(datetime.fromisoformat(text) for text in self._post("notices", None))

    def set_page(self, objects: int) -> None:
        """How many objects vCenter puts into one answer of the property collector; 0 is all."""
        self._post("page", {"objects": objects})

    def expire_sessions(self) -> int:
        """Drop every login, as a restart of vCenter does; how many there were."""
        return int(self._post("expire", None))

    def set_alarm(self, kind: str, object_id: str, alarm: str, status: AlarmStatus) -> None:
        """Raise an alarm on an entity ("VirtualMachine", "vm-57"), or clear it with "green".

        Alarms: alarm.VmCPUUsageAlarm, alarm.VmMemoryUsageAlarm, alarm.DatastoreDiskUsageAlarm,
        alarm.HostConnectionStateAlarm.
        """
        self._post("alarm", {"type": kind, "id": object_id, "alarm": alarm, "status": status})

    def post_event(
        self, event: str, kind: str, object_id: str, *, user: str = "", text: str = "something happened"
    ) -> None:
        """Let an event happen to an object ("VirtualMachine", "vm-57"; hosts and datastores too), by a user.

        `event` is a type ("HostConnectionLostEvent"), or the id of an extended event, which has dots. It says
        `text`, unless vCenter's own words for the type are known ("VmPoweredOffEvent").
        """
        asked = {"kind": event, "type": kind, "id": object_id, "user": user, "text": text}
        self._post("event", asked)

    def vms(self, wanted: str = "") -> tuple[VmState, ...]:
        """The machines with this name or id, or all of them; none is no error."""
        return tuple(_vm_state(found) for found in self._post("vms", {"wanted": wanted}))

    def vm(self, wanted: str) -> VmState:
        """The one machine with this name or id.

        Raises:
            ControlError: there is none, or there are several.
        """
        found = self.vms(wanted)
        if len(found) != 1:
            raise ControlError(f"{len(found)} machines are called {wanted!r}")
        return found[0]

    def effects(self, kind: str, object_id: str) -> dict[str, int]:
        """What happened to any object, e.g. a host; see `VmState.effects`."""
        counts: dict[str, int] = self._post("effects", {"type": kind, "id": object_id})
        return counts

    def create_vm(
        self,
        name: str,
        *,
        folder: str = "",
        datacenter: str = "",
        power_on: bool = False,
        bios_uuid: str = "",
        template: bool = False,
    ) -> VmState:
        """Make a machine; another folder, or even the same, may hold one of the same name.

        `folder` is a path below the datacenter's vm folder and is made when missing; `datacenter` is the
        first one if left out.
        """
        wanted = {"name": name, "folder": folder, "datacenter": datacenter, "bios_uuid": bios_uuid}
        kind = {"power_on": power_on, "template": template}
        return _vm_state(self._post("create", {**wanted, **kind}))

    def set_guest(
        self,
        vm_id: str,
        *,
        tools: Tools | None = None,
        shutdown: float | None = None,
        reboot: float | None = None,
        address: str | None = None,
        customization: Customization | None = None,
    ) -> None:
        """Change how a guest behaves, of a template also those of its clones; what is left out stays.

        `tools` holds VMware Tools in a state while the machine is on, "" lets them follow the power again.
        `shutdown` and `reboot` are the seconds that the guest takes to obey, or NEVER. `address` is that of
        its first card, "none" for none, "" for a made-up one. `customization` is how that of a clone ends:
        "" well, "never", or vCenter's word for a failure.
        """
        how = {"tools": tools, "shutdown": shutdown, "reboot": reboot}
        self._post("guest", {"id": vm_id, **how, "address": address, "customization": customization})

    def set_snapshot(
        self,
        vm_id: str,
        snapshot: str,
        *,
        age: float | None = None,
        size: int | None = None,
        name: str | None = None,
    ) -> None:
        """Make a snapshot look `age` seconds old and `size` bytes large, or rename it; None leaves it."""
        wanted = {"id": vm_id, "snapshot": snapshot, "age": age, "size": size, "name": name}
        self._post("snapshot", wanted)

    def set_consolidation(self, vm_id: str, *, needed: bool) -> None:
        """Let a machine's disks need consolidation, or no longer."""
        self._post("consolidation", {"id": vm_id, "needed": needed})

    def set_hot_add(self, vm_id: str, *, on: bool) -> None:
        """Let CPUs and memory be added to a machine while it is on, or no longer."""
        self._post("hotadd", {"id": vm_id, "on": on})

    def set_space(self, datastore: str, *, free: int, capacity: int) -> None:
        """Give a datastore this much room; bytes."""
        self._post("space", {"datastore": datastore, "free": free, "capacity": capacity})

    def set_maintenance(self, host: str, *, on: bool) -> None:
        """Put a host into maintenance mode, or take it out, whatever runs on it."""
        self._post("maintenance", {"host": host, "on": on})

    def set_devices(self, vm_id: str, *kinds: DeviceKind, datastore: str = "") -> None:
        """Give a machine these things of its host's and no others; an "image" is a file in the datastore."""
        self._post("devices", {"id": vm_id, "kinds": list(kinds), "datastore": datastore})

    def make_local_store(self, host: str, name: str) -> None:
        """Make a datastore that one host alone reaches."""
        self._post("localstore", {"host": host, "name": name})

    def set_rule(
        self,
        cluster: str,
        name: str,
        kind: RuleKind,
        vm_ids: Sequence[str] = (),
        *,
        hosts: Sequence[str] = (),
        optional: bool = False,
    ) -> None:
        """Let a cluster have this rule about machines; without machines it has it no longer."""
        rule = {"cluster": cluster, "name": name, "kind": kind, "vms": list(vm_ids), "hosts": list(hosts)}
        self._post("rule", {**rule, "optional": optional})

    def set_drs(self, cluster: str, behavior: str, *, vm_id: str = "") -> None:
        """Let DRS be "fullyAutomated", "partiallyAutomated", "manual" or "off" for a cluster or one machine.

        "" lets a machine be treated as its cluster's others.
        """
        self._post("drs", {"cluster": cluster, "vm": vm_id, "behavior": behavior})

    def set_figure(self, kind: str, object_id: str, counter: str, value: int) -> None:
        """Let every sample of a counter, such as "cpu.usage.average", have this value on one object."""
        self._post("figure", {"type": kind, "id": object_id, "counter": counter, "value": value})

    def ask(
        self, vm_id: str, text: str, choices: Sequence[str] = ("Yes", "No"), *, question: str = "1"
    ) -> None:
        """Let a machine wait for an answer; the last choice is the default. Without choices it goes on."""
        asked = {"id": question, "text": text, "choices": list(choices), "default": len(choices) - 1}
        self._post("question", {"id": vm_id, "question": asked})

    def set_bios_uuid(self, vm_id: str, uuid: str) -> None:
        """Give a machine another BIOS UUID."""
        self._post("uuid", {"id": vm_id, "uuid": uuid})

    def _post(self, what: str, body: object) -> Any:
        context = ssl._create_unverified_context()  # noqa: S323, SLF001  loopback, made-up certificate
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=context)
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        try:
            connection.request("POST", f"/_sim/{what}", json.dumps(body), {"Authorization": f"Basic {token}"})
            response = connection.getresponse()
            answer = response.read()
        except OSError as error:
            raise ControlError(f"the simulator does not answer {what}: {error}") from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise ControlError(f"the simulator refuses {what}: {answer.decode(errors='replace').strip()}")
        return json.loads(answer)


def _vm_state(found: dict[str, Any]) -> VmState:
    boot = found.pop("boot_time")
    return VmState(**found, boot_time=None if boot is None else datetime.fromisoformat(boot))
