"""What the marks of a plan's steps add up to."""

from __future__ import annotations

from collections.abc import Mapping

from andock.entries import StepMark
from andock.errors import Changed
from andock.messages import Failed, Succeeded
from andock.operation import Change, End, Outcome, Params, Phase, Plan, Table
from andock.plan import undo_of

_SAID = 3  # of many failures, so many are said in full; the table has them all


def result_of(
    operation: Change[Params], plan: Plan, marks: Mapping[int, StepMark], why: str, *, cancelled_by: str = ""
) -> Succeeded | Failed:
    """The result that the marks prove; `why` is the reason, if any, for which the rest was not begun."""
    undone = {undo_of(number): mark for number, mark in marks.items() if number < 0}
    marks = {number: mark for number, mark in marks.items() if number >= 0}
    if operation.report is not None:
        outcome = operation.report(plan, _ends(marks, undone))
    else:
        outcome = outcome_of(operation, plan, marks)
    broken = _broken(marks, in_short=operation.report is not None)
    done = sum(mark.phase is Phase.DONE for mark in marks.values())
    if not broken and not why and not cancelled_by and done == len(plan.steps):
        return Succeeded(outcome=outcome)
    said = [_cancellation(plan, marks, cancelled_by)] if cancelled_by else []
    said += [] if cancelled_by and len(plan.steps) == 1 else broken[:_SAID]
    said += [f"And {len(broken) - _SAID} more failed; the table has them all."] if len(broken) > _SAID else []
    if undone:
        said.append(_undoing(plan, marks, undone))
    if undone and _is_put_back(plan, marks, undone):
        return Failed(
            code="rolled_back",
            sentence=" ".join([*said, why]).strip(),
            changed=Changed.NOTHING,
            outcome=outcome,
        )
    return Failed(
        code="cancelled" if cancelled_by else "step_failed" if broken else "interrupted",
        sentence=" ".join([*said, why]).strip(),
        changed=_changed_in_all(plan, marks, undone),
        outcome=outcome if operation.report or len(plan.steps) > 1 or outcome.offers else None,
    )


def outcome_of(operation: Change[Params], plan: Plan, marks: Mapping[int, StepMark]) -> Outcome:
    """What the marks say was done: one sentence for each step on one target, a table for several targets."""
    offers = tuple(offer for mark in _ordered(marks) for offer in mark.offers)
    done = [mark.text for mark in _ordered(marks) if mark.phase is Phase.DONE]
    if len(plan.targets) == 1:
        said = [text.partition("\n") for text in done or [plan.steps[0].text]]
        return Outcome(
            summary=" ".join(first for first, _, _ in said),
            text="\n".join(rest for _, _, rest in said if rest),
            offers=offers,
            notes=plan.warnings,
        )
    rows = tuple(
        (step.target.name, step.target.site, mark.phase.value, mark.text.partition("\n")[0])
        for number, step in enumerate(plan.steps)
        for mark in [marks.get(number, StepMark(phase=Phase.NOT_DONE))]
    )
    return Outcome(
        summary=f"{operation.name}: {len(done)} of {len(plan.steps)} done.",
        table=Table(columns=("target", "site", "result", "what"), rows=rows),
        offers=offers,
        notes=plan.warnings,
    )


def changed_by(marks: Mapping[int, StepMark]) -> Changed:
    """What all steps together did."""
    phases = {mark.phase for mark in marks.values()}
    if Phase.UNKNOWN in phases or any(mark.changed is Changed.UNKNOWN for mark in marks.values()):
        return Changed.UNKNOWN
    if Phase.DONE in phases or any(mark.changed is Changed.PARTLY for mark in marks.values()):
        return Changed.PARTLY
    return Changed.NOTHING


def failures_of(plan: Plan, marks: Mapping[int, StepMark]) -> str:
    """What went wrong, and what was put back, for who has to say how it goes on."""
    undone = {undo_of(number): mark for number, mark in marks.items() if number < 0}
    marks = {number: mark for number, mark in marks.items() if number >= 0}
    return " ".join([*_broken(marks, in_short=True)[:_SAID], _undoing(plan, marks, undone)]).strip()


def _broken(marks: Mapping[int, StepMark], *, in_short: bool) -> list[str]:
    """What failed steps say; in short only the first line, where a report has the rest."""
    texts = [mark.text for mark in _ordered(marks) if mark.phase in {Phase.FAILED, Phase.UNKNOWN}]
    return [text.partition("\n")[0] for text in texts] if in_short else texts


def _ends(marks: Mapping[int, StepMark], undone: Mapping[int, StepMark]) -> dict[int, End]:
    ends = {}
    for number, mark in marks.items():
        back = undone.get(number)
        ends[number] = End(mark.phase, mark.text, back.phase if back else None, back.text if back else "")
    return ends


def _undoing(plan: Plan, marks: Mapping[int, StepMark], undone: Mapping[int, StepMark]) -> str:
    """Which targets were put back, which could not be, and which still have what was changed."""
    back = [_place(plan, number) for number, mark in sorted(undone.items()) if mark.phase is Phase.DONE]
    said = [f"Put back: {', '.join(dict.fromkeys(back))}."] if back else []
    said += [f"Not put back: {mark.text}" for mark in _ordered(undone) if mark.phase is not Phase.DONE]
    left = [
        _place(plan, number)
        for number, mark in sorted(marks.items())
        if mark.phase is Phase.DONE and plan.steps[number].undo is not None and number not in undone
    ]
    return " ".join([*said, *([f"Left as changed: {', '.join(left)}."] if left else [])])


def _place(plan: Plan, number: int) -> str:
    target = plan.steps[number].target
    return f"{target.name} on {target.site}"


def _is_put_back(plan: Plan, marks: Mapping[int, StepMark], undone: Mapping[int, StepMark]) -> bool:
    """Whether everything that was begun and can be put back was."""
    changed = [number for number in marks if plan.steps[number].undo is not None]
    return all(number in undone and undone[number].phase is Phase.DONE for number in changed)


def _changed_in_all(plan: Plan, marks: Mapping[int, StepMark], undone: Mapping[int, StepMark]) -> Changed:
    """What steps changed that was not put back; where a plan can be undone, its other steps do not count."""
    if not plan.can_undo:
        return changed_by(marks)
    left = {
        number: mark
        for number, mark in marks.items()
        if plan.steps[number].undo is not None
        and not (number in undone and undone[number].phase is Phase.DONE)
    }
    unknown = {undo_of(number): mark for number, mark in undone.items() if mark.phase is Phase.UNKNOWN}
    return changed_by(left | unknown)


def _ordered(marks: Mapping[int, StepMark]) -> list[StepMark]:
    return [mark for _, mark in sorted(marks.items())]


def _cancellation(plan: Plan, marks: Mapping[int, StepMark], by: str) -> str:
    """Who cancelled, and what was done and what was not."""
    asked = f"{by} asked to cancel"
    if not marks:
        return f"{asked}. Nothing had been done."
    if len(plan.steps) == 1:
        return f"{asked}. {marks[0].text or 'Nothing had been done.'}"
    ended = [mark.phase for mark in marks.values() if mark.text]
    counts = [f"{ended.count(Phase.DONE)} of {len(plan.steps)} done"]
    for phase, word in (
        (Phase.FAILED, "failed"),
        (Phase.UNKNOWN, "unknown"),
        (Phase.NOT_DONE, "stopped under way and left as they were"),
    ):
        counts += [f"{ended.count(phase)} {word}"] if phase in ended else []
    counts += [f"{len(plan.steps) - len(ended)} not begun"] if len(ended) < len(plan.steps) else []
    return f"{asked}: {', '.join(counts)}."
