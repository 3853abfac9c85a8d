"""The small parts that blocks and elements are made of: texts, options, confirm dialogs."""

from sandbox.slack.blockkit.problems import Path, Problems

PLAIN = ("plain_text",)
ANY_TEXT = ("plain_text", "mrkdwn")
MAX_URL = 3000
MAX_ID = 255
MAX_OPTIONS = 100


def check_text(
    problems: Problems, path: Path, value: object, high: int, types: tuple[str, ...] = PLAIN
) -> None:
    """A text object of at most `high` characters; Slack refuses an empty one."""
    text = problems.need_object(path, value)
    if text is None:
        return
    kind = text.get("type")
    problems.need_choice((*path, "type"), kind, types)
    problems.need_keys(path, text, {"type", "text"}, {"emoji"} if kind == "plain_text" else {"verbatim"})
    if "text" in text:
        problems.need_string((*path, "text"), text["text"], 1, high)
    for flag in ("emoji", "verbatim"):
        if flag in text:
            problems.need_bool((*path, flag), text[flag])


def check_option(
    problems: Problems, path: Path, value: object, *, rich: bool = False, url: bool = False
) -> None:
    """An option: text 75, value 150 characters. Only check boxes and radio buttons take mrkdwn (`rich`)."""
    option = problems.need_object(path, value)
    if option is None:
        return
    problems.need_keys(path, option, {"text", "value"}, {"description", "url"} if url else {"description"})
    if "text" in option:
        check_text(problems, (*path, "text"), option["text"], 75, ANY_TEXT if rich else PLAIN)
    if "value" in option:
        problems.need_string((*path, "value"), option["value"], 1, 150)
    if "description" in option:
        check_text(problems, (*path, "description"), option["description"], 75, ANY_TEXT if rich else PLAIN)
    if "url" in option:
        problems.need_string((*path, "url"), option["url"], 1, MAX_URL)


def check_options(
    problems: Problems, path: Path, value: object, low: int, high: int, *, rich: bool = False
) -> None:
    """A list of options; two with the same value cannot be told apart and are refused."""
    seen: set[object] = set()
    for index, option in enumerate(problems.need_list(path, value, low, high)):
        check_option(problems, (*path, index), option, rich=rich, url=high == 5)
        chosen = option.get("value") if isinstance(option, dict) else None
        if isinstance(chosen, str):
            if chosen in seen:
                problems.add((*path, index, "value"), f"duplicate option value: {chosen}")
            seen.add(chosen)


def check_option_groups(problems: Problems, path: Path, value: object) -> None:
    """Groups of options: at most 100 groups of at most 100."""
    for index, entry in enumerate(problems.need_list(path, value, 1, MAX_OPTIONS)):
        here = (*path, index)
        group = problems.need_object(here, entry)
        if group is None:
            continue
        problems.need_keys(here, group, {"label", "options"}, set())
        if "label" in group:
            check_text(problems, (*here, "label"), group["label"], 75)
        if "options" in group:
            check_options(problems, (*here, "options"), group["options"], 1, MAX_OPTIONS)


def check_confirm(problems: Problems, path: Path, value: object) -> None:
    """A confirm dialog: title 100, text 300, buttons 30 characters."""
    confirm = problems.need_object(path, value)
    if confirm is None:
        return
    problems.need_keys(path, confirm, {"title", "text"}, {"confirm", "deny", "style"})
    if "title" in confirm:
        check_text(problems, (*path, "title"), confirm["title"], 100)
    if "text" in confirm:
        check_text(problems, (*path, "text"), confirm["text"], 300, ANY_TEXT)
    for button in ("confirm", "deny"):
        if button in confirm:
            check_text(problems, (*path, button), confirm[button], 30)
    if "style" in confirm:
        problems.need_choice((*path, "style"), confirm["style"], ("primary", "danger"))
