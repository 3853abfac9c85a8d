"""Making, changing and destroying the VMs in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from andock.errors import BackendRejectedError, OutcomeUnknownError, TargetNotFoundError
from andock.ports.sites import Listing
from andock.ports.vsphere import (
    Hardware,
    NewVm,
    Place,
    PlaceKind,
    PowerState,
    Question,
    TaskRef,
    Verdict,
    Vm,
)
from andock.ports.watch import Watch
from tests.fakes.vsphere.core import FakeVcenters


@dataclass
class FakeLifecycle(FakeVcenters):
    """Implements `Lifecycle`. `places` has templates too; their ids are also VMs'."""

    places: list[Place] = field(default_factory=list)
    specifications: tuple[str, ...] = ("linux",)
    hot: set[tuple[str, str]] = field(default_factory=set)  # VMs that can be resized while they are on
    verdicts: dict[str, Verdict] = field(default_factory=dict)  # by the id of a host or a datastore
    questions: dict[tuple[str, str], Question] = field(default_factory=dict)
    clones: list[NewVm] = field(default_factory=list)

    def place(self, kind: PlaceKind, site: str, name: str, **fields: object) -> str:
        """A place; its id."""
        folder = {"template": "vm", "folder": "vm"}.get(kind.value, kind.value)
        made = Place(kind, site, f"{kind.value}-{len(self.places) + 1}", name, f"/DC0/{folder}/{name}")
        if kind is PlaceKind.TEMPLATE:
            self.vms[site, made.id] = Vm(
                site, made.id, name, made.path, PowerState.OFF, self.environment_of(site, made.path),
                "esx-1", "", False, f"uuid-{made.id}", "host-1", cpus=2, memory_mb=2048,
            )  # fmt: skip
        self.places.append(replace(made, **fields))  # type: ignore[arg-type]
        return made.id

    def list_places(self, kind: PlaceKind, site: str | None = None) -> Listing[Place]:
        found = self._listing(site)
        rows = tuple(one for one in self.places if one.kind is kind and one.site in found.searched)
        return Listing(rows, found.searched, found.not_reached)

    def customizations(self, site: str) -> tuple[str, ...]:
        self._reach(site)
        return self.specifications

    def read_hardware(self, site: str, vms: Sequence[str]) -> tuple[Hardware, ...]:
        return tuple(
            Hardware(vm.id, vm.cpus, vm.memory_mb, (site, vm.id) in self.hot, (site, vm.id) in self.hot)
            for vm in self.read_vms(site, vms)
        )

    def clone(self, site: str, template: str, new: NewVm) -> TaskRef:
        source = self.read_vm(site, template)
        folder = next(one for one in self.places if one.id == new.folder)

        def effect() -> None:
            made = self.add(site, new.name, power=PowerState.OFF, tools=False)
            path = f"{folder.path}/{new.name}"
            self.change(
                site, made, path=path, ip="", addresses=(), environment=self.environment_of(site, path),
                notes=new.notes, cpus=new.cpus or source.cpus, memory_mb=new.memory_mb or source.memory_mb,
            )  # fmt: skip
            self.clones.append(new)
            self.effects.append((template, "clone"))

        return self._begin(site, template, "clone", effect)

    def resize(self, site: str, vm: str, *, cpus: int | None, memory_mb: int | None) -> TaskRef:
        wanted = {"cpus": cpus, "memory_mb": memory_mb}
        return self._reconfigure(site, vm, {name: value for name, value in wanted.items() if value})

    def annotate(self, site: str, vm: str, notes: str) -> TaskRef:
        return self._reconfigure(site, vm, {"notes": notes})

    def rename(self, site: str, vm: str, name: str) -> TaskRef:
        def effect() -> None:
            path = f"{self.vms[site, vm].folder}/{name}"
            self.change(site, vm, name=name, path=path, environment=self.environment_of(site, path))
            self.effects.append((vm, "rename"))

        return self._begin(site, vm, "rename", effect)

    def check_move(self, site: str, vm: str, *, host: str, datastore: str, watch: Watch) -> Verdict:
        watch.look()
        self.read_vm(site, vm)
        found = [self.verdicts[one] for one in (host, datastore) if one in self.verdicts]
        return Verdict(
            errors=tuple(error for one in found for error in one.errors),
            warnings=tuple(warning for one in found for warning in one.warnings),
        )

    def move(self, site: str, vm: str, *, host: str, datastore: str) -> TaskRef:
        def effect() -> None:
            for one in self.places:
                if one.id == host:
                    self.change(site, vm, host=one.name, host_id=one.id)
                if one.id == datastore:
                    self.change(site, vm, datastores=(one.name,))
            self.effects.append((vm, "relocate"))

        return self._begin(site, vm, "relocate", effect)

    def destroy(self, site: str, vm: str) -> TaskRef:
        def effect() -> None:
            del self.vms[site, vm]
            self.effects.append((vm, "destroy"))

        power = self.read_vm(site, vm).power
        fault = "it is on" if power is PowerState.ON else ""
        return self._begin(site, vm, "destroy", effect, fault)

    def read_question(self, site: str, vm: str) -> Question | None:
        self.read_vm(site, vm)
        return self.questions.get((site, vm))

    def answer(self, site: str, vm: str, question: str, choice: str) -> None:
        asked = self.read_question(site, vm)
        if asked is None or asked.id != question or choice not in dict(asked.choices):
            raise BackendRejectedError(site, "it does not accept `questionId`")
        lost, self.lost = self.lost, ""
        if lost != "undone":
            del self.questions[site, vm]
            self.change(site, vm, question="")
            self.effects.append((vm, f"answer:{choice}"))
        if lost:
            raise OutcomeUnknownError(f"{site} gave no answer")

    def _reconfigure(self, site: str, vm: str, fields: dict[str, object]) -> TaskRef:
        def effect() -> None:
            if (site, vm) not in self.vms:
                raise TargetNotFoundError("VM", vm, searched=(site,))
            self.change(site, vm, **fields)
            self.effects.append((vm, "reconfigure"))

        return self._begin(site, vm, "reconfigure", effect)
