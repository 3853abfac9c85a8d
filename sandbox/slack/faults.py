"""Misbehaviour on demand: the next calls of a method fail, wait, or lose their answer."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from sandbox.slack.wire import ControlError, Json

Kind = Literal["ratelimited", "http_error", "error", "delay", "drop"]
When = Literal["before", "after"]


@dataclass(frozen=True)
class Fault:
    """One order. `after` means that the call takes effect first and only its answer suffers."""

    method: str
    kind: Kind
    times: int = 1
    when: When = "before"
    status: int = 500
    retry_after: int = 1
    error: str = "internal_error"
    seconds: float = 1.0
    skip: int = 0


class Faults:
    """Orders in the sequence in which they were given; `*` stands for every Web API method."""

    def __init__(self) -> None:
        """No misbehaviour."""
        self.orders: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """Add an order."""
        self.orders.append(fault)

    def clear(self) -> None:
        """Forget every order."""
        self.orders.clear()

    def take(self, method: str) -> Fault | None:
        """The order that applies to this call, counted down; None when the call may go through."""
        for index, order in enumerate(self.orders):
            if order.method not in (method, "*"):
                continue
            if order.skip:
                self.orders[index] = replace(order, skip=order.skip - 1)
                return None
            if order.times <= 1:
                del self.orders[index]
            else:
                self.orders[index] = replace(order, times=order.times - 1)
            return order
        return None


def read_fault(body: Json) -> Fault:
    """An order from the control API's JSON."""
    unknown = body.keys() - Fault.__dataclass_fields__.keys()
    if unknown or "method" not in body or "kind" not in body:
        raise ControlError(
            "bad_fault", f"needs method and kind; unknown: {', '.join(sorted(unknown)) or 'none'}"
        )
    if body["kind"] not in get_args(Kind) or body.get("when", "before") not in get_args(When):
        raise ControlError(
            "bad_fault", f"kind is one of {', '.join(get_args(Kind))}; when is before or after"
        )
    return Fault(**body)
