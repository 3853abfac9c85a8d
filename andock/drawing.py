"""A read's chart, drawn and kept for the file under its message."""

from __future__ import annotations

from andock.errors import CatalogueError
from andock.operation import Attachment, Reader
from andock.ports.charts import Chart


def keep_chart(ctx: Reader, chart: Chart, name: str) -> Attachment:
    """The chart as a PNG that is kept until its upload; its name is made of `name`.

    Raises:
        CatalogueError: this process draws none.
    """
    if ctx.display is None or ctx.ports.charts is None:
        raise CatalogueError("a chart was asked for in a process that draws none")
    output = ctx.display.keep()
    output.write(ctx.ports.charts.draw(chart))
    kept = output.close()
    stem = name.replace(" ", "-").replace("/", "-")
    return Attachment(name=f"{stem}.png", output=kept.id, size=kept.size)
