"""Which VMs a change is about: names, patterns over names, tags; and how many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self, TypeVar

from pydantic import Field, model_validator

from andock.errors import BackendUnavailableError, InvalidParamsError, TargetNotFoundError, TargetStateError
from andock.operation import Params, Plan, Reader, Step
from andock.operations.vm.filters import by_name, is_pattern
from andock.operations.vm.targets import NAMING, resolve_all, split_site, target_of
from andock.ports.sites import Listing
from andock.ports.vsphere import Vm

T = TypeVar("T")
MOST = 200  # VMs that one request may change
_SAID = 3  # of those left out, so many are named


class Selection(Params):
    """What every change of VMs takes."""

    vm: tuple[str, ...] = Field(
        default=(), max_length=50, description=f"{NAMING} A pattern such as `web-*` means all that it fits."
    )
    tag: tuple[str, ...] = Field(
        default=(),
        max_length=5,
        description="Only VMs with this tag, `category=tag`; given again: with all of them.",
        json_schema_extra={"positional": False, "metavar": "CATEGORY=TAG"},
    )
    at_once: int = Field(default=5, ge=1, le=50, description="So many VMs are changed at a time.")
    max_fail: int = Field(
        default=1, ge=1, le=MOST, description="After so many failures no more VMs are begun with."
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.vm and not self.tag:
            raise ValueError("say which VMs: names, a pattern such as `web-*`, or `--tag category=tag`")
        return self

    def plan_of(self, steps: Iterable[Step], warnings: Iterable[str]) -> Plan:
        """One batch of these steps, as many at a time as was asked for."""
        batch = tuple(steps)
        return Plan(batches=(batch,), warnings=tuple(warnings), at_once=self.at_once, max_fail=self.max_fail)


@dataclass(frozen=True, slots=True)
class Picked:
    """A VM that is meant, and whether by its own name or by a pattern or a tag alone."""

    vm: Vm
    named: bool


def pick(params: Selection, ctx: Reader) -> tuple[Picked, ...]:
    """The VMs that are meant, each once, named ones first.

    Raises:
        TargetNotFoundError: a name or a pattern means none, or all that are meant lack a tag.
        InvalidParamsError: they are more than one request may change.
        AmbiguousTargetError, BackendUnavailableError, UnknownSiteError: see `resolve_all`.
    """
    patterns = [name for name in params.vm if is_pattern(name)]
    named = resolve_all([name for name in params.vm if not is_pattern(name)], ctx)
    tagged = _tagged(params.tag, ctx)
    for vm in named:
        if tagged is not None and (vm.site, vm.id) not in tagged:
            raise TargetStateError(vm.name, actual="without that tag", wanted=" and ".join(params.tag))
    wanted = _fitting(patterns, ctx) if patterns or tagged is None else [] if named else sorted(tagged)
    wanted = [one for one in wanted if tagged is None or one in tagged]
    if len(named) + len(wanted) > MOST:
        many = len(named) + len(wanted)
        raise InvalidParamsError(f"That means {many} VMs; one request changes at most {MOST}.")
    picked = {target_of(vm).key: Picked(vm, named=True) for vm in named}
    for site in dict.fromkeys(site for site, _ in wanted):
        for vm in ctx.vsphere.read_vms(site, [vm for where, vm in wanted if where == site]):
            picked.setdefault(target_of(vm).key, Picked(vm, named=False))
    if not picked:
        typed = " ".join((*params.vm, *(f"--tag {tag}" for tag in params.tag)))
        raise TargetNotFoundError("VM", typed, searched=(ctx.site,) if ctx.site else ctx.vsphere.sites())
    return tuple(picked.values())


def sort_out(
    picked: Iterable[Picked], refuse: Callable[[Vm], TargetStateError | None]
) -> tuple[tuple[Vm, ...], tuple[str, ...]]:
    """VMs that it can be done to, and a warning about those that a pattern or tag meant in vain.

    Raises:
        TargetStateError: it cannot be done to a VM that was named, or to none.
    """
    fit: list[Vm] = []
    left_out: list[TargetStateError] = []
    for one in picked:
        error = refuse(one.vm)
        if error is None:
            fit.append(one.vm)
        elif one.named:
            raise error
        else:
            left_out.append(error)
    if not fit and left_out:
        raise left_out[0]
    if not left_out:
        return tuple(fit), ()
    said = " ".join(error.sentence for error in left_out[:_SAID])
    more = f" And {len(left_out) - _SAID} more." if len(left_out) > _SAID else ""
    return tuple(fit), (f"{len(left_out)} left out: {said}{more}",)


def _tagged(tags: Iterable[str], ctx: Reader) -> set[tuple[str, str]] | None:
    """Site and id of the VMs that bear all these tags; None if none is asked for."""
    found: set[tuple[str, str]] | None = None
    for tag in tags:
        bearers = set(_all_of(ctx.vsphere.tagged_vms(tag, ctx.site)))
        found = bearers if found is None else found & bearers
    return found


def _fitting(patterns: Iterable[str], ctx: Reader) -> list[tuple[str, str]]:
    """Site and id of the VMs whose name or path a pattern fits, by name; of those called so, if any are."""
    found: dict[tuple[str, str], None] = {}
    for typed in patterns:
        pattern, site = split_site(typed, ctx)
        folded, is_meant = pattern.casefold(), by_name(pattern)
        listing = ctx.vsphere.vm_names(site)  # what is changed is not chosen by an index
        rows = _all_of(listing)
        called = [row for row in rows if folded in (row.name.casefold(), row.path.casefold())]  # `db [old]`
        fits = called or [row for row in rows if is_meant(row)]
        if not fits:
            raise TargetNotFoundError("VM", typed, searched=listing.searched)
        fits.sort(key=lambda row: (row.name.casefold(), row.site, row.id))
        found |= dict.fromkeys((row.site, row.id) for row in fits)
    return list(found)


def _all_of(listing: Listing[T]) -> tuple[T, ...]:
    """The rows, if every site answered: what is changed must not depend on who was away."""
    if listing.not_reached:
        away = listing.not_reached[0]
        others = f"; `--site` leaves it out: {', '.join(listing.searched)}" if listing.searched else ""
        raise BackendUnavailableError(away.site, away.why + others)
    return listing.rows
