"""Whole payloads: the blocks of a message, and a view."""

from sandbox.slack.blockkit.blocks import check_block
from sandbox.slack.blockkit.objects import MAX_ID, check_text
from sandbox.slack.blockkit.problems import Path, Problem, Problems

MAX_MESSAGE_BLOCKS = 50
MAX_VIEW_BLOCKS = 100
_VIEW_KEYS = {
    "private_metadata",
    "callback_id",
    "external_id",
    "submit_disabled",
    "clear_on_close",
    "notify_on_close",
}


def check_message(blocks: list[object]) -> list[Problem]:
    """Everything that is wrong with a message's blocks; pointers start at the list."""
    problems = Problems()
    _check_blocks(problems, (), blocks, MAX_MESSAGE_BLOCKS, "message")
    kinds = [block.get("type") for block in blocks if isinstance(block, dict)]
    if kinds.count("table") > 1:
        problems.add((), "only one table block is allowed")
    if "plan" in kinds and "task_card" in kinds:
        problems.add((), "plan and task_card blocks cannot be used together")
    return problems.found


def check_view(view: dict[str, object]) -> list[Problem]:
    """Everything that is wrong with a modal or a Home tab; pointers start at the view."""
    problems = Problems()
    kind = view.get("type")
    problems.need_choice(("type",), kind, ("modal", "home"))
    if kind == "modal":
        problems.need_keys((), view, {"type", "title", "blocks"}, {"submit", "close", *_VIEW_KEYS})
    else:
        problems.need_keys((), view, {"type", "blocks"}, _VIEW_KEYS)
    for key in ("title", "submit", "close"):
        if view.get(key) is not None:
            check_text(problems, (key,), view[key], 24)
    for key, high in (("private_metadata", 3000), ("callback_id", MAX_ID), ("external_id", MAX_ID)):
        if view.get(key) is not None:
            problems.need_string((key,), view[key], 0, high)
    blocks = view.get("blocks", [])
    _check_blocks(problems, ("blocks",), blocks, MAX_VIEW_BLOCKS, str(kind))
    kinds = (
        [block.get("type") for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    )
    if kind == "modal" and "input" in kinds and not view.get("submit"):
        problems.add(("submit",), "missing required field: submit (the view has input blocks)")
    return problems.found


def _check_blocks(problems: Problems, path: Path, value: object, high: int, surface: str) -> None:
    seen: set[str] = set()
    for index, block in enumerate(problems.need_list(path, value, 0, high)):
        block_id = check_block(problems, (*path, index), block, surface)
        if block_id in seen:
            problems.add(
                (*path, index, "block_id"), f"`block_id` {block_id} already exists for another block"
            )
        if block_id:
            seen.add(block_id)
