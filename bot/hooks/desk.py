"""From a hook's signed call to a request in the ledger, by the same way in as what people type."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError
from slack_sdk.errors import SlackApiError

from andock.audit import AuditRecord, Event
from andock.catalogue import Catalogue
from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    InvalidParamsError,
    SignatureError,
    UserError,
)
from andock.messages import HOOK_TEAM, Actor, Request, Vote
from andock.nonces import Nonces
from andock.quotas import Quotas
from andock.refusals import NonceUsedError, NotAllowedError, UnknownAuthorError
from andock.seals import genuine_plan
from bot.hooks.calls import DeployCall
from bot.hooks.status import DeploymentStatus, describe
from bot.identity import Channel, Directory
from bot.intake import IncomingCommand, Intake
from bot.parsing import Options, ParsedCommand, unparse
from config.hooks import Hook

log = structlog.get_logger()
OPERATION = "service deploy"
CommandOf: TypeAlias = Callable[[Catalogue, DeployCall], str]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a call: the request, and whether it was made just now."""

    request: str
    new: bool


def deploy_command(catalogue: Catalogue, call: DeployCall) -> str:
    """The command that a person would type for it.

    Raises:
        InvalidParamsError: the operation does not take these values.
    """
    operation = catalogue.get(OPERATION)
    values = {"name": call.service, "version": call.version, "environment": call.environment}
    try:
        params = operation.params.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise InvalidParamsError(f"`{first['loc'][0]}`: {first['msg']}.") from error
    return unparse(ParsedCommand(operation, params, Options()))


@dataclass(frozen=True)
class HookDesk:
    """Takes calls whose signature was checked, and says what became of them."""

    intake: Intake
    directory: Directory
    workspace: str  # the address of the Slack workspace, `https://NAME.slack.com/`
    command_of: CommandOf = deploy_command

    async def take(self, hook: Hook, call: DeployCall, body: bytes) -> Taken:
        """Ask for what the call wants, once: the same nonce and body again is the same request.

        Raises:
            OpsError: it is refused, and nothing will happen.
            SlackApiError: Slack did not answer.
        """
        self.intake.refuse_secrets(call.reason, call.url)
        try:
            _refuse_others(hook, call)
            dedupe = f"hook:{hook.name}:{call.nonce}"
            before = await asyncio.to_thread(self._count, hook, call, body, dedupe)
            if before:
                return Taken(before, new=False)
            actor = act_for(hook, await self._find_author(call.author))
        except NotAllowedError as error:
            await asyncio.to_thread(self._record, hook, call, error)
            raise
        incoming = IncomingCommand(
            self.command_of(self.intake.catalogue, call),
            await self._find_channel(hook),
            dedupe,
            reason=call.reason,
            link=call.url,
        )
        receipt = await self.intake.take(incoming, actor)
        return Taken(receipt.request, new=True)

    async def look(self, hook: Hook, request: str) -> DeploymentStatus | None:
        """How a request of this hook is; None if it has none of that id.

        Raises:
            BackendUnavailableError: Redis is away.
        """
        try:
            return await asyncio.to_thread(self._look, hook, request)
        except RedisError as error:
            raise BackendUnavailableError("Redis", "no answer") from error

    def _look(self, hook: Hook, request: str) -> DeploymentStatus | None:
        entry = self.intake.ledger.read(request)
        if entry is None:
            return None
        try:
            stored = self.intake.verifier.open(entry.sealed, Request, by="bot")
            votes = [self.intake.verifier.open(sealed, Vote, by="bot") for sealed in entry.votes.values()]
        except SignatureError:
            log.warning("forged_request_not_shown", request=request)
            return None
        if stored.id != request or (stored.actor.team, stored.actor.user) != (HOOK_TEAM, user_of(hook)):
            return None
        plan = genuine_plan(entry, self.intake.verifier, self.intake.ledger.instance)
        return describe(entry, stored, plan, votes, self.workspace)

    def _count(self, hook: Hook, call: DeployCall, body: bytes, dedupe: str) -> str:
        """The request that this very call made before, or empty: then it is counted as one more."""
        nonces = Nonces(self.intake.ledger)
        try:
            if not nonces.use(hook.name, call.nonce, hashlib.sha256(body).hexdigest()):
                raise NonceUsedError(call.nonce)
            before = nonces.request_of(dedupe)
            if not before:
                Quotas(self.intake.ledger).charge_hook(hook.name, hook.settings.per_minute, dedupe)
        except RedisError as error:
            raise BackendUnavailableError("Redis", "no answer") from error
        return before

    async def _find_author(self, author: str) -> Actor:
        """The member of the workspace in whose name it is asked.

        Raises:
            UnknownAuthorError, NotAllowedError: there is none, or it is nobody who acts.
        """
        try:
            user = await self.directory.find_by_email(author) if "@" in author else author
            return await self.directory.identify(self.directory.team, user)
        except SlackApiError as error:
            match error.response.get("error"):
                case "users_not_found" | "user_not_found":
                    raise UnknownAuthorError(author) from error
                case "missing_scope":
                    why = (
                        "the app lacks the scope `users:read.email`; send the author's Slack user id instead"
                    )
                    raise BackendRejectedError("Slack", why) from error
            raise

    async def _find_channel(self, hook: Hook) -> Channel:
        channel = await self.directory.find_channel(hook.settings.channel)
        if not channel.writable:
            raise UserError(
                f"The bot is not in the channel of hook `{hook.name}`, {channel.id}: invite it there."
            )
        return channel

    def _record(self, hook: Hook, call: DeployCall, error: NotAllowedError) -> None:
        refused = AuditRecord(
            event=Event.REFUSED,
            operation=OPERATION,
            command=f"{call.service} {call.version} {call.environment}",
            actor=f"{HOOK_TEAM}/{user_of(hook)}",
            name=f"hook {hook.name} for {call.author}",
            channel=hook.settings.channel,
            rule=error.rule,
            result="denied",
            text=error.sentence,
        )
        try:
            self.intake.journal.write(refused)
        except RedisError as failure:  # it is refused all the same
            log.warning("refusal_not_recorded", error=type(failure).__name__)


def user_of(hook: Hook) -> str:
    """How policy names a hook."""
    return f"{HOOK_TEAM}:{hook.name}"


def act_for(hook: Hook, author: Actor) -> Actor:
    """The hook, asking in the name of a person."""
    return Actor(
        team=HOOK_TEAM, user=user_of(hook), name=f"hook {hook.name} for {author.name}", author=author.key
    )


def _refuse_others(hook: Hook, call: DeployCall) -> None:
    """Let go on what hooks.yaml lets the hook ask for.

    Raises:
        NotAllowedError: it is not among it.
    """
    rule = f"hooks.yaml: {hook.name}"
    if not hook.settings.services.fits(call.service.casefold()):
        raise NotAllowedError(f"hook `{hook.name}` may not ask for service `{call.service}`", rule=rule)
    if call.environment not in hook.settings.environments:
        raise NotAllowedError(f"hook `{hook.name}` may not deploy to `{call.environment}`", rule=rule)
