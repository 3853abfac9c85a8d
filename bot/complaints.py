"""What pydantic has against a command's parameters, in the words of somebody who types."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot.grammar import Grammar, write_value

_CLAUSES = {
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "takes at most {max_length}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "value_error": "{error}",
}


def explain(error: ValidationError, grammar: Grammar) -> str:
    """Everything that is wrong, a sentence each; parameters are named as they are typed."""
    labels = {slot.field: slot.label for slot in grammar.slots}
    # never `input`: what was typed may be long and is in front of the person anyway
    details = error.errors(include_url=False, include_input=False)
    return " ".join(dict.fromkeys(_sentence(detail, labels) for detail in details))


def _sentence(detail: ErrorDetails, labels: dict[str, str]) -> str:
    label = labels.get(str(detail["loc"][0]), "") if detail["loc"] else ""
    if detail["type"] in ("missing", "too_short"):
        return f"`{label}` is missing."
    context = {key: write_value(value) for key, value in detail.get("ctx", {}).items()}
    template = _CLAUSES.get(detail["type"])
    clause = template.format(**context) if template else detail["msg"][:1].lower() + detail["msg"][1:]
    clause = clause.rstrip(".")
    return f"`{label}` {clause}." if label else f"{clause[:1].upper()}{clause[1:]}."
