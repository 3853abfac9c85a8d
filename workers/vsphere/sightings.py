"""What the property collector says, as plain values: the objects sighted, and how a text becomes a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pyVmomi.VmomiSupport import GuessWsdlType

Converter: TypeAlias = Callable[[str], Any]


@dataclass(slots=True)
class Node:
    """An element of a property whose value is no single one: a list, or an object with fields."""

    tag: str
    kind: str = ""  # its type, where the answer says it
    text: str = ""
    nodes: list[Node] = field(default_factory=list)

    def all(self, tag: str) -> Iterator[Node]:
        """The nodes of this name right below."""
        return (node for node in self.nodes if node.tag == tag)

    def first(self, tag: str) -> str:
        """The text of the first node of this name right below; empty when there is none."""
        return next((node.text for node in self.nodes if node.tag == tag), "")


@dataclass(slots=True)
class Sighting:
    """What an answer says of one managed object; what could not be read, or is not set, is missing or None.

    Attributes:
        kind: its type on the wire, such as `VirtualMachine`.
        values: by property path: text, number, truth, aware time, an object's id, or a Node.
        change: in an update `enter`, `modify` or `leave`; empty in an answer to a retrieval.
    """

    kind: str
    id: str
    values: dict[str, Any]
    change: str = ""

    def get(self, path: str, otherwise: Any = None) -> Any:
        """One property, or `otherwise`."""
        value = self.values.get(path)
        return otherwise if value is None else value

    def is_a(self, kind: type) -> bool:
        """Whether it is of this type of pyVmomi's, or of one below it."""
        return issubclass(GuessWsdlType(self.kind), kind)  # type: ignore[no-untyped-call]  # pyVmomi


def read_time(text: str) -> datetime:
    """A time as vCenter writes it: aware, UTC; raises ValueError."""
    read = datetime.fromisoformat(text)
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


_CONVERTERS: Mapping[str, Converter] = {
    "boolean": lambda text: text in {"true", "1"},
    **dict.fromkeys(("byte", "short", "int", "long"), int),
    **dict.fromkeys(("float", "double"), float),
    "dateTime": read_time,
    **dict.fromkeys(("string", "anyURI", "base64Binary", "ManagedObjectReference"), str),
}


def choose_converter(kind: str) -> Converter | None:
    """How the text of a value of this type becomes a value; None where there may be elements below it."""
    return _CONVERTERS.get(kind) or (str if _is_word(kind) else None)


def _is_word(kind: str) -> bool:
    """Whether values of this type are words, as those of enumerations are."""
    try:
        return issubclass(GuessWsdlType(kind), str)  # type: ignore[no-untyped-call]  # pyVmomi
    except KeyError:
        return False  # of a newer vCenter than this pyVmomi
