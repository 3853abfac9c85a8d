"""A VM's power, and what its guest can be asked."""

from __future__ import annotations

from typing import Protocol

from andock.ports.vsphere.tasks import TaskRef


class Power(Protocol):
    """Changes of power; see `VSphere` for what every method raises."""

    def power_on(self, site: str, vm: str) -> TaskRef:
        """Start the VM; returns as soon as vCenter has a task."""
        ...

    def power_off(self, site: str, vm: str) -> TaskRef:
        """Take the power away, without asking the guest."""
        ...

    def reset(self, site: str, vm: str) -> TaskRef:
        """Reset, without asking the guest."""
        ...

    def suspend(self, site: str, vm: str) -> TaskRef:
        """Keep the memory on disk and take the power away; `power_on` resumes."""
        ...

    def shutdown_guest(self, site: str, vm: str) -> None:
        """Ask the guest to shut down; returns before it has.

        Raises:
            TargetStateError: VMware Tools do not run, or the VM is off.
        """
        ...

    def reboot_guest(self, site: str, vm: str) -> None:
        """Ask the guest to reboot; returns before it has. Raises as `shutdown_guest`."""
        ...
