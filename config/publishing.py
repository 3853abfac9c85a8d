"""Ports of a service's file, in the short and in the long form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, ip_address
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from andock.operation import Value

_RANGE = r"\d{1,5}(?:-\d{1,5})?"
_SHORT = re.compile(
    rf"(?:(?P<host_ip>\[[0-9a-fA-F:.]+\]|\d+(?:\.\d+){{3}}):)?(?P<published>{_RANGE}):(?P<target>{_RANGE})"
    r"(?:/(?P<protocol>\w+))?",
    re.ASCII,
)
_HIGHEST = 65535


class Port(Value):
    """A port of the engine that leads into the container; `8080:80` or the long form."""

    target: str = Field(pattern=rf"^{_RANGE}$", description="the container's port, or a range")
    published: str = Field(
        default="",
        pattern=rf"^({_RANGE})?$",
        description="the engine's port; of a range it takes a free one, as several replicas need",
    )
    host_ip: str = Field(default="", description="the engine's address that it listens on; left out: all")
    protocol: Literal["tcp", "udp"] = "tcp"
    mode: Literal["host"] = Field(default="host", description="nothing balances over engines")
    name: str = Field(default="", description="a word for readers")
    app_protocol: str = Field(default="", description="a word for readers")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if re.fullmatch(rf"{_RANGE}(/\w+)?", value, re.ASCII):
            raise ValueError(f"say which port of the engine leads there, `8080:{value}`")
        match = _SHORT.fullmatch(value)
        if match is None:
            raise ValueError("is no port; write `8080:80`, `8080-8082:80` or `127.0.0.1:8080:80/udp`")
        return {key: text.strip("[]") for key, text in match.groupdict().items() if text}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.published:
            raise ValueError("say which port of the engine leads there, with `published`")
        inside, outside = _numbers(self.target), _numbers(self.published)
        if len(inside) > 1 and len(inside) != len(outside):
            raise ValueError(f"{self.published} and {self.target} are not equally many ports")
        if self.host_ip:
            try:
                ip_address(self.host_ip)
            except (AddressValueError, ValueError) as error:
                raise ValueError(f"`{self.host_ip}` is no address") from error
        return self

    @property
    def taken(self) -> range:
        """The engine's ports that it may take."""
        return _numbers(self.published)

    @property
    def replicas(self) -> int:
        """So many containers of one engine can have it."""
        return len(self.taken) if len(_numbers(self.target)) == 1 else 1

    def meets(self, other: Port) -> bool:
        """Whether both could want one port of the engine."""
        near = self.host_ip == other.host_ip or not self.host_ip or not other.host_ip
        return near and self.protocol == other.protocol and bool({*self.taken} & {*other.taken})

    @property
    def written(self) -> Iterator[str]:
        """Each as `[ip:]published:target[/udp]`."""
        address = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        before, behind = f"{address}:" if address else "", "/udp" if self.protocol == "udp" else ""
        inside = _numbers(self.target)
        if len(inside) == 1:
            yield f"{before}{self.published}:{self.target}{behind}"
            return
        for outer, inner in zip(self.taken, inside, strict=True):
            yield f"{before}{outer}:{inner}{behind}"


def _numbers(text: str) -> range:
    first, _, last = text.partition("-")
    numbers = range(int(first), int(last or first) + 1)
    if not numbers or not 0 < numbers[0] <= numbers[-1] <= _HIGHEST:
        raise ValueError(f"`{text}` is no port: they go from 1 to {_HIGHEST}")
    return numbers
