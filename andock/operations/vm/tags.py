"""`tag attach` and `tag detach`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from andock.errors import InvalidParamsError, TargetNotFoundError, TargetStateError
from andock.operation import Backend, Change, Params, Plan, Reader, Risk, Step, Writer
from andock.operations.vm.selection import MOST, Selection, pick, sort_out
from andock.operations.vm.targets import NAMING, target_of
from andock.operations.vm.tasks import CallStep, Seen
from andock.ports.vsphere import Vm


class TagParams(Params):
    """What `tag attach` and `tag detach` take."""

    tag: str = Field(
        min_length=3, max_length=500, description="`category=tag`, as the vCenter knows it: `env=stage`."
    )
    vm: tuple[str, ...] = Field(
        min_length=1, max_length=50, description=f"{NAMING} A pattern such as `web-*` means all that it fits."
    )
    at_once: int = Field(default=5, ge=1, le=50, description="So many VMs are changed at a time.")
    max_fail: int = Field(
        default=1, ge=1, le=MOST, description="After so many failures no more VMs are begun with."
    )


@dataclass(frozen=True)
class Tagging:
    """Attaching a tag, or taking it away."""

    away: bool

    def plan(self, params: TagParams, ctx: Reader) -> Plan:
        """One step for each VM; policy judges each by its tags and environment before and after.

        Raises:
            TargetStateError: a VM bears the tag already, or does not bear it.
            TargetNotFoundError: a vCenter does not know the tag; says the nearest.
            AmbiguousTargetError, BackendUnavailableError, ...: see `pick`.
        """
        if "=" not in params.tag:
            raise InvalidParamsError(f"`{params.tag}` is no tag; write `category=tag`, such as `env=stage`.")
        picked = pick(Selection(vm=params.vm), ctx)
        tags = _tags_of({one.vm.site: [] for one in picked}, [one.vm for one in picked], params.tag, ctx)

        def refuse(vm: Vm) -> TargetStateError | None:
            if (params.tag in tags[vm.site, vm.id]) is self.away:
                return None
            state = "without the tag" if self.away else "tagged so already"
            return TargetStateError(vm.name, actual=state, wanted="with it" if self.away else "without it")

        vms, left_out = sort_out(picked, refuse)
        steps = tuple(self._step(vm, tags[vm.site, vm.id], params.tag, ctx) for vm in vms)
        warnings = [
            f"`{step.target.name}` goes from {step.target.environment} to {step.becomes.environment} by it."
            for step in steps
            if step.becomes is not None and step.becomes.environment != step.target.environment
        ]
        return Plan(
            batches=(steps,),
            warnings=(*left_out, *warnings),
            at_once=params.at_once,
            max_fail=params.max_fail,
        )

    def _step(self, vm: Vm, tags: tuple[str, ...], tag: str, ctx: Reader) -> Step:
        after = tuple(sorted(set(tags) - {tag} if self.away else {*tags, tag}))
        target = target_of(vm).model_copy(update={"labels": tags})
        environment = ctx.vsphere.environment_of(vm.site, vm.path, after, vm.cluster)
        text = f"take the tag `{tag}` from `{vm.name}`" if self.away else f"tag `{vm.name}` with `{tag}`"
        return Step(
            action="detach" if self.away else "attach",
            target=target,
            text=text,
            facts={"tags": ", ".join(tags)},
            args={"tag": tag},
            becomes=target.model_copy(update={"labels": after, "environment": environment}),
        )

    @property
    def call(self) -> CallStep:
        """How one step is made and recognised."""
        return CallStep(call=self._call, look=self._look, done=self._say)

    def _call(self, step: Step, ctx: Writer) -> None:
        change = ctx.vsphere.detach_tag if self.away else ctx.vsphere.attach_tag
        change(step.target.site, step.target.id, str(step.args["tag"]))

    def _look(self, step: Step, ctx: Reader) -> Seen:
        vm = ctx.vsphere.read_vm(step.target.site, step.target.id)
        tags = ctx.vsphere.tags_of(vm.site, (vm.id,))[vm.id]
        return Seen((str(step.args["tag"]) in tags) is not self.away, f"its tags are {', '.join(tags)}")

    def _say(self, step: Step) -> str:
        verb = "is no longer tagged" if self.away else "is tagged"
        return f"`{step.target.name}` {verb} `{step.args['tag']}`."


def _tags_of(
    by_site: Mapping[str, list[str]], vms: list[Vm], tag: str, ctx: Reader
) -> dict[tuple[str, str], tuple[str, ...]]:
    """The tags of each VM, where every site knows the tag that is asked for."""
    for vm in vms:
        by_site[vm.site].append(vm.id)
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for site, ids in by_site.items():
        known = ctx.vsphere.known_tags(site)
        if tag not in known:
            similar = difflib.get_close_matches(tag, known, n=3, cutoff=0.5)
            raise TargetNotFoundError("tag", tag, searched=(site,), similar=similar)
        found |= {(site, vm): tags for vm, tags in ctx.vsphere.tags_of(site, ids).items()}
    return found


ATTACHING, DETACHING = Tagging(away=False), Tagging(away=True)

TAG_ATTACH = Change(
    name="tag attach",
    summary="Tag VMs; the tag must be there already.",
    params=TagParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=ATTACHING.plan,
    apply=ATTACHING.call.apply,
    settle=ATTACHING.call.settle,
    examples=("tag attach env=stage web-01", "tag attach owner=shop web-* --at-once 20"),
)
TAG_DETACH = Change(
    name="tag detach",
    summary="Take a tag from VMs.",
    params=TagParams,
    backend=Backend.VSPHERE,
    risk=Risk.CHANGE,
    plan=DETACHING.plan,
    apply=DETACHING.call.apply,
    settle=DETACHING.call.settle,
    examples=("tag detach env=stage web-01",),
)
