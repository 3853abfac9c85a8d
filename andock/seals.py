"""A request's plan and the marks of its steps as they lie in the ledger: signed by a worker, read by all.

A mark is bound to the very bytes of the plan that it belongs to, and those to their request. Marks are made
only of a plan that was decided and agreed on, so whoever finds a genuine one knows that it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import Field

from andock.cleaning import clean
from andock.entries import Entry, StepMark
from andock.errors import SignatureError
from andock.operation import Plan, Value
from andock.redaction import Redactor
from andock.signing import Signer, Verifier

WORKER = "worker"


class StoredPlan(Value):
    """The plan of a request. Signed by the worker that made it."""

    version: Literal[1] = 1
    instance: str
    request: str
    attempt: int = Field(description="the one that made it")
    plan: Plan
    rule: str = Field(default="", description="which let it begin; empty of a plan that was only shown")


class StoredMark(Value):
    """The checkpoint of one step. Signed by the worker that takes the step."""

    version: Literal[1] = 1
    plan: str = Field(description="SHA-256 (hex) of the sealed plan whose step it is")
    number: int = Field(description="the step's; of a step's undo, see `Plan.step`")
    mark: StepMark


@dataclass(frozen=True, slots=True)
class Begun:
    """A plan of which steps were begun, and how far they are."""

    sealed: bytes
    plan: Plan
    rule: str
    marks: Mapping[int, StepMark]


def seal_plan(stored: StoredPlan, signer: Signer, redactor: Redactor) -> bytes:
    """The plan as it is stored, without secrets.

    Raises:
        SecretInPlanError: it cannot be stored without one.
    """
    return signer.sign(stored.model_copy(update={"plan": clean(stored.plan, redactor)}))


def seal_mark(plan: bytes, number: int, mark: StepMark, signer: Signer, redactor: Redactor) -> bytes:
    """The mark as it is stored, without secrets, bound to the sealed plan."""
    return signer.sign(StoredMark(plan=_fingerprint(plan), number=number, mark=clean(mark, redactor)))


def open_plan(entry: Entry, verifier: Verifier, instance: str) -> StoredPlan | None:
    """The plan that lies in an entry; None if there is none.

    Raises:
        SignatureError: it was not made by a worker of ours, or for another request.
    """
    if not entry.plan:
        return None
    stored = verifier.open(entry.plan, StoredPlan, by=WORKER)
    if (stored.request, stored.instance) != (entry.id, instance):
        raise SignatureError("a stored plan belongs to another request")
    return stored


def open_begun(entry: Entry, verifier: Verifier, instance: str) -> Begun | None:
    """The plan of an entry and the marks of its steps; None if no step was begun.

    Raises:
        SignatureError: one of them is not a worker's of ours, or they do not belong together.
    """
    if not entry.marks:
        return None
    stored = open_plan(entry, verifier, instance)
    if stored is None:
        raise SignatureError("there are marks of steps, and no plan")
    plan, marks = _fingerprint(entry.plan), {}
    for number, sealed in entry.marks.items():
        mark = verifier.open(sealed, StoredMark, by=WORKER)
        if (mark.plan, mark.number) != (plan, number):
            raise SignatureError("a stored mark belongs to another plan or step")
        marks[number] = mark.mark
    return Begun(entry.plan, stored.plan, stored.rule, marks)


def genuine_plan(entry: Entry, verifier: Verifier, instance: str) -> Plan | None:
    """The plan of an entry to be told or recorded; None if there is none, or somebody else put it there."""
    try:
        stored = open_plan(entry, verifier, instance)
    except SignatureError:
        return None
    return stored.plan if stored is not None else None


def genuine_marks(entry: Entry, verifier: Verifier, instance: str) -> Mapping[int, StepMark]:
    """The marks of an entry to be told; none if they are not all genuine."""
    try:
        begun = open_begun(entry, verifier, instance)
    except SignatureError:
        return {}
    return begun.marks if begun is not None else {}


@lru_cache(maxsize=8)
def _fingerprint(sealed: bytes) -> str:
    return hashlib.sha256(sealed).hexdigest()
