"""The tour's care for machines: snapshots, clones, tags, alarms, figures. Each scene looks at vCenter."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sandbox.demo.scenes import OPS, Scene
from sandbox.demo.stage import Stage
from sandbox.installation import Installation

# what sites.yaml says of what is told without being asked
TOLD: Mapping[str, object] = MappingProxyType(
    {
        "alarms": {"channel": "C0OPS"},
        "events": {"channel": "C0ADMIN"},
        "digests": {"snapshots": {"channel": "C0ADMIN", "at": "08:00"}},
    }
)
TEMPLATE, CLONE = "debian-12", "web-04"
TAG, TAGGED = "env=test", "web-03"
CPU = "alarm.VmCPUUsageAlarm"


def furnish(installation: Installation) -> None:
    """Make the template and the tag.

    Raises:
        ControlError: the vCenter is none of ours.
    """
    control = installation.vcenter.control
    control.create_vm(TEMPLATE, folder="dev", template=True)
    installation.vcenter.tags.attach(control.vm(TAGGED).id, TAG)


def take_snapshot(stage: Stage) -> None:
    """Its name has who, why and until when; the tree shows where the machine stands."""
    stage.ask(OPS, '/snapshot create web-02 --reason "before the upgrade"', expect="was taken")
    taken = stage.installation.vcenter.control.vm("web-02").effects.get("createSnapshot")
    stage.prove("vCenter: one snapshot of web-02 was taken", holds=taken == 1)
    stage.ask(OPS, "/snapshot tree web-02", expect="before the upgrade [ops-1 until ")


def clone_template(stage: Stage) -> None:
    """It is done when the new machine is on and has an address."""
    wish = "--cpus 3 --memory 4G --on"
    answer = stage.ask(OPS, f"/vm clone {TEMPLATE} {CLONE} {wish}", expect=f"`{CLONE}` was cloned from")
    made = stage.installation.vcenter.control.vm(CLONE)
    stage.prove(
        f"vCenter: {CLONE} is {made.power}, has {made.cpus} CPUs, {made.memory_mb} MiB and {made.address}",
        holds=(made.power, made.cpus, made.memory_mb) == ("poweredOn", 3, 4096)
        and bool(made.address)
        and made.address in answer.spoken,
    )


def choose_by_tag(stage: Stage) -> None:
    """Only those that bear it."""
    answer = stage.ask(OPS, f"/vm list --tag {TAG} --fresh", expect="1 VM")
    vcenter = stage.installation.vcenter
    bears = TAG in vcenter.tags.of(vcenter.control.vm(TAGGED).id)
    stage.prove(f"vCenter: {TAGGED} has the tag {TAG}", holds=bears and TAGGED in answer.spoken)


def tell_alarm(stage: Stage) -> None:
    """Told without being asked, acknowledged by who looks after it, closed when it is over: one message."""
    control, vm = stage.installation.vcenter.control, stage.installation.vcenter.control.vm(TAGGED)
    control.set_alarm("VirtualMachine", vm.id, CPU, "red")
    try:
        told = stage.hear(OPS, rf"{TAGGED}(?s:.*)red since")
        stage.ask(OPS, f"/alarm ack {TAGGED}", expect="is acknowledged")
        stage.hear(OPS, "acknowledged by", ts=told.ts)
    finally:
        control.set_alarm("VirtualMachine", vm.id, CPU, "green")
    stage.hear(OPS, "green since", ts=told.ts)


def draw_figures(stage: Stage) -> None:
    """The last hour as a picture, with what vCenter measured."""
    control = stage.installation.vcenter.control
    control.set_figure("VirtualMachine", control.vm("web-01").id, "cpu.usage.average", 4321)
    answer = stage.ask(OPS, "/vm stats web-01 --share", expect="43.2 %")
    stage.prove_picture(stage.await_file(OPS, answer, "web-01-stats.png"))


ESTATE = (
    Scene("Take a snapshot; its name says who, why and until when.", take_snapshot),
    Scene("Clone a template, until the clone has an address.", clone_template),
    Scene("Choose machines by a tag.", choose_by_tag),
    Scene("Hear of an alarm, acknowledge it, and see it close.", tell_alarm),
    Scene("Draw a machine's last hour.", draw_figures),
)
