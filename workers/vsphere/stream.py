"""The property collector's answers, read while they arrive, as plain values.

pyVmomi makes an object of its own for every property, which is nine tenths of the time that a listing takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from sys import intern
from typing import Any, TypeAlias
from xml.parsers.expat import ExpatError, ParserCreate, XMLParserType

from pyVmomi import vim
from pyVmomi.VmomiSupport import GuessWsdlType

_Converter: TypeAlias = Callable[[str], Any]


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


class AnswerReader:
    """Takes one answer piece by piece and gives its objects as soon as each is complete.

    Understands what RetrievePropertiesEx, ContinueRetrievePropertiesEx and WaitForUpdatesEx answer.

    Attributes:
        token: names the next page; empty on the last.
        version: of an update, to be named in the next call; empty when there is no news.
        truncated: whether the update has more, which comes at once with the next call.
    """

    def __init__(self) -> None:
        self.token = self.version = ""
        self.truncated = False
        self._done: list[Sighting] = []
        self._parser = ParserCreate()
        self._parser.buffer_text = True
        self._parser.ordered_attributes = True
        self._listen(self._parser)

    def feed(self, piece: bytes) -> list[Sighting]:
        """The objects that this piece completes.

        Raises:
            ExpatError: it is no XML, or a value is not what it says it is.
            vim.fault.NotAuthenticated: the session is over, as some servers only say for each property.
        """
        try:
            self._parser.Parse(piece, False)
        except ValueError as error:
            raise ExpatError(f"a value cannot be read: {error}") from error
        done = self._done.copy()
        self._done.clear()
        return done

    def close(self) -> None:
        """The answer is over; raises ExpatError when it is not complete."""
        self._parser.Parse(b"", True)

    def _listen(self, parser: XMLParserType) -> None:  # noqa: C901, PLR0915  handlers that share variables
        """Set the handlers: closures over plain variables, because they are called for every element.

        Names that come ten thousand times are kept once, for the watcher that keeps what it reads.
        """
        texts: list[str] = []
        kind = identifier = name = change = ""
        operation = "assign"
        values: dict[str, Any] = {}
        value: Any = None
        known: dict[tuple[str, ...], _Converter | None] = {}
        convert: _Converter | None = None

        def start(tag: str, attributes: Sequence[str]) -> None:
            nonlocal convert, kind
            texts.clear()
            if tag == "val":
                written = tuple(attributes)
                if written not in known:
                    known[written] = _converter(_type_in(attributes))
                convert = known[written]
                if convert is None:
                    _grow(parser, Node(tag, _type_in(attributes)), texts, take_value)
            elif tag == "obj":
                kind = intern(attributes[-1]) if attributes else ""
            elif tag == "missingSet":
                _grow(parser, Node(tag), texts, take_missing)

        def end(tag: str) -> None:
            nonlocal name, identifier, values, value, operation, change
            if tag == "val" and convert is not None:
                value = convert("".join(texts))
            elif tag == "name":
                name, value, operation = intern("".join(texts)), None, "assign"
            elif tag == "propSet":
                values[name] = value
            elif tag == "changeSet":
                values[name] = value if operation in {"assign", "add"} else None
            elif tag == "obj":
                identifier = "".join(texts)
            elif tag in {"objects", "objectSet"}:
                self._done.append(Sighting(kind, identifier, values, change))
                values, change = {}, ""
            elif tag == "op":
                operation = "".join(texts)
            elif tag == "kind":
                change = "".join(texts)
            else:
                self._note(tag, texts)

        def take_value(node: Node) -> None:
            nonlocal value
            is_tree = bool(node.nodes) or node.kind.startswith("ArrayOf")
            value = node if is_tree else node.text or None  # an empty one is xsi:nil
            parser.StartElementHandler, parser.EndElementHandler = start, end

        def take_missing(node: Node) -> None:
            _refuse_outsiders(node)
            parser.StartElementHandler, parser.EndElementHandler = start, end

        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = texts.append

    def _note(self, tag: str, texts: Sequence[str]) -> None:
        if tag == "token":
            self.token = "".join(texts)
        elif tag == "version":
            self.version = "".join(texts)
        elif tag == "truncated":
            self.truncated = "".join(texts) == "true"


def read_pages(ask: Callable[[str], Iterable[bytes]]) -> Iterator[Sighting]:
    """The objects of all pages of an answer, in the order in which they come; raises as AnswerReader.

    Args:
        ask: makes the call and gives its answer piece by piece: the first page for an empty token, else
            the page that the token names.
    """
    token, more = "", True
    while more:
        reader = AnswerReader()
        for piece in ask(token):
            yield from reader.feed(piece)
        reader.close()
        token = reader.token
        more = bool(token)


def read_time(text: str) -> datetime:
    """A time as vCenter writes it: aware, UTC; raises ValueError."""
    read = datetime.fromisoformat(text)
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def _grow(parser: XMLParserType, root: Node, texts: list[str], then: Callable[[Node], None]) -> None:
    """Gather the elements below the one that has just begun; `then` gets them at its end, and listens on."""
    open_nodes = [root]

    def start(tag: str, attributes: Sequence[str]) -> None:
        texts.clear()
        node = Node(tag, _type_in(attributes) if attributes else "")
        open_nodes[-1].nodes.append(node)
        open_nodes.append(node)

    def end(_tag: str) -> None:
        node = open_nodes.pop()
        node.text = "".join(texts)
        texts.clear()
        if not open_nodes:
            then(node)

    parser.StartElementHandler, parser.EndElementHandler = start, end


def _type_in(attributes: Sequence[str]) -> str:
    """What `xsi:type` says, whatever the prefixes are called; empty when there is none."""
    for name, written in zip(attributes[::2], attributes[1::2], strict=True):
        if name.endswith(":type"):
            return written.rpartition(":")[2]
    return ""


_CONVERTERS: Mapping[str, _Converter] = {
    "boolean": lambda text: text in {"true", "1"},
    **dict.fromkeys(("byte", "short", "int", "long"), int),
    **dict.fromkeys(("float", "double"), float),
    "dateTime": read_time,
    **dict.fromkeys(("string", "anyURI", "base64Binary", "ManagedObjectReference"), str),
}


def _converter(kind: str) -> _Converter | None:
    """How the text of a value of this type becomes a value; None where there may be elements below it."""
    return _CONVERTERS.get(kind) or (str if _is_word(kind) else None)


def _is_word(kind: str) -> bool:
    """Whether values of this type are words, as those of enumerations are."""
    try:
        return issubclass(GuessWsdlType(kind), str)  # type: ignore[no-untyped-call]  # pyVmomi
    except KeyError:
        return False  # of a newer vCenter than this pyVmomi


def _refuse_outsiders(missing: Node) -> None:
    """Raise NotAuthenticated if that is why a property is missing."""
    for fault in missing.all("fault"):
        if any(inner.kind == "NotAuthenticated" for inner in fault.all("fault")):
            raise vim.fault.NotAuthenticated
