"""Collecting what is wrong with a payload, each with the JSON pointer of the place."""

from dataclasses import dataclass, field

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One finding, worded as Slack words it."""

    path: Path
    message: str
    code: str = "failed_constraint"

    @property
    def pointer(self) -> str:
        """RFC 6901 pointer into the payload that was checked."""
        return "".join(f"/{part}" for part in self.path)

    def explain(self, root: str) -> str:
        """The line that goes into `response_metadata.messages`."""
        return f"[ERROR] {self.message} [json-pointer:{root}{self.pointer}]"


@dataclass
class Problems:
    """Findings of one check; all are collected, because one at a time is tiresome to fix."""

    found: list[Problem] = field(default_factory=list)

    def add(self, path: Path, message: str) -> None:
        """Record a finding."""
        self.found.append(Problem(path, message))

    def need_object(self, path: Path, value: object) -> dict[str, object] | None:
        """The value as an object, or a finding."""
        if isinstance(value, dict):
            return value
        self.add(path, "must be an object")
        return None

    def need_list(self, path: Path, value: object, low: int, high: int) -> list[object]:
        """The value as an array of `low` to `high` items; empty (with a finding) when it is none."""
        if not isinstance(value, list):
            self.add(path, "must be an array")
            return []
        if len(value) < low:
            self.add(path, f"no fewer than {low} items allowed" if value else "must contain at least 1 item")
        if len(value) > high:
            self.add(path, f"no more than {high} items allowed")
        return value

    def need_string(self, path: Path, value: object, low: int, high: int) -> str | None:
        """The value as a string of `low` to `high` characters."""
        if not isinstance(value, str):
            self.add(path, "must be a string")
            return None
        if len(value) < low:
            self.add(path, f"must be more than {low - 1} characters")
        if len(value) > high:
            self.add(path, f"must be less than {high + 1} characters")
        return value

    def need_choice(self, path: Path, value: object, choices: tuple[str, ...]) -> None:
        """The value must be one of `choices`."""
        if value not in choices:
            self.add(path, f"must be a valid enum value; expected one of {', '.join(choices)}")

    def need_bool(self, path: Path, value: object) -> None:
        """The value must be true or false, not 1 or "true"."""
        if not isinstance(value, bool):
            self.add(path, "must be a boolean")

    def need_keys(self, path: Path, obj: dict[str, object], required: set[str], optional: set[str]) -> None:
        """Every required key is there and no unknown one is."""
        for key in sorted(required - obj.keys()):
            self.add(path, f"missing required field: {key}")
        for key in sorted(obj.keys() - required - optional):
            self.add((*path, key), f"invalid additional property: {key}")
