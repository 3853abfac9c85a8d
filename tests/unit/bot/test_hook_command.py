"""The command that a hook's call is: what a person would type for it."""

from __future__ import annotations

import pytest

from andock.catalogue import load_catalogue
from andock.errors import InvalidParamsError
from bot.hooks.calls import DeployCall
from bot.hooks.desk import deploy_command
from bot.parsing import parse

CATALOGUE = load_catalogue()
CALL = DeployCall(
    service="api", version="v1.2.3", environment="prod", author="U0OPS1", nonce="12345678", time=1_764_000_000
)


def test_a_call_is_the_command_that_a_person_would_type() -> None:
    command = deploy_command(CATALOGUE, CALL)

    assert command == "service deploy api v1.2.3 to prod"
    assert parse(command, CATALOGUE).operation.name == "service deploy"


def test_what_the_operation_does_not_take_is_refused_with_the_parameter() -> None:
    with pytest.raises(InvalidParamsError, match="`version`"):
        deploy_command(CATALOGUE, CALL.model_copy(update={"version": "a:b"}))
