"""The form for deployments: opens it, fills it as a person chooses, and asks for what was submitted."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from andock.errors import InvalidParamsError, OpsError, ParseError, UserError
from andock.messages import Actor
from andock.operation import Operation
from andock.operations.service.params import VERSION
from andock.ports.registry import ImageName
from andock.rendering.deploy_form import CHOICES, DEPLOY, DeployForm, deploy_form, version_options
from andock.rendering.message import Block
from andock.versions import Listed, VersionIndex
from bot.complaints import explain
from bot.deployable import Deployable, DeployRight, ServiceShelf
from bot.grammar import grammar_of
from bot.identity import Channel, Directory
from bot.intake import IncomingCommand, Intake, Receipt
from bot.parsing import Options, ParsedCommand, unparse
from bot.payloads import DeployFilled, ServiceChosen, Typed, VersionSought
from bot.typography import straighten
from bot.words import split_words

log = structlog.get_logger()
OPERATION, VERSIONS, ROLLBACK = DEPLOY, "service versions", "service rollback"
FRESH = 60.0  # seconds after which a registry is asked again for what the form shows
PATIENCE = 1.2  # seconds that a person who opens the list waits for a registry that was never asked
LOOK = 0.1
_GONE = ("hash_conflict", "not_found", "view_not_found")  # the person was faster, or closed the form
_TOO_LATE = ("expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id", "trigger_expired")
_TYPED = "`deploy NAME VERSION to ENVIRONMENT`"
_VERSION = re.compile(VERSION)


@dataclass(frozen=True)
class DeployDesk:
    """Serves the form. It holds no logins: versions are those that a worker has heard of."""

    intake: Intake
    directory: Directory
    slack: AsyncWebClient
    versions: VersionIndex
    shelf: ServiceShelf

    async def open(self, typed: Typed, actor: Actor) -> bool:
        """Open the form if that is what was typed, by somebody who could deploy; else it is a command."""
        operation = self.intake.catalogue.find(OPERATION)
        named = None if operation is None or not typed.trigger else asked_service(typed, operation)
        if named is None:
            return False
        known = await self._deployable(actor, typed.channel)
        service = named or (next(iter(known)) if len(known) == 1 else "")
        if not known or (service and service not in known):
            return False
        view = _view(DeployForm(typed.channel, typed.thread, service), known)
        try:
            await self.slack.views_open(trigger_id=typed.trigger, view=view)
        except SlackApiError as error:
            if error.response.get("error") not in _TOO_LATE:
                raise
            raise UserError(f"The form came too late for Slack. Try again, or type it: {_TYPED}.") from error
        await self._refresh(known.get(service), actor, typed.channel)
        return True

    async def choose(self, chosen: ServiceChosen, actor: Actor) -> None:
        """Show environments and versions of the service that was chosen."""
        view, found = await self._look_again(chosen.form, chosen.service, actor)
        try:
            await self.slack.views_update(view_id=chosen.view, hash=chosen.hash, view=view)
        except SlackApiError as error:
            if error.response.get("error") not in _GONE:
                raise
            log.info("form_is_past", error=error.response.get("error"))
        await self._refresh(found, actor, chosen.channel)

    async def suggest(self, sought: VersionSought, actor: Actor) -> Block:
        """The versions that hold what was typed, and the typed one itself."""
        found = (await self._deployable(actor, sought.channel)).get(sought.form.service)
        if found is None:
            return version_options((), None, "")
        listed = await self._await_versions(found.image)
        text = straighten(sought.typed).strip()
        typed = text if _VERSION.fullmatch(text) else ""
        if listed is None:
            return version_options((), None, typed)
        age = timedelta(seconds=max(0.0, time.time() - listed.at))
        tags = [(name, made) for name, made in listed.tags if text.casefold() in name.casefold()]
        return version_options(tags, age, typed)

    async def submit(self, filled: DeployFilled, actor: Actor) -> Receipt | Block:
        """Ask for what was chosen, as if its command had been typed; or show what is still to be chosen.

        Raises:
            OpsError: it is refused; the form shows why.
        """
        if not filled.environment or filled.service != filled.form.service:
            view, _ = await self._look_again(filled.form, filled.service, actor)
            return {"response_action": "update", "view": view}
        channel = await self.directory.find_channel(filled.channel)
        command = self._command(filled)
        asked = IncomingCommand(command, channel, f"view:{filled.view}", thread=filled.thread)
        return Receipt("", (await self.intake.take(asked, actor, self.directory)).request)

    def _command(self, filled: DeployFilled) -> str:
        if filled.operation not in CHOICES:
            raise UserError("Choose what is to be done.")
        operation = self.intake.catalogue.get(filled.operation)
        values = _values(filled, operation)
        try:
            params = operation.params.model_validate(values)
        except ValidationError as error:
            grammar = grammar_of(operation)
            raise InvalidParamsError(explain(error, grammar), usage=grammar.usage) from error
        return unparse(ParsedCommand(operation, params, Options()))

    async def _look_again(self, form: DeployForm, service: str, actor: Actor) -> tuple[Block, Deployable]:
        known = await self._deployable(actor, form.channel)
        if service not in known:
            raise UserError(f"You can no longer deploy `{service}`; see `service list` and `can-i`.")
        return _view(replace(form, service=service), known), known[service]

    async def _deployable(self, actor: Actor, channel: str) -> dict[str, Deployable]:
        """What this person could deploy, by the service's name."""
        operation = self.intake.catalogue.get(OPERATION)
        right = DeployRight(self.intake.policy, operation, actor, channel)
        return await asyncio.to_thread(right.among, self.shelf)

    async def _refresh(self, found: Deployable | None, actor: Actor, channel: str) -> None:
        """Have a worker ask the registry if what is known is old; the form does without if that cannot be."""
        if found is None:
            return
        listed = await self._look(found.image)
        now = time.time()
        if listed is not None and now - listed.at < FRESH:
            return
        asked = IncomingCommand(
            f"{VERSIONS} {found.service}",
            Channel(channel, direct=channel.startswith("D"), writable=True),
            f"versions:{found.service}:{int(now // FRESH)}",  # once, however many forms are open
            silent=True,
        )
        try:
            await self.intake.take(asked, actor)
        except OpsError as error:
            log.info("versions_not_asked", service=found.service, error=error.sentence)

    async def _await_versions(self, image: ImageName) -> Listed | None:
        """What is known, or heard in a moment: a registry is asked when the form opens."""
        for _ in range(round(PATIENCE / LOOK)):
            listed = await self._look(image)
            if listed is not None:
                return listed
            await asyncio.sleep(LOOK)
        return None

    async def _look(self, image: ImageName) -> Listed | None:
        try:
            return await asyncio.to_thread(self.versions.look, image)
        except RedisError as error:
            log.warning("versions_not_read", error=type(error).__name__)
            return None


def _values(filled: DeployFilled, operation: Operation) -> dict[str, str]:
    """What the operation takes of what was filled in.

    Raises:
        UserError: it does not take a version or a number that was filled in.
    """
    takes = operation.params.model_fields
    version = "to" if operation.name == ROLLBACK else "version"
    for field, text, said in (
        (version, filled.version, "version"),
        ("replicas", filled.replicas, "number of containers"),
    ):
        if text and field not in takes:
            raise UserError(f"`{operation.name}` takes no {said}; leave it empty, or choose something else.")
    values = {
        "name": filled.service,
        "environment": filled.environment,
        version: filled.version,
        "replicas": filled.replicas.strip(),
        "reason": straighten(filled.reason),
    }
    return {field: text for field, text in values.items() if text and field in takes}


def asked_service(typed: Typed, operation: Operation) -> str | None:
    """The service in `deploy NAME` without a version, empty for `deploy` alone; None for any other text."""
    try:
        words = ((typed.noun,) if typed.noun else ()) + split_words(straighten(typed.text))
    except ParseError:
        return None
    for name in (operation.name, getattr(operation, "short", "")):
        before = name.split()
        if before and [word.lower() for word in words[: len(before)]] == before:
            rest = words[len(before) :]
            if len(rest) > 1 or (rest and rest[0].startswith("-")):
                return None
            return rest[0] if rest else ""
    return None


def _view(form: DeployForm, known: dict[str, Deployable]) -> Block:
    environments: Sequence[str] = known[form.service].environments if form.service else ()
    return deploy_form(form, tuple(known), environments)
