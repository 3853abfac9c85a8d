"""The property collector's answers, read while they arrive, as plain values.

pyVmomi makes an object of its own for every property, which is nine tenths of the time that a listing takes.
Nearly all properties are written alike: those are found by a pattern, which takes half of the parser's time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from sys import intern
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate, XMLParserType

from pyVmomi import vim

from workers.vsphere.sightings import Converter, Node, Sighting, choose_converter

_END = b"</objects>"  # of one object in an answer to a retrieval
# A property whose value is one text with nothing escaped in it, and no character that XML forbids or changes.
# No value of a property has an element objects in it, or a propSet that begins with a name.
_PLAIN = re.compile(
    rb'<propSet><name>([\w.]+)</name><val((?: [\w:.-]+="[^"<>&]*")*)>'
    rb"([^<>&\x00-\x08\x0b-\x1f]*)</val></propSet>"
)
_ATTRIBUTE = re.compile(r' ([^=]+)="([^"]*)"')


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
        self._values: dict[str, Any] = {}  # of the object that is being read
        self._known: dict[tuple[bytes, bytes], tuple[str, Converter | None]] = {}  # by name and attributes
        self._is_plain = True  # only elements and texts have come so far
        self._held = b""  # what came last, and is not read yet
        self._parser = ParserCreate("utf-8")  # vCenter writes nothing else
        self._parser.buffer_text = True
        self._parser.ordered_attributes = True
        self._listen(self._parser)

    def feed(self, piece: bytes) -> list[Sighting]:
        """The objects that this piece completes.

        Raises:
            ExpatError: it is no XML, or a value is not what it says it is.
            vim.fault.NotAuthenticated: the session is over, as some servers only say for each property.
        """
        come = self._held + piece
        self._is_plain = self._is_plain and b"<!" not in come  # in CDATA and comments anything may be written
        *objects, rest = come.split(_END)
        rest, bracket, tag = rest.rpartition(b"<")
        self._held = bracket + tag  # it may turn out to be an object's end
        try:
            for written in objects:
                self._parse(written + _END)
            self._parse(rest)
        except ValueError as error:
            raise ExpatError(f"a value cannot be read: {error}") from error
        done = self._done.copy()
        self._done.clear()
        return done

    def close(self) -> None:
        """The answer is over; raises ExpatError when it is not complete."""
        self._parser.Parse(self._held, True)

    def _parse(self, written: bytes) -> None:
        """Read on, at most to the end of an object."""
        self._parser.Parse(_PLAIN.sub(self._take, written) if self._is_plain else written, False)

    def _take(self, found: re.Match[bytes]) -> bytes:
        """Read a property's value; what of it is left to the parser."""
        name, attributes, text = found.groups()
        known = self._known.get((name, attributes))
        if known is None:
            kind = _type_in(tuple(chain.from_iterable(_ATTRIBUTE.findall(attributes.decode()))))
            known = self._known[name, attributes] = intern(name.decode()), choose_converter(kind)
        path, convert = known
        if convert is None:
            return found[0]
        self._values[path] = convert(text.decode())
        return b""

    def _listen(self, parser: XMLParserType) -> None:  # noqa: C901, PLR0915  handlers that share variables
        """Set the handlers: closures over plain variables, because they are called for every element.

        Names that come ten thousand times are kept once, for the watcher that keeps what it reads.
        """
        texts: list[str] = []
        kind = identifier = name = change = ""
        operation = "assign"
        value: Any = None
        known: dict[tuple[str, ...], Converter | None] = {}
        convert: Converter | None = None

        def start(tag: str, attributes: Sequence[str]) -> None:
            nonlocal convert, kind
            texts.clear()
            if tag == "val":
                written = tuple(attributes)
                if written not in known:
                    known[written] = choose_converter(_type_in(attributes))
                convert = known[written]
                if convert is None:
                    _grow(parser, Node(tag, _type_in(attributes)), texts, take_value)
            elif tag == "obj":
                kind = intern(attributes[-1]) if attributes else ""
            elif tag == "missingSet":
                _grow(parser, Node(tag), texts, take_missing)

        def end(tag: str) -> None:
            nonlocal name, identifier, value, operation, change
            if tag == "val" and convert is not None:
                value = convert("".join(texts))
            elif tag == "name":
                name, value, operation = intern("".join(texts)), None, "assign"
            elif tag == "propSet":
                self._values[name] = value
            elif tag == "changeSet":
                self._values[name] = value if operation in {"assign", "add"} else None
            elif tag == "obj":
                identifier = "".join(texts)
            elif tag in {"objects", "objectSet"}:
                self._done.append(Sighting(kind, identifier, self._values, change))
                self._values, change = {}, ""
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


def _refuse_outsiders(missing: Node) -> None:
    """Raise NotAuthenticated if that is why a property is missing."""
    for fault in missing.all("fault"):
        if any(inner.kind == "NotAuthenticated" for inner in fault.all("fault")):
            raise vim.fault.NotAuthenticated
