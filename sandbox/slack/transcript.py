"""Messages as text: what a person reads, for terminals, for waiting and for failing tests."""

import re
from collections.abc import Mapping, Sequence

Names = Mapping[str, str]
Part = Mapping[str, object]

_ENTITY = re.compile(r"<([^<>]+)>")


def read_blocks(blocks: Sequence[Part], names: Names) -> list[str]:
    """The lines that a person reads, top to bottom; buttons as `[Go ahead]`."""
    lines: list[str] = []
    for block in blocks:
        lines += _read_block(block, names)
    return [line for line in lines if line]


def read_text(text: str, names: Names) -> str:
    """Slack's mark-up as a person sees it: ids become names, links their labels."""

    def show(match: re.Match[str]) -> str:
        target, _, label = match[1].partition("|")
        if target.startswith("@"):
            return "@" + names.get(target[1:], label or target[1:])
        if target.startswith("#"):
            return "#" + (label or names.get(target[1:], target[1:]))
        if target.startswith("!subteam^"):
            return label or "@" + names.get(target.removeprefix("!subteam^"), target)
        if target.startswith("!date^"):
            return label
        if target.startswith("!"):
            return "@" + target[1:]
        return label or target.removeprefix("mailto:")

    shown = _ENTITY.sub(show, text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def read_part(part: object, names: Names) -> str:  # noqa: C901 one line for each kind of element
    """A text object, or any element in one line."""
    if not isinstance(part, Mapping):
        return ""
    kind = str(part.get("type", ""))
    if kind == "mrkdwn":
        return read_text(str(part.get("text", "")), names)
    if kind in ("plain_text", "raw_text", "text"):
        return str(part.get("text", ""))
    if kind in ("button", "icon_button", "workflow_button"):
        return f"[{read_part(part.get('text'), names)}]"
    if kind == "overflow":
        return f"[... {' | '.join(_read_option(option, names) for option in _items(part, 'options'))}]"
    if kind == "image":
        return f"(image: {part.get('alt_text', '')})"
    if kind == "user":
        return "@" + names.get(str(part.get("user_id")), str(part.get("user_id")))
    if kind == "link":
        return str(part.get("text") or part.get("url"))
    if kind.startswith("rich_text_"):
        return "".join(read_part(child, names) for child in _items(part, "elements"))
    if kind == "rich_text":
        return "\n".join(read_part(child, names) for child in _items(part, "elements"))
    return f"[{_read_chosen(part, names)} v]" if kind else ""


def _read_block(block: Part, names: Names) -> list[str]:  # noqa: C901 one case for each block
    match block.get("type"):
        case "divider":
            return ["----"]
        case "section":
            lines = read_part(block.get("text"), names).split("\n")
            lines += [read_part(field, names) for field in _items(block, "fields")]
            return [*lines, read_part(block.get("accessory"), names)]
        case "actions" | "context_actions":
            return [" ".join(read_part(element, names) for element in _items(block, "elements"))]
        case "context":
            return ["  ".join(read_part(element, names) for element in _items(block, "elements"))]
        case "input":
            return [f"{read_part(block.get('label'), names)}: {read_part(block.get('element'), names)}"]
        case "markdown":
            return str(block.get("text", "")).split("\n")
        case "table":
            return [" | ".join(read_part(cell, names) for cell in row) for row in _rows(block)]
        case "rich_text":
            return read_part(block, names).split("\n")
        case "image":
            return [f"(image: {block.get('alt_text', '')})"]
        case "task_card":
            return [f"({block.get('status', 'pending')}) {block.get('title', '')}"]
        case _:
            text = block.get("text") or block.get("title")
            return [text if isinstance(text, str) else read_part(text, names)]


def _read_chosen(part: Part, names: Names) -> str:
    initial = part.get("initial_option")
    if isinstance(initial, Mapping):
        return _read_option(initial, names)
    return read_part(part.get("placeholder"), names) or str(part.get("type"))


def _read_option(option: object, names: Names) -> str:
    return read_part(option.get("text"), names) if isinstance(option, Mapping) else ""


def _items(part: Part, key: str) -> Sequence[Part]:
    value = part.get(key)
    return value if isinstance(value, list) else ()


def _rows(block: Part) -> Sequence[Sequence[Part]]:
    rows = block.get("rows")
    return rows if isinstance(rows, list) else ()
