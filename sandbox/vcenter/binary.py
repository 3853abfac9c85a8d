"""Builds the vCenter simulator: Debian's govmomi sources, our Go files compiled into its package `simulator`.

`go build -overlay` puts files into a package without writing to it. A few shipped methods are renamed in
copies, so that ours can stand before them; nothing of the distribution is kept in this repository.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

GO_PATH = Path("/usr/share/gocode")
PACKAGE = GO_PATH / "src/github.com/vmware/govmomi/simulator"
OURS = Path(__file__).resolve().parent / "go"
CACHE = Path(__file__).resolve().parents[2] / ".cache"
BUILD_SECONDS = 900


class BuildError(RuntimeError):
    """The simulator cannot be built; the sentence says why."""


@dataclass(frozen=True)
class Patch:
    """One text of a shipped file and what stands there instead; it must occur exactly once."""

    file: str
    shipped: str
    ours: str


PATCHES = (
    Patch("simulator.go", "func (s *Service) call(", "func (s *Service) shippedCall("),
    Patch("simulator.go", "func (r *response) MarshalXML(", "func (r *response) shippedMarshalXML("),
    Patch(
        "virtual_machine.go",
        "func (vm *VirtualMachine) ShutdownGuest(",
        "func (vm *VirtualMachine) shippedShutdownGuest(",
    ),
    Patch(
        "virtual_machine.go",
        "func (vm *VirtualMachine) ResetVMTask(",
        "func (vm *VirtualMachine) shippedResetVMTask(",
    ),
    Patch("virtual_machine.go", "func (c *powerVMTask) Run(", "func (c *powerVMTask) shippedRun("),
    Patch(
        "virtual_machine.go",
        "func (vm *VirtualMachine) RelocateVMTask(",
        "func (vm *VirtualMachine) shippedRelocateVMTask(",
    ),
    Patch(
        "virtual_machine.go",
        "State:           vm.Runtime.PowerState,",
        "State:           snapshotState(vm, req),",
    ),
    Patch(
        "snapshot.go",
        "func (v *VirtualMachineSnapshot) RevertToSnapshotTask(",
        "func (v *VirtualMachineSnapshot) shippedRevertToSnapshotTask(",
    ),
    Patch(
        "host_system.go",
        "func (h *HostSystem) EnterMaintenanceModeTask(",
        "func (h *HostSystem) shippedEnterMaintenanceModeTask(",
    ),
    Patch(
        "host_system.go",
        "func (h *HostSystem) ExitMaintenanceModeTask(",
        "func (h *HostSystem) shippedExitMaintenanceModeTask(",
    ),
    Patch(
        "performance_manager.go",
        "points := metricData[mid.CounterId]",
        "points := samplesOf(qs.Entity, mid.CounterId, metricData[mid.CounterId])",
    ),
    Patch(
        "performance_manager.go",
        "if scale > 0 {",
        "if scale > 0 && !isSet(qs.Entity, mid.CounterId) {",
    ),
    # Clones: take hardware, host and power from the specification, and leave the source's disks alone.
    Patch(
        "virtual_machine.go",
        "switch disk := device.(type) {",
        "device = cloneDevice(device)\n\t\t\tswitch disk := device.(type) {",
    ),
    Patch(
        "virtual_machine.go",
        "config.VirtualSMCPresent = vm.Config.Hardware.VirtualSMCPresent",
        "config.VirtualSMCPresent = vm.Config.Hardware.VirtualSMCPresent\n"
        "\t\tcloneConfig(&config, req.Spec.Config)",
    ),
    Patch("virtual_machine.go", "\tHost:   vm.Runtime.Host,", "\tHost:   cloneHost(vm, &req.Spec),"),
    Patch(
        "virtual_machine.go", "return ref, nil", "clonePower(ctx, vm, clone, &req.Spec)\n\t\treturn ref, nil"
    ),
    # What an account may do depends on where it was permitted to.
    Patch(
        "authorization_manager.go",
        "func (m *AuthorizationManager) FetchUserPrivilegeOnEntities(",
        "func (m *AuthorizationManager) shippedFetchUserPrivilegeOnEntities(",
    ),
    # Events: a collector's page holds the newest, and knows the ids of extended ones.
    Patch(
        "event_manager.go",
        "func (c *EventHistoryCollector) fillPage(",
        "func (c *EventHistoryCollector) shippedFillPage(",
    ),
    Patch(
        "event_manager.go",
        "func (c *EventHistoryCollector) typeMatches(",
        "func (c *EventHistoryCollector) shippedTypeMatches(",
    ),
    # Machines of two simulators must not share their UUIDs.
    Patch(
        "object.go",
        "uuid.NewSHA1(uuid.NameSpaceOID, []byte(s))",
        "uuid.NewSHA1(uuid.NameSpaceOID, []byte(Identity+s))",
    ),
    # Long answers come in pages; a moved machine stays in the inventory.
    Patch(
        "property_collector.go",
        "func (pc *PropertyCollector) RetrievePropertiesEx(",
        "func (pc *PropertyCollector) shippedRetrievePropertiesEx(",
    ),
    Patch(
        "property_collector.go",
        "func (pc *PropertyCollector) WaitForUpdatesEx(",
        "func (pc *PropertyCollector) shippedWaitForUpdatesEx(",
    ),
    Patch(
        "folder.go",
        "folderRemoveChild(ctx, &parent.Folder, ref)\n\t\t\tfolderPutChild(ctx, &f.Folder, obj)",
        "moveChild(ctx, &parent.Folder, &f.Folder, obj)",
    ),
    # Reading one property that is not set must not end the server's connection.
    Patch(
        "property_collector.go",
        "\t\tfault := obj.MissingSet[0].Fault\n",
        "\t\tif len(obj.MissingSet) == 0 {\n"
        "\t\t\tbody.Res = new(internal.FetchResponse)\n\t\t\treturn body\n\t\t}\n"
        "\t\tfault := obj.MissingSet[0].Fault\n",
    ),
    # a vCenter tells of a change at once; the simulator as shipped does so four times a second
    Patch(
        "property_collector.go",
        "time.NewTicker(250 * time.Millisecond)",
        "time.NewTicker(50 * time.Millisecond)",
    ),
)


def build_simulator() -> Path:
    """The simulator's program, built if its sources changed since it was built last (about half a minute).

    Raises:
        BuildError: Go or govmomi's sources are missing, another version of them is installed, or the
            compiler refuses.
    """
    patched = _patched_files()
    binary = CACHE / "vcenter" / _fingerprint(patched) / "simulator"
    if binary.exists():
        return binary
    if shutil.which("go") is None:
        raise BuildError("Go is missing: run `make setup`, or name a vCenter in ANDOCK_SANDBOX_VCENTER_URL")
    folder = binary.parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            print("building the vCenter simulator, once; this takes about half a minute", flush=True)
            _compile(patched, binary)
    return binary


def _patched_files() -> dict[str, str]:
    """The shipped files that we change, changed, by name."""
    files: dict[str, str] = {}
    for patch in PATCHES:
        try:
            text = files.get(patch.file) or (PACKAGE / patch.file).read_text()
        except OSError as error:
            raise BuildError(f"govmomi's sources are missing ({error}): run `make setup`") from error
        if text.count(patch.shipped) != 1:
            raise BuildError(
                f"{PACKAGE / patch.file} is of another version than 0.24: no {patch.shipped.strip()!r}"
            )
        files[patch.file] = text.replace(patch.shipped, patch.ours)
    return files


def _fingerprint(patched: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for source in sorted(OURS.rglob("*.go")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    for name, text in sorted(patched.items()):
        digest.update(name.encode() + b"\0" + text.encode())
    return digest.hexdigest()[:16]


def _compile(patched: dict[str, str], binary: Path) -> None:
    folder = binary.parent
    replace = {
        str(PACKAGE / f"andock_{source.name}"): str(source) for source in (OURS / "overlay").glob("*.go")
    }
    for name, text in patched.items():
        (folder / name).write_text(text)
        replace[str(PACKAGE / name)] = str(folder / name)
    overlay = folder / "overlay.json"
    overlay.write_text(json.dumps({"Replace": replace}))
    unfinished = binary.with_suffix(".part")
    sources = sorted(str(source) for source in (OURS / "server").glob("*.go"))
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": str(GO_PATH),
        "GOCACHE": str(CACHE / "go"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",  # no C compiler needed, and the program runs anywhere
    }
    command = ["go", "build", "-overlay", str(overlay), "-o", str(unfinished), *sources]
    built = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
    )
    if built.returncode != 0:
        raise BuildError(f"the vCenter simulator does not build:\n{built.stderr}")
    unfinished.rename(binary)
