"""`container logs`."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from pydantic import Field, model_validator

from andock.durations import write_duration
from andock.errors import CancelledError, TargetNotFoundError, UserError
from andock.operation import Backend, Found, Outcome, Params, Read, Reader
from andock.operations.container.excerpt import Excerpt
from andock.operations.container.targets import NAMING, find_named
from andock.ports.containers import ContainerRow

_MOST_LINES = 100_000
_USUAL_LINES = 200
_AT_ONCE = 2_000  # lines of one look while following
_FIRST_LINES = 10  # that were written before, unless more are asked for
_LOOK_SECONDS = 0.5
_POLL_SECONDS = 2.0  # between two looks at the log while following
_SHOW_SECONDS = 3.0  # between two edits, so that one follower leaves most of the budget to others
_LONGEST_FOLLOW = timedelta(minutes=5)


class LogsParams(Params):
    """What `container logs` takes."""

    container: str = Field(min_length=1, max_length=300, description=NAMING)
    tail: int = Field(
        default=_USUAL_LINES,
        ge=1,
        le=_MOST_LINES,
        description=f"How many lines, the newest ones; with --since or --grep {_MOST_LINES} unless you say.",
    )
    since: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        le=timedelta(days=365),
        description="Only what was written in the last `10m`, `90s`, `2h`.",
    )
    grep: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Of these lines, only those with this text, upper or lower case.",
    )
    follow: timedelta | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=_LONGEST_FOLLOW,
        description="Show what it writes for so long, by edits of one message.",
    )

    @model_validator(mode="before")
    @classmethod
    def _look_through_all(cls, given: Any) -> Any:
        """Policy judges how many lines are read, so that is said here and not found out later."""
        if isinstance(given, dict) and "tail" not in given and (given.get("since") or given.get("grep")):
            return {**given, "tail": _MOST_LINES}
        return given


def find_one(params: LogsParams, ctx: Reader) -> Found[ContainerRow]:
    """The one container of that name."""
    return find_named(params.container, ctx)


def show_logs(params: LogsParams, ctx: Reader, found: Found[ContainerRow]) -> Outcome:
    """Its log, both streams together, oldest line first: head and tail, and the whole as a file.

    Raises:
        UserError: it is to be followed where no message can be edited.
    """
    row = found.rows[0][1]
    if params.follow is not None:
        return _follow(params, ctx, row, params.follow, found.notes)
    # by the engine's clock, for the lines bear its times
    since = ctx.containers.server_time(row.site) - params.since if params.since else None
    excerpt = Excerpt(ctx, f"{row.name}.log")
    read = 0
    told = False
    for line in ctx.containers.logs(row.site, row.id, tail=params.tail, since=since):
        read += 1
        if not _wanted(params, line):
            continue
        excerpt.add(line)
        if excerpt.is_long and not told:
            told = True
            _tell_first(ctx, row, excerpt)
    return _outcome(excerpt, _summary(row, params, excerpt.count, older=read == params.tail), found.notes)


def _wanted(params: LogsParams, line: str) -> bool:
    return params.grep is None or params.grep.lower() in line.lower()


def _tell_first(ctx: Reader, row: ContainerRow, excerpt: Excerpt) -> None:
    """A long log takes a while; where the message can be edited its first lines are there before."""
    if ctx.display is not None and ctx.display.live:
        ctx.display.show(f"`{row.name}` on {row.site}: reading …", excerpt.text)


def _summary(row: ContainerRow, params: LogsParams, count: int, *, older: bool) -> str:
    having = f" with `{params.grep}`" if params.grep else ""
    if not count:
        return f"`{row.name}` on {row.site} has written nothing{having}" + (
            f" in the last {write_duration(params.since)}." if params.since else "."
        )
    among = f" among the last {params.tail}" if older and params.grep else ""
    lines = f"{'last ' if older and not params.grep else ''}{count} line{'' if count == 1 else 's'}"
    return f"`{row.name}` on {row.site}: {lines}{having}{among}."


def _outcome(excerpt: Excerpt, summary: str, notes: tuple[str, ...]) -> Outcome:
    text = excerpt.text
    attachment, left_out = excerpt.close()
    return Outcome(
        summary=summary,
        text=text,
        filename=excerpt.filename,
        attachment=attachment,
        notes=(*notes, *left_out),
    )


# --- following ------------------------------------------------------------------------------------------


def _follow(
    params: LogsParams, ctx: Reader, row: ContainerRow, span: timedelta, notes: tuple[str, ...]
) -> Outcome:
    if ctx.display is None or not ctx.display.live:
        raise UserError(
            "`--follow` edits one message, and an answer that you alone see in a channel cannot be edited: "
            "add `--share`, or ask me in a direct message."
        )
    excerpt = Excerpt(ctx, f"{row.name}.log")
    began = time.monotonic()
    ends = began + span.total_seconds()
    shown, last, after = 0.0, -1, ""
    how = f"for {write_duration(span)}"
    try:
        while True:
            new = ctx.containers.new_logs(
                row.site, row.id, after=after, most=_AT_ONCE if after else _before(params)
            )
            after = new.last
            for line in new.lines:
                if _wanted(params, line):
                    excerpt.add(line)
            now = time.monotonic()
            if now >= ends:
                break
            if excerpt.count != last and now - shown >= _SHOW_SECONDS:
                left = write_duration(timedelta(seconds=int(ends - now) + 1))
                ctx.display.show(
                    f"`{row.name}` on {row.site}, {left} to go, {excerpt.count} lines so far:", excerpt.newest
                )
                shown, last = now, excerpt.count
            _pause(ctx, min(_POLL_SECONDS, ends - now))
    except CancelledError:
        how = f"until it was cancelled after {time.monotonic() - began:.0f} s"
    except TargetNotFoundError:
        how = f"until it was removed after {time.monotonic() - began:.0f} s"
    return _outcome(excerpt, f"`{row.name}` on {row.site} {how}: {excerpt.count} lines.", notes)


def _before(params: LogsParams) -> int:
    """Lines that are shown first, of those written before."""
    return min(params.tail, _AT_ONCE) if "tail" in params.model_fields_set else _FIRST_LINES


def _pause(ctx: Reader, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        ctx.watch.look()
        time.sleep(min(left, _LOOK_SECONDS))


CONTAINER_LOGS = Read(
    name="container logs",
    summary="A container's log: its beginning and end, and the whole as a file; or what it writes now.",
    params=LogsParams,
    backend=Backend.DOCKER,
    find=find_one,
    run=show_logs,
    time_limit=_LONGEST_FOLLOW + timedelta(minutes=1),
    examples=(
        "container logs web",
        "container logs web --tail 5000 --since 10m",
        "container logs edge-1/web --grep error",
        "container logs web --follow 2m --share",
    ),
)
