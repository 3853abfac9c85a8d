"""From a payload to an answer within Slack's three seconds: looks the person up, asks the intake."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import assert_never

import aiohttp
import structlog
from slack_bolt import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from andock.errors import OpsError
from andock.messages import Actor
from andock.refusals import NotAllowedError
from andock.rejections import Kind
from andock.rendering.buttons import Answer
from andock.rendering.forms import INPUT, deny_form, type_form
from andock.rendering.message import Block
from bot.deploy_desk import DeployDesk
from bot.identity import Directory
from bot.intake import Click, IncomingCommand, Intake, Receipt
from bot.metrics import Metrics
from bot.payloads import (
    Clicked,
    DeployFilled,
    FormWanted,
    Incoming,
    Payload,
    ServiceChosen,
    Typed,
    VersionSought,
    read_payload,
    texts_of,
)

log = structlog.get_logger()
LONGEST_KEY = 60  # characters of the ids of a person or a channel that are recorded
PATIENCE = 2.5  # seconds; Slack gives up at three


@dataclass(frozen=True)
class FrontDesk:
    """Answers every payload, and never with a traceback."""

    intake: Intake
    directory: Directory
    slack: AsyncWebClient
    metrics: Metrics
    prefix: str
    deploying: DeployDesk

    async def receive(self, body: Payload) -> BoltResponse:
        """Acknowledge one payload; what goes wrong is a sentence for the asker."""
        try:
            incoming = read_payload(body, self.prefix)
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            log.warning("payload_not_understood", error=type(error).__name__)
            await self._record_made_up(body)
            incoming = None
        if incoming is None:
            return BoltResponse(status=200, body="")
        started = time.perf_counter()
        answer = await self._answer(incoming)
        self.metrics.answered(time.perf_counter() - started)
        if not answer or isinstance(answer, dict):
            return BoltResponse(status=200, body=answer)
        field = _field_of(incoming)
        if field:
            return BoltResponse(status=200, body={"response_action": "errors", "errors": {field: answer}})
        if isinstance(incoming, Typed) and incoming.slash:
            return BoltResponse(status=200, body={"response_type": "ephemeral", "text": answer})
        await self._tell(incoming, answer)
        return BoltResponse(status=200, body="")

    async def _answer(self, incoming: Incoming) -> str | Block:
        """What is said to the asker alone, or an answer of a shape of its own."""
        try:
            async with asyncio.timeout(PATIENCE):
                receipt = await self._take(incoming)
                if isinstance(receipt, dict):
                    return receipt
        except OpsError as error:
            self.metrics.refused(error.code)
            return error.sentence
        except TimeoutError:
            self.metrics.refused("slow")
            return (
                "That took too long to take in. If it was taken, the answer comes here; see `request list`."
            )
        except (SlackApiError, aiohttp.ClientError) as error:
            self.metrics.refused("slack")
            log.warning("slack_failed", error=type(error).__name__)
            return "Slack did not answer when I asked who you are; nothing was changed. Try again."
        except Exception:
            # the process' outermost boundary: whoever asked hears of it, and the next command still works
            self.metrics.refused("internal_error")
            log.exception("internal_error")
            return "Internal error; nothing was changed. The bot's log has the details."
        # only what is not in the channel anyway is said here, or by a slash command's acknowledgement
        said_here = not receipt.request or (isinstance(incoming, Typed) and incoming.slash)
        return receipt.text if said_here else ""

    async def _take(self, incoming: Incoming) -> Receipt | Block:
        self.intake.refuse_secrets(*texts_of(incoming))
        actor = await self._identify(incoming)
        match incoming:
            case Typed():
                if await self.deploying.open(incoming, actor):
                    return Receipt("")
                channel = await self.directory.find_channel(incoming.channel)
                self.metrics.taken()
                return await self.intake.take(
                    IncomingCommand(incoming.text, channel, incoming.dedupe, incoming.noun, incoming.thread),
                    actor,
                    self.directory,
                )
            case Clicked(button=button):
                click = Click(button.request, button.plan, incoming.answer, incoming.text, incoming.channel)
                return await self.intake.answer(click, actor)
            case FormWanted(form=form):
                view = deny_form(form) if incoming.answer is Answer.DENY else type_form(form)
                await self.slack.views_open(trigger_id=incoming.trigger, view=view)
                return Receipt("", form.button.request)
            case ServiceChosen():
                await self.deploying.choose(incoming, actor)
                return Receipt("")
            case VersionSought():
                return await self.deploying.suggest(incoming, actor)
            case DeployFilled():
                self.metrics.taken()
                return await self.deploying.submit(incoming, actor)
            case _:
                assert_never(incoming)

    async def _identify(self, incoming: Incoming) -> Actor:
        """Who it is; that somebody tried who never acts is put on record.

        Raises:
            NotAllowedError: a guest, a bot, somebody deactivated or of another workspace.
        """
        sender = incoming.sender
        try:
            return await self.directory.identify(sender.team, sender.user)
        except NotAllowedError as error:
            await asyncio.to_thread(
                self.intake.rejections.record,
                Kind.PERSON,
                error.sentence,
                actor=f"{sender.team}/{sender.user}"[:LONGEST_KEY],
                channel=incoming.channel[:LONGEST_KEY],
                rule=error.rule,
            )
            raise

    async def _record_made_up(self, body: Payload) -> None:
        content = json.dumps(body, sort_keys=True, default=str).encode()
        why = "no button, form or event of ours has such a value"
        await asyncio.to_thread(self.intake.rejections.record, Kind.PAYLOAD, why, content=content)

    async def _tell(self, incoming: Incoming, text: str) -> None:
        """Say something to the asker alone, where they asked; by direct message where that cannot be."""
        user, thread = incoming.sender.user, incoming.thread or None
        try:
            if incoming.channel.startswith("D"):
                await self.slack.chat_postMessage(channel=incoming.channel, text=text, thread_ts=thread)
                return
            await self.slack.chat_postEphemeral(
                channel=incoming.channel, user=user, text=text, thread_ts=thread
            )
        except SlackApiError:
            try:
                direct = await self.slack.conversations_open(users=user)
                await self.slack.chat_postMessage(channel=direct["channel"]["id"], text=text)
            except SlackApiError as error:
                log.warning("answer_not_posted", error=error.response.get("error"))


def _field_of(incoming: Incoming) -> str:
    """The field of a submitted form beside which a refusal is shown; empty if no form was submitted."""
    match incoming:
        case Clicked(form=True):
            return INPUT
        case DeployFilled():
            return incoming.place
        case _:
            return ""
