"""How many replicas may publish a port on one engine, and so whether a new one may join the old one."""

from __future__ import annotations

from andock.errors import UserError
from andock.ports.services import Check, Order, Service

HOST = "host"  # the network that is the engine's own


def room_of(port: str) -> int | None:
    """How many containers may publish `8080-8082:80` at the same time; None where any number may."""
    outer = port.rpartition(":")[0].rpartition(":")[2]
    if not outer:
        return None
    first, _, last = outer.partition("-")
    return int(last or first) - int(first) + 1


def choose_order(service: Service, wanted: Order, replicas: int) -> tuple[Order, tuple[str, ...]]:
    """The order that the ports allow, and a warning where it is not the one that is wanted.

    Raises:
        UserError: so many replicas cannot publish its ports on one engine.
    """
    for port in service.ports:
        room = room_of(port)
        if room is not None and room < replicas:
            raise UserError(
                f"{replicas} replicas of `{service.name}` on one engine cannot publish `{port}`, which has "
                f"room for {room}. Give it a range under `ports:`, such as `8080-8090:80`."
            )
    if wanted == "stop-first":
        return wanted, ()
    if HOST in service.networks:
        return "stop-first", ("stop-first: in the network `host` two replicas would share their ports",)
    for port in service.ports:
        if room_of(port) == replicas:
            why = f"stop-first: `{port}` has no room for a new container beside the old one"
            return "stop-first", (f"{why}; a wider range under `ports:` would give it",)
    return wanted, ()


def is_published(service: Service, check: Check) -> bool:
    """Whether the port that a check asks can be reached through the engine's host."""
    if HOST in service.networks:
        return True
    inner = (port.rpartition(":")[2] for port in service.ports)
    return any(one.partition("/")[0] == str(check.port) and not one.endswith("/udp") for one in inner)
