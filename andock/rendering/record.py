"""What the recorder tells a channel about the audit record."""

from __future__ import annotations

from datetime import UTC, datetime

from andock.rendering.mrkdwn import code, prose

_LONG = 2_000


def describe_head(instance: str, head: str, at: float) -> str:
    """The head of the record, to be compared with `andock audit verify --head`."""
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"Audit record of {code(instance)} at {moment}: {code(head)}"


def describe_mending(instance: str, found: str) -> str:
    """That the record was found cut or short."""
    return f":warning: Audit record of {code(instance)}: {prose(found, _LONG)}. Run `andock audit verify`."
