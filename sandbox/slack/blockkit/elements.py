"""Interactive elements: buttons, selects, inputs, pickers."""

from dataclasses import dataclass

from sandbox.slack.blockkit.objects import (
    ANY_TEXT,
    MAX_ID,
    MAX_OPTIONS,
    MAX_URL,
    check_confirm,
    check_option,
    check_option_groups,
    check_options,
    check_text,
)
from sandbox.slack.blockkit.problems import Path, Problems


@dataclass(frozen=True)
class Shape:
    """The keys that an element takes besides `type`, and where it may stand."""

    required: frozenset[str]
    optional: frozenset[str]
    places: frozenset[str]


def _shape(required: str, optional: str, places: str) -> Shape:
    return Shape(frozenset(required.split()), frozenset(optional.split()), frozenset(places.split()))


_PICK = "action_id placeholder confirm focus_on_load"
_TYPED = "action_id placeholder focus_on_load dispatch_action_config initial_value"
_ALL = "section actions input"
ELEMENTS: dict[str, Shape] = {
    "button": _shape("text", "action_id url value style confirm accessibility_label", "section actions"),
    "workflow_button": _shape("text workflow", "action_id style accessibility_label", "section actions"),
    "overflow": _shape("options", "action_id confirm", "section actions"),
    "image": _shape("alt_text", "image_url slack_file", "section context"),
    "checkboxes": _shape("options", "action_id initial_options confirm focus_on_load", _ALL),
    "radio_buttons": _shape("options", "action_id initial_option confirm focus_on_load", _ALL),
    "datepicker": _shape("", f"{_PICK} initial_date", _ALL),
    "timepicker": _shape("", f"{_PICK} initial_time timezone", _ALL),
    "datetimepicker": _shape("", "action_id initial_date_time confirm focus_on_load", "actions input"),
    "static_select": _shape("", f"{_PICK} options option_groups initial_option", _ALL),
    "external_select": _shape("", f"{_PICK} initial_option min_query_length", _ALL),
    "users_select": _shape("", f"{_PICK} initial_user", _ALL),
    "conversations_select": _shape(
        "", f"{_PICK} initial_conversation default_to_current_conversation response_url_enabled filter", _ALL
    ),
    "channels_select": _shape("", f"{_PICK} initial_channel response_url_enabled", _ALL),
    "multi_static_select": _shape(
        "", f"{_PICK} options option_groups initial_options max_selected_items", "section input"
    ),
    "multi_external_select": _shape(
        "", f"{_PICK} initial_options min_query_length max_selected_items", "section input"
    ),
    "multi_users_select": _shape("", f"{_PICK} initial_users max_selected_items", "section input"),
    "multi_conversations_select": _shape(
        "",
        f"{_PICK} initial_conversations default_to_current_conversation filter max_selected_items",
        "section input",
    ),
    "multi_channels_select": _shape("", f"{_PICK} initial_channels max_selected_items", "section input"),
    "plain_text_input": _shape("", f"{_TYPED} multiline min_length max_length", "input"),
    "email_text_input": _shape("", _TYPED, "input"),
    "url_text_input": _shape("", _TYPED, "input"),
    "number_input": _shape("is_decimal_allowed", f"{_TYPED} min_value max_value", "input"),
    "rich_text_input": _shape("", _TYPED, "input"),
    "file_input": _shape("", "action_id filetypes max_files", "input"),
    "feedback_buttons": _shape("positive_button negative_button", "action_id", "context_actions"),
    "icon_button": _shape(
        "icon text", "action_id value confirm accessibility_label visible_to_user_ids", "context_actions"
    ),
}
_SELECTS_WITH_OPTIONS = ("static_select", "multi_static_select")


def check_element(problems: Problems, path: Path, value: object, place: str) -> str | None:
    """Check one element standing in a block of type `place`; returns its action_id if it has one."""
    element = problems.need_object(path, value)
    if element is None:
        return None
    kind = element.get("type")
    shape = ELEMENTS.get(kind) if isinstance(kind, str) else None
    if shape is None or place not in shape.places:
        problems.add((*path, "type"), f"unsupported type: {kind}")
        return None
    problems.need_keys(path, element, {"type", *shape.required}, set(shape.optional))
    _check_strings(problems, path, element)
    _check_choices(problems, path, element, str(kind))
    if "confirm" in element:
        check_confirm(problems, (*path, "confirm"), element["confirm"])
    if "placeholder" in element:
        check_text(problems, (*path, "placeholder"), element["placeholder"], 150)
    if kind == "image" and ("image_url" in element) == ("slack_file" in element):
        problems.add(path, "exactly one of image_url and slack_file must be given")
    action_id = element.get("action_id")
    return action_id if isinstance(action_id, str) else None


def _check_strings(problems: Problems, path: Path, element: dict[str, object]) -> None:
    limits = {
        "action_id": MAX_ID,
        "url": MAX_URL,
        "image_url": MAX_URL,
        "alt_text": 2000,
        "accessibility_label": 75,
    }
    if element["type"] in ("button", "icon_button"):
        limits["value"] = 2000
    for key, high in limits.items():
        if key in element:
            problems.need_string((*path, key), element[key], 1, high)
    if element["type"] == "button":
        if "text" in element:
            check_text(problems, (*path, "text"), element["text"], 75)
        if "style" in element:
            problems.need_choice((*path, "style"), element["style"], ("primary", "danger"))
    if element["type"] == "plain_text_input":
        _check_lengths(problems, path, element)


def _check_lengths(problems: Problems, path: Path, element: dict[str, object]) -> None:
    low, high = element.get("min_length", 0), element.get("max_length", 3000)
    for key, bound in (("min_length", low), ("max_length", high)):
        if not isinstance(bound, int) or not 0 <= bound <= 3000:
            problems.add((*path, key), "must be an integer from 0 to 3000")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        problems.add((*path, "min_length"), "must not be greater than max_length")


def _check_choices(problems: Problems, path: Path, element: dict[str, object], kind: str) -> None:
    if kind == "overflow" and "options" in element:
        check_options(problems, (*path, "options"), element["options"], 1, 5)
    elif kind in ("checkboxes", "radio_buttons") and "options" in element:
        check_options(problems, (*path, "options"), element["options"], 1, 10, rich=True)
    elif kind in _SELECTS_WITH_OPTIONS:
        if ("options" in element) == ("option_groups" in element):
            problems.add(path, "exactly one of options and option_groups must be given")
        if "options" in element:
            check_options(problems, (*path, "options"), element["options"], 1, MAX_OPTIONS)
        if "option_groups" in element:
            check_option_groups(problems, (*path, "option_groups"), element["option_groups"])
    rich = kind in ("checkboxes", "radio_buttons")
    if "initial_option" in element:
        check_option(problems, (*path, "initial_option"), element["initial_option"], rich=rich)
        _check_offered(problems, (*path, "initial_option"), element, element["initial_option"])
    if "initial_options" in element:
        for index, option in enumerate(
            problems.need_list((*path, "initial_options"), element["initial_options"], 1, 100)
        ):
            check_option(problems, (*path, "initial_options", index), option, rich=rich)
            _check_offered(problems, (*path, "initial_options", index), element, option)


def _check_offered(problems: Problems, path: Path, element: dict[str, object], option: object) -> None:
    """Slack refuses an initial option that is not offered; an external select has no list to look in."""
    offered = list_options(element)
    if offered and option not in offered:
        problems.add(path, "must match one of the options exactly")


def list_options(element: dict[str, object]) -> list[dict[str, object]]:
    """All options of an element, those of groups included."""
    options = element.get("options")
    found = list(options) if isinstance(options, list) else []
    groups = element.get("option_groups")
    for group in groups if isinstance(groups, list) else []:
        inner = group.get("options") if isinstance(group, dict) else None
        found += inner if isinstance(inner, list) else []
    return [option for option in found if isinstance(option, dict)]


def check_text_or_image(problems: Problems, path: Path, value: object) -> None:
    """What a context block holds."""
    if isinstance(value, dict) and value.get("type") in ANY_TEXT:
        check_text(problems, path, value, 3000, ANY_TEXT)
    else:
        check_element(problems, path, value, "context")
