"""A trace in memory: what a backend would show."""

from __future__ import annotations

from dataclasses import dataclass, field

from andock.ports.trace import Traced


@dataclass
class Shown:
    """One step as it is shown."""

    step: Traced
    state: str = "running"
    percents: list[int] = field(default_factory=list)
    problem: str = ""


@dataclass
class FakeTrace:
    """Implements `Trace`; shows steps on the sites that know Andock."""

    known: set[str]
    refuses: bool = False
    shown: dict[str, Shown] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)  # target and words

    def begin(self, step: Traced) -> str:
        if step.site not in self.known or self.refuses:
            return ""
        self.events.append(
            (step.target, f"{step.actor} asked Andock in chat: {step.text} (request {step.request})")
        )
        name = f"task-{len(self.shown)}"
        self.shown[name] = Shown(step)
        return name

    def tell(self, site: str, trace: str, percent: int) -> None:
        if site in self.known and not self.refuses:
            self.shown[trace].percents.append(percent)

    def end(self, site: str, trace: str, problem: str = "") -> None:
        if site in self.known and not self.refuses and trace in self.shown:
            self.shown[trace].state = "error" if problem else "success"
            self.shown[trace].problem = problem
