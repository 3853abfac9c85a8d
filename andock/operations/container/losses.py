"""What goes with a container that is removed, or that was made to be removed when it ends."""

from __future__ import annotations

from andock.operation import Plan, Reader, Step
from andock.ports.container_insight import Anatomy, MountedVolume
from andock.sizes import write_size


def tell_loss(anatomy: Anatomy, *, volumes: bool) -> str:
    """` Lost: its writable layer of 1 MiB. Stays: volume data.`; with `volumes` anonymous ones go too."""
    gone = [volume for volume in anatomy.volumes if volume.anonymous and volumes]
    lost = [f"its writable layer of {write_size(anatomy.writable_bytes)}"]
    lost += [f"the anonymous volume {_name_of(volume)} at {volume.destination}" for volume in gone]
    stay = [f"volume {_name_of(volume)}" for volume in anatomy.volumes if volume.name and volume not in gone]
    return f" Lost: {' and '.join(lost)}." + (f" Stays: {', '.join(stay)}." if stay else "")


def list_mounts(anatomy: Anatomy) -> str:
    """What an approval is bound to of its volumes and folders, never their sizes."""
    return ",".join(sorted(f"{_name_of(volume)}:{volume.destination}" for volume in anatomy.volumes))


def warn_of_end(plan: Plan, ctx: Reader) -> Plan:
    """The plan, where a container that its step may end was made with --rm, with what is lost by that."""
    steps = tuple(_say_end(step, ctx) for step in plan.steps)
    going = [step.target.name for step in steps if step.facts["removed_at_end"] == "yes"]
    warnings = [f"`{name}` was made with --rm: when it ends it is removed for good" for name in going]
    return plan.model_copy(update={"batches": (steps,), "warnings": (*plan.warnings, *warnings)})


def _say_end(step: Step, ctx: Reader) -> Step:
    site, container = step.target.site, step.target.id
    # to measure a writable layer takes an engine long, so it is done only where it is lost
    if not ctx.containers.read_container(site, container).removed_at_end:
        return step.model_copy(update={"facts": {**step.facts, "removed_at_end": "no"}})
    anatomy = ctx.containers.read_anatomy(site, container)
    loss = tell_loss(anatomy, volumes=True)
    return step.model_copy(
        update={
            "text": f"{step.text}. Made with --rm, it is removed when it ends.{loss}",
            "facts": {**step.facts, "removed_at_end": "yes", "volumes": list_mounts(anatomy)},
        }
    )


def _name_of(volume: MountedVolume) -> str:
    return (volume.name[:12] if volume.anonymous else volume.name) or volume.source
