"""What a request would change: targets, steps, and the plan that an agreement is bound to."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Mapping
from enum import StrEnum

from pydantic import Field, JsonValue

from andock.values import Value


class Target(Value):
    """What something is done to, resolved: policy judges this and never the typed text."""

    kept = frozenset({"kind", "site", "id", "environment", "path", "parents", "uuid"})
    kind: str = Field(description="vm, container, ...")
    site: str
    id: str
    name: str
    environment: str
    path: str = ""
    labels: tuple[str, ...] = Field(default=(), description="tags and labels as key=value")
    parents: tuple[str, ...] = Field(default=(), description="keys of what it lies in; held with it, shared")
    uuid: str = Field(default="", description="BIOS UUID of a VM, by which Andock knows its own")

    @property
    def key(self) -> str:
        """Names this target in leases and indexes."""
        return f"{self.kind}:{self.site}/{self.id}"

    @property
    def names(self) -> tuple[str, ...]:
        """Everything a person could call it by; a denial of any of these names denies it."""
        return tuple(dict.fromkeys(name for name in (self.name, self.path, self.id) if name))


class OnFailure(StrEnum):
    """What becomes of a plan when a step of a batch has failed and what the batch did is put back."""

    STOP = "stop"  # nothing is put back and no more is begun
    UNDO = "undo"  # what earlier batches did is put back too
    ASK = "ask"  # a person says whether to go on or to put everything back
    GO_ON = "go on"  # the next batch is taken


class Step(Value):
    """One change to one target."""

    kept = frozenset({"action", "facts", "args", "doing", "ended"})
    action: str = Field(description="the operation's own word for it, such as `restart`")
    target: Target
    text: str = Field(description="what a person reads: `restart web-01 (on)`")
    facts: Mapping[str, str] = Field(
        default_factory=dict, description="the state that an approval is bound to; no counters"
    )
    args: Mapping[str, JsonValue] = Field(default_factory=dict)
    becomes: Target | None = Field(
        default=None, description="the target as the step will leave it, where policy must judge that too"
    )
    doing: str = Field(default="", description="its target's state on the board while it runs: `pulling`")
    ended: str = Field(default="", description="its target's state on the board when it is done: `healthy`")
    undo: Step | None = Field(
        default=None,
        description="puts back what this one changed, from wherever it was left; repeatable",
    )

    @property
    def agreed(self) -> list[JsonValue]:
        """What an approval of this step is about."""
        target = self.target
        facts: dict[str, JsonValue] = dict(self.facts)
        return [self.action, target.key, target.path, target.environment, facts, dict(self.args)]


class Plan(Value):
    """What a request would change, before it changes it: steps in batches."""

    batches: tuple[tuple[Step, ...], ...]
    warnings: tuple[str, ...] = ()
    at_once: int = Field(default=1, ge=1, description="so many steps of a batch are taken at a time")
    max_fail: int = Field(default=1, ge=1, description="after so many failures no more steps are begun")
    touches: tuple[Target, ...] = Field(
        default=(), description="what it moves besides its targets; policy judges these too"
    )
    on_failure: OnFailure = Field(
        default=OnFailure.STOP, description="what `max_fail` failures come to, where steps can be undone"
    )
    closing: tuple[Step, ...] = Field(
        default=(), description="taken when all batches are done; from here on nothing is put back"
    )
    holds: tuple[str, ...] = Field(
        default=(), description="keys held for it alone besides its targets, as `deploying:prod`"
    )
    announce: str = Field(default="", description="a channel that is told how it ended, `#releases` or an id")

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order, closing ones last; a step's number is its index here."""
        return (*(step for batch in self.batches for step in batch), *self.closing)

    @property
    def can_undo(self) -> bool:
        """Whether what it changes can be put back."""
        return any(step.undo is not None for step in self.steps)

    def step(self, number: int) -> Step:
        """The step of this number; the undo of step n has the number -1 - n.

        Raises:
            ValueError: that step has no undo.
        """
        if number >= 0:
            return self.steps[number]
        undo = self.steps[undo_of(number)].undo
        if undo is None:
            raise ValueError(f"step {undo_of(number)} has no undo")
        return undo

    def only(self, numbers: Collection[int]) -> Plan:
        """The plan of these steps alone, with what it touches besides."""
        batch = tuple(step for number, step in enumerate(self.steps) if number in numbers)
        return self.model_copy(update={"batches": (batch,), "closing": ()})

    @property
    def closing_numbers(self) -> tuple[int, ...]:
        """The numbers of its closing steps."""
        return tuple(range(len(self.steps) - len(self.closing), len(self.steps)))

    @property
    def numbers(self) -> tuple[tuple[int, ...], ...]:
        """The steps' numbers, batch by batch."""
        begins = [0, *itertools.accumulate(len(batch) for batch in self.batches)]
        return tuple(tuple(range(begin, end)) for begin, end in itertools.pairwise(begins))

    @property
    def judged(self) -> tuple[Target, ...]:
        """What policy judges: each target as it is, and as its step will leave it; what else is moved."""
        left = (step.becomes for step in self.steps if step.becomes is not None)
        return (*self.targets, *left, *self.touches)

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is changed, each target once."""
        return tuple({step.target.key: step.target for step in self.steps}.values())

    @property
    def sites(self) -> frozenset[str]:
        """Where its targets are."""
        return frozenset(step.target.site for step in self.steps)

    @property
    def phrase(self) -> str:
        """What a person types again before it is destroyed: the target's name, or how many there are."""
        targets = self.targets
        return targets[0].name if len(targets) == 1 else f"{len(targets)} targets"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over what is changed, its state, and what failures come to: what was agreed on."""
        steps = [[step.agreed for step in batch] for batch in (*self.batches, self.closing)]
        agreed = [steps, self.on_failure, self.max_fail]
        return hashlib.sha256(json.dumps(agreed, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def differences(self, now: Plan) -> tuple[str, ...]:
        """What a person would want to know if `now` is no longer this plan; empty if it still is."""
        if self.digest == now.digest:
            return ()
        before = {(step.action, step.target.key): step for step in self.steps}
        after = {(step.action, step.target.key): step for step in now.steps}
        said = self._other_terms(now)
        said += [f"{step.text} is no longer part of it" for key, step in before.items() if key not in after]
        said += [f"{step.text} is new in it" for key, step in after.items() if key not in before]
        for key, old in before.items():
            new = after.get(key)
            if new is None:
                continue
            if old.target.path != new.target.path:
                said.append(f"{old.target.name} was {old.target.path} and is {new.target.path}")
            if old.target.environment != new.target.environment:
                said.append(
                    f"{old.target.name} was in {old.target.environment}, is in {new.target.environment}"
                )
            said += [
                f"{old.target.name}: {fact} was {value} and is {new.facts.get(fact, 'gone')}"
                for fact, value in old.facts.items()
                if new.facts.get(fact) != value
            ]
        return tuple(said) or ("the order or the arguments of its steps",)

    def _other_terms(self, now: Plan) -> list[str]:
        """How failures are dealt with otherwise in `now`."""
        said = []
        if self.on_failure != now.on_failure:
            said.append(f"what it does on failure was to {self.on_failure} and is to {now.on_failure}")
        if self.max_fail != now.max_fail:
            said.append(f"how many failures it ends at was {self.max_fail} and is {now.max_fail}")
        return said


def undo_of(number: int) -> int:
    """The number of a step's undo, and of the step that an undo belongs to."""
    return -1 - number
