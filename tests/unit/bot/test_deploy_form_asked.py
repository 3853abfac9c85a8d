"""Which texts ask for the form in which a deployment is put together."""

from __future__ import annotations

import pytest

from andock.catalogue import load_catalogue
from bot.deploy_desk import asked_service
from bot.payloads import Sender, Typed

DEPLOY = load_catalogue().get("service deploy")


def asked(text: str, noun: str = "") -> str | None:
    return asked_service(Typed(Sender("T1", "U1"), "C1", text, "d", noun=noun, trigger="t"), DEPLOY)


@pytest.mark.parametrize(
    ("text", "noun", "service"),
    [
        ("", "deploy", ""),
        ("api", "deploy", "api"),
        ("deploy", "service", ""),
        ("Deploy api", "service", "api"),
        ("service deploy api", "", "api"),
        ("deploy", "", ""),
    ],
)
def test_without_a_version_it_is_the_form(text: str, noun: str, service: str) -> None:
    assert asked(text, noun) == service


@pytest.mark.parametrize(
    ("text", "noun"),
    [
        ("api v1", "deploy"),
        ("api v1 to prod", "deploy"),
        ("--help", "deploy"),
        ('"api', "deploy"),
        ("status api", "service"),
        ("", "service"),
        ("", ""),
        ("deployment", ""),
    ],
)
def test_anything_else_is_a_command(text: str, noun: str) -> None:
    assert asked(text, noun) is None
