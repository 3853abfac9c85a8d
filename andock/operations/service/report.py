"""What a deployment has to say when it has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from andock.naming import count
from andock.operation import End, Offer, Outcome, Phase, Plan, Table
from andock.operations.service.assignment import CLEAN, PULL, ROLL, Assignment, assignment_of

HEALTHY, ROLLED_BACK, UNKNOWN = "healthy", "rolled back", "unknown"
_AS_BEFORE = frozenset({"pending", "pulled", ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class _Engine:
    """What became of one engine."""

    site: str
    state: str
    text: str  # the first line is for the table, what is below is shown as it is


def report(plan: Plan, ends: Mapping[int, End]) -> Outcome:
    """How each engine ended, what runs where, and the button that goes back."""
    rolls = [step for step in plan.steps if step.action == ROLL]
    told = assignment_of(rolls[0])
    engines = [_Engine(site, HEALTHY, "It had it already and was left alone.") for site in told.met]
    engines += [_engine_of(plan, ends, step.target.site) for step in rolls]
    good = all(engine.state == HEALTHY for engine in engines)
    return Outcome(
        summary=_succeeded(told, engines) if good else _failed(told, engines),
        fields=(("Digest", told.version.digest), ("Config", told.config)),
        table=Table(
            columns=("engine", "state", "what"),
            rows=tuple((one.site, one.state, one.text.partition("\n")[0]) for one in engines),
        ),
        text="\n".join(_below(engines)),
        filename=f"{told.service}.log",
        notes=(*plan.warnings, *_uncleaned(plan, ends)),
        offers=_offers(told, good=good),
    )


def _engine_of(plan: Plan, ends: Mapping[int, End], site: str) -> _Engine:
    found = {
        step.action: ends[number]
        for number, step in enumerate(plan.steps)
        if step.target.site == site and number in ends
    }
    pulled, rolled = found.get(PULL), found.get(ROLL)
    if rolled is not None and rolled.undone is not None:
        if rolled.undone is Phase.DONE:
            text = rolled.undone_text if rolled.phase is Phase.DONE else rolled.text
            return _Engine(site, ROLLED_BACK, text)
        state = "not rolled back" if rolled.undone is Phase.FAILED else UNKNOWN
        return _Engine(site, state, "\n".join(filter(None, (rolled.undone_text, rolled.text))))
    if rolled is not None and rolled.phase is not Phase.NOT_DONE:
        states = {Phase.DONE: HEALTHY, Phase.FAILED: "failed", Phase.BEGUN: UNKNOWN, Phase.UNKNOWN: UNKNOWN}
        return _Engine(site, states[rolled.phase], rolled.text)
    if pulled is not None and pulled.phase is not Phase.NOT_DONE:
        states = {Phase.DONE: "pulled", Phase.FAILED: "pull failed"}
        return _Engine(site, states.get(pulled.phase, UNKNOWN), pulled.text)
    return _Engine(site, "pending", "")


def _succeeded(told: Assignment, engines: list[_Engine]) -> str:
    return (
        f"`{told.service}` {told.version.full} is healthy in {told.environment} on "
        f"{count(len(engines), 'engine')}."
    )


def _failed(told: Assignment, engines: list[_Engine]) -> str:
    """How many ended how; and it is said when two versions are left side by side."""
    counted = Counter(engine.state for engine in engines)
    states = ", ".join(f"{number} {state}" for state, number in counted.items())
    said = f"`{told.service}` {told.version.full} is not out in {told.environment}: {states}."
    new = [engine.site for engine in engines if engine.state == HEALTHY]
    old = [engine.site for engine in engines if engine.state in _AS_BEFORE or engine.state == "pull failed"]
    unclear = [engine.site for engine in engines if engine.site not in (*new, *old)]
    if not new and not unclear:
        return f"{said} All engines run what they ran before."
    parts = [
        f"{', '.join(sites)} {words}"
        for sites, words in (
            (new, f"run{'s' if len(new) == 1 else ''} the new version"),
            (old, f"run{'s' if len(old) == 1 else ''} the old one"),
            (unclear, "must be looked at"),
        )
        if sites
    ]
    return f"{said} Now {', '.join(parts)}."


def _below(engines: list[_Engine]) -> list[str]:
    """The last lines of containers that failed, each engine's below its name."""
    said: list[str] = []
    for engine in engines:
        if engine.state == HEALTHY:
            continue
        lines = engine.text.split("\n")[1:]
        said += [f"{engine.site}:", *lines] if lines else []
    return said


def _uncleaned(plan: Plan, ends: Mapping[int, End]) -> list[str]:
    return [
        f"{step.target.site}: {ends[number].text.partition(chr(10))[0]}"
        for number, step in enumerate(plan.steps)
        if step.action == CLEAN and number in ends and ends[number].phase in {Phase.FAILED, Phase.UNKNOWN}
    ]


def _offers(told: Assignment, *, good: bool) -> tuple[Offer, ...]:
    status = Offer(label="Status", command=f"service status {told.service} in {told.environment}")
    if not good:
        return (status,)
    command = f"service rollback {told.service} in {told.environment}"
    return (Offer(label="Roll back", command=command, danger=True), status)
