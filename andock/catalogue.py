"""Every operation that Andock has: found once at start-up, wrong declarations stop the process."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from types import ModuleType

import andock.operations
from andock.errors import CatalogueError, UnknownOperationError
from andock.operation import Change, DeskOperation, Operation, Read

_NAME = re.compile(r"[a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)?")
_SHORT = re.compile(r"[a-z][a-z0-9-]*")
_LISTED = 8  # of a noun's operations
_NEAR = 3  # more suggestions than this are a list, not a hint


class Catalogue:
    """All operations by name, in alphabetical order. Immutable once built."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        """Check and index the declarations.

        Raises:
            CatalogueError: two operations share a name, or one is declared incompletely.
        """
        found: dict[str, Operation] = {}
        for operation in operations:
            _check(operation)
            if operation.name in found:
                raise CatalogueError(f"two operations are named `{operation.name}`")
            found[operation.name] = operation
        self._by_name = {name: found[name] for name in sorted(found)}
        self.names = tuple(self._by_name)
        self.nouns = tuple(dict.fromkeys(name.split()[0] for name in self.names if " " in name))
        self.shorts = {
            operation.short: operation
            for operation in self
            if isinstance(operation, Change) and operation.short
        }
        for short, operation in self.shorts.items():
            if short in found or short in self.nouns or not _SHORT.fullmatch(short):
                raise CatalogueError(f"`{operation.name}` cannot be typed as `{short}`")
        for noun in self.nouns:
            # `incident opne` must not run an operation `incident` with `opne` as its parameter
            if noun in found:
                raise CatalogueError(f"`{noun}` is an operation and the noun of others")

    def get(self, name: str) -> Operation:
        """The operation of this name.

        Raises:
            UnknownOperationError: with the nearest names.
        """
        operation = self._by_name.get(name)
        if operation is None:
            raise UnknownOperationError(name, similar=self.nearest(name))
        return operation

    def find(self, name: str) -> Operation | None:
        """The operation of this name or short form, or None."""
        return self._by_name.get(name) or self.shorts.get(name)

    def of_noun(self, noun: str) -> tuple[Operation, ...]:
        """The operations whose name begins with this noun."""
        return tuple(operation for operation in self if operation.name.split()[0] == noun)

    def nearest(self, name: str) -> tuple[str, ...]:
        """Names that a person who typed `name` may have meant, likeliest first.

        At most three, or a noun's own (at most eight) where only the noun is right.
        """
        words = name.lower().split()[:2]
        if not words:
            return ()
        swapped = " ".join(reversed(words))
        if swapped in self._by_name:
            return (swapped,)
        if words[0] in self.nouns:
            # the noun is right: a near verb of it, else all that it has, because `vm stop` is no typing error
            own = {operation.name.split()[1]: operation.name for operation in self.of_noun(words[0])}
            near = difflib.get_close_matches(words[-1], own, n=_NEAR, cutoff=0.6) if len(words) > 1 else []
            return tuple(own[verb] for verb in near) or tuple(own.values())[:_LISTED]
        near = difflib.get_close_matches(" ".join(words), self.names, n=_NEAR, cutoff=0.7)
        near += difflib.get_close_matches(words[0], (*self.names, *self.shorts), n=_NEAR, cutoff=0.75)
        # `restart web-01` left the noun out: offer that verb of every noun
        verbs = dict.fromkeys(known.split()[1] for known in self.names if " " in known)
        for verb in difflib.get_close_matches(words[0], verbs, n=1, cutoff=0.75):
            near += [known for known in self.names if known.endswith(" " + verb)]
        return tuple(dict.fromkeys(near))[:_NEAR]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)


def load_catalogue(package: ModuleType = andock.operations) -> Catalogue:
    """Every operation that is a constant of a module below `package`.

    Raises:
        CatalogueError: a declaration is wrong, see Catalogue.
    """
    found: dict[int, Operation] = {}
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Read | Change | DeskOperation):
                # by identity: a module may import another's declaration without declaring it again
                found[id(value)] = value
    return Catalogue(found.values())


def _check(operation: Operation) -> None:
    name = operation.name
    if not _NAME.fullmatch(name):
        raise CatalogueError(f"`{name}` is no name: write `noun verb` or one word, in lower case")
    if not operation.summary.strip():
        raise CatalogueError(f"`{name}` has no summary")
    for field, info in operation.params.model_fields.items():
        if not (info.description or "").strip():
            raise CatalogueError(f"`{name}`: parameter `{field}` has no description, and that is its help")
    if not operation.examples:
        raise CatalogueError(f"`{name}` has no examples")
    for example in operation.examples:
        if example != name and not example.startswith(name + " "):
            raise CatalogueError(f"`{name}`: the example `{example}` is of another operation")
