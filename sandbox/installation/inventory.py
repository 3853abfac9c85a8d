"""What an installation has to show: a few machines with speaking names, and containers that write logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from sandbox.engine import Engine, EngineError
from sandbox.vcenter import ControlError, Inventory, Vcenter

# The simulator clones what it makes, so there is one machine that has a name of its choosing.
SMALL = Inventory(hosts=2, vms=1)


@dataclass(frozen=True)
class Machine:
    """One virtual machine to make; `folder` is a path below the datacenter's vm folder."""

    name: str
    folder: str
    power_on: bool = True


MACHINES = (
    Machine("web-01", "dev"),
    Machine("web-02", "dev"),
    Machine("web-03", "dev"),
    Machine("db-01", "dev"),
    Machine("build-01", "dev", power_on=False),
    Machine("prod-web-1", "prod"),
    Machine("prod-db-1", "prod"),
)

# A line a second, and an end at once on TERM: busybox' sh hears signals while it waits, not while it sleeps.
_LINE_A_SECOND = (
    "trap 'exit 0' TERM; n=0; echo started; while :; do n=$((n+1)); {line}; sleep 1 & wait $!; done"
)
CONTAINERS = (("web", 'echo "GET /health 200 #$n"'), ("ticker", 'echo "tick $n"'))


def make_machines(vcenter: Vcenter, machines: Sequence[Machine]) -> None:
    """Make the machines, where the vCenter is our simulator; any other keeps what it has."""
    try:
        control = vcenter.control
    except ControlError:
        return
    for machine in machines:
        control.create_vm(machine.name, folder=machine.folder, power_on=machine.power_on)


def run_containers(engine: Engine) -> tuple[str, ...]:
    """Run a web server's stand-in and a ticker; their names.

    On an engine that the machine had before, somebody else may own a name: then `andock-` is put before it.
    """
    engine.import_busybox()
    return tuple(_run_container(engine, name, line) for name, line in CONTAINERS)


def _run_container(engine: Engine, name: str, line: str) -> str:
    command = ["sh", "-c", _LINE_A_SECOND.format(line=line)]
    try:
        engine.run_container(name, command, labels={"role": name})
    except EngineError as error:
        if error.status != HTTPStatus.CONFLICT or engine.ours:
            raise
        name = f"andock-{name}"
        engine.run_container(name, command, labels={"role": name})
    return name
