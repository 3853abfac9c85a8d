"""Blocks: one check for each type, and which surface takes it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.slack.blockkit.elements import check_element, check_text_or_image
from sandbox.slack.blockkit.objects import ANY_TEXT, MAX_ID, MAX_URL, check_text
from sandbox.slack.blockkit.problems import Path, Problems

Block = dict[str, object]
Check = Callable[[Problems, Path, Block], None]
_EVERYWHERE = frozenset({"message", "modal", "home"})
_MESSAGES = frozenset({"message"})
_TASK_STATES = ("pending", "in_progress", "complete", "error")
_MAX_ROWS = 100
_MAX_CELLS = 20


@dataclass(frozen=True)
class BlockType:
    """Keys besides `type` and `block_id`, the surfaces that show it, and what else must hold."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    surfaces: frozenset[str] = _EVERYWHERE
    check: Check | None = None
    # Newer blocks whose full key sets are not published in a form that we trust: unknown keys pass.
    open_ended: bool = field(default=False)


def check_block(problems: Problems, path: Path, value: object, surface: str) -> str | None:
    """Check one block on a surface (message, modal, home); returns its block_id if it has one."""
    block = problems.need_object(path, value)
    if block is None:
        return None
    if "type" not in block:
        problems.add(path, "missing required field: type")
        return None
    kind = block["type"]
    known = BLOCKS.get(kind) if isinstance(kind, str) else None
    if known is None or surface not in known.surfaces:
        problems.add((*path, "type"), f"unsupported type: {kind}")
        return None
    extra = set(block) if known.open_ended else set()
    problems.need_keys(path, block, {"type", *known.required}, {"block_id", *known.optional, *extra})
    if known.check:
        known.check(problems, path, block)
    if "block_id" not in block:
        return None
    return problems.need_string((*path, "block_id"), block["block_id"], 1, MAX_ID)


def _check_section(problems: Problems, path: Path, block: Block) -> None:
    if "text" not in block and "fields" not in block:
        problems.add(path, "missing required field: text or fields")
    if "text" in block:
        check_text(problems, (*path, "text"), block["text"], 3000, ANY_TEXT)
    if "fields" in block:
        for index, text in enumerate(problems.need_list((*path, "fields"), block["fields"], 1, 10)):
            check_text(problems, (*path, "fields", index), text, 2000, ANY_TEXT)
    if "accessory" in block:
        check_element(problems, (*path, "accessory"), block["accessory"], "section")


def _check_header(problems: Problems, path: Path, block: Block) -> None:
    if "text" in block:
        check_text(problems, (*path, "text"), block["text"], 150)


def _check_elements(problems: Problems, path: Path, block: Block, place: str, high: int) -> None:
    seen: set[str] = set()
    for index, element in enumerate(
        problems.need_list((*path, "elements"), block.get("elements", []), 1, high)
    ):
        here = (*path, "elements", index)
        action_id = check_element(problems, here, element, place)
        if action_id in seen:
            problems.add((*here, "action_id"), f"`action_id` {action_id} already exists for another element")
        if action_id:
            seen.add(action_id)


def _check_actions(problems: Problems, path: Path, block: Block) -> None:
    _check_elements(problems, path, block, "actions", 25)


def _check_context_actions(problems: Problems, path: Path, block: Block) -> None:
    _check_elements(problems, path, block, "context_actions", 5)


def _check_context(problems: Problems, path: Path, block: Block) -> None:
    for index, element in enumerate(
        problems.need_list((*path, "elements"), block.get("elements", []), 1, 10)
    ):
        check_text_or_image(problems, (*path, "elements", index), element)


def _check_image(problems: Problems, path: Path, block: Block) -> None:
    if ("image_url" in block) == ("slack_file" in block):
        problems.add(path, "exactly one of image_url and slack_file must be given")
    for key, high in (("image_url", MAX_URL), ("alt_text", 2000)):
        if key in block:
            problems.need_string((*path, key), block[key], 1, high)
    if "title" in block:
        check_text(problems, (*path, "title"), block["title"], 2000)


def _check_input(problems: Problems, path: Path, block: Block) -> None:
    if "label" in block:
        check_text(problems, (*path, "label"), block["label"], 2000)
    if "hint" in block:
        check_text(problems, (*path, "hint"), block["hint"], 2000)
    for flag in ("optional", "dispatch_action"):
        if flag in block:
            problems.need_bool((*path, flag), block[flag])
    if "element" in block:
        check_element(problems, (*path, "element"), block["element"], "input")


def _check_markdown(problems: Problems, path: Path, block: Block) -> None:
    if "text" in block:
        problems.need_string((*path, "text"), block["text"], 1, 12_000)


def _check_rich_text(problems: Problems, path: Path, block: Block) -> None:
    kinds = ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")
    for index, value in enumerate(
        problems.need_list((*path, "elements"), block.get("elements", []), 0, 1000)
    ):
        part = problems.need_object((*path, "elements", index), value)
        if part is not None:
            problems.need_choice((*path, "elements", index, "type"), part.get("type"), kinds)
            problems.need_list((*path, "elements", index, "elements"), part.get("elements"), 0, 10_000)


def _check_table(problems: Problems, path: Path, block: Block) -> None:
    for index, row in enumerate(problems.need_list((*path, "rows"), block.get("rows", []), 1, _MAX_ROWS)):
        here = (*path, "rows", index)
        for column, value in enumerate(problems.need_list(here, row, 1, _MAX_CELLS)):
            cell = problems.need_object((*here, column), value)
            if cell is not None:
                problems.need_choice(
                    (*here, column, "type"), cell.get("type"), ("raw_text", "rich_text", "raw_number")
                )
                if cell.get("type") == "raw_text":
                    problems.need_string((*here, column, "text"), cell.get("text"), 1, 10_000)


def _check_task_card(problems: Problems, path: Path, block: Block) -> None:
    if "status" in block:
        problems.need_choice((*path, "status"), block["status"], _TASK_STATES)


def _known(
    required: str, optional: str = "", surfaces: frozenset[str] = _EVERYWHERE, check: Check | None = None
) -> BlockType:
    return BlockType(frozenset(required.split()), frozenset(optional.split()), surfaces, check)


def _new(required: str, surfaces: frozenset[str] = _MESSAGES, check: Check | None = None) -> BlockType:
    return BlockType(frozenset(required.split()), frozenset(), surfaces, check, open_ended=True)


BLOCKS: dict[str, BlockType] = {
    "divider": _known(""),
    "section": _known("", "text fields accessory expand", check=_check_section),
    "header": _known("text", "level", check=_check_header),
    "actions": _known("elements", check=_check_actions),
    "context": _known("elements", check=_check_context),
    "context_actions": _known("elements", surfaces=_MESSAGES, check=_check_context_actions),
    "image": _known("alt_text", "image_url slack_file title", check=_check_image),
    "input": _known("label element", "hint optional dispatch_action", check=_check_input),
    "markdown": _known("text", surfaces=_MESSAGES, check=_check_markdown),
    "rich_text": _known("elements", check=_check_rich_text),
    "table": _known("rows", "column_settings", _MESSAGES, _check_table),
    "video": _known(
        "alt_text title thumbnail_url video_url",
        "author_name description provider_icon_url provider_name title_url",
    ),
    "file": _known("external_id source", surfaces=_MESSAGES),
    "task_card": _new("task_id title", check=_check_task_card),
    "plan": _new("title"),
    "card": _new(""),
    "carousel": _new("elements"),
    "container": _new(""),
    "data_table": _new("rows"),
    "data_visualization": _new(""),
    "alert": _new("text", frozenset({"modal"})),
}
