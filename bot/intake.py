"""The one way in: parse, decide provisionally, sign, accept once, ring. Knows nothing of Slack's payloads."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import assert_never

import structlog
from pydantic import JsonValue
from redis.exceptions import ConnectionError as RedisAwayError
from redis.exceptions import RedisError

from andock import policy as rules
from andock.audit import AuditRecord, Event, Journal, record_of
from andock.catalogue import Catalogue
from andock.doorbell import Doorbell
from andock.errors import (
    BackendUnavailableError,
    OpsError,
    SignatureError,
    UnknownSiteError,
    UserError,
)
from andock.ledger import Ledger
from andock.messages import (
    CLI_TEAM,
    Actor,
    Purpose,
    Reply,
    Request,
    Word,
    make_request_id,
)
from andock.operation import DeskOperation, Operation, Risk
from andock.outbox import message
from andock.policy import Policy
from andock.ports.votes import Cancelled
from andock.quotas import Quotas
from andock.redaction import Redactor
from andock.refusals import NotAllowedError, SecretTypedError
from andock.rejections import Kind, Rejections
from andock.rendering.buttons import Answer
from andock.routing import Routing, find_service
from andock.signing import Verifier
from andock.verdicts import explain, refusal
from bot.about import look_up, split_person
from bot.ballots import Ballots
from bot.clerk import Clerk
from bot.identity import Channel, Directory
from bot.parsing import ParsedCommand, parse, parse_words, unparse, usage_of
from bot.typography import straighten
from config.live_policy import LivePolicy
from config.services import ServiceFiles

log = structlog.get_logger()
START_WITHIN = 300.0  # seconds after acceptance in which a request may start
_UNQUOTED = str.maketrans("", "", "\"'")
_APART = "\n" * 4  # more blanks than a shape of a secret looks over
QUIET = 500  # ms within which a request that ends posts once, without a placeholder before


@dataclass(frozen=True, slots=True)
class IncomingCommand:
    """What a person typed or clicked, and where; no Slack payload is seen after this."""

    text: str
    channel: Channel
    dedupe: str  # the same for every delivery of the same thing
    noun: str = ""  # of a noun's own slash command
    thread: str = ""
    reason: str = ""  # why, as a hook says it
    link: str = ""  # a page that says more, as a hook says it
    due: float = 0.0  # asked by the clock: the time that it was asked for
    silent: bool = False  # asked by a form for what it shows: nothing is posted, and it is not charged


@dataclass(frozen=True, slots=True)
class Click:
    """A person's answer to a plan that was shown; `text` is what they typed into its form, if it has one."""

    request: str
    plan: str
    word: Answer
    text: str = ""
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the bot may say at once; `text` is for the asker's eyes only and may be empty."""

    text: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A command that was read, before anything is known of whether it is taken."""

    incoming: IncomingCommand
    actor: Actor
    parsed: ParsedCommand
    purpose: Purpose
    command: str  # as it reads back
    params: dict[str, JsonValue]
    about: Actor | None  # whose right is asked about, if it is another's


@dataclass(frozen=True)
class Intake:
    """Takes commands of identified actors."""

    instance: str
    catalogue: Catalogue
    live_policy: LivePolicy
    routing: Routing
    ledger: Ledger
    doorbell: Doorbell
    journal: Journal
    verifier: Verifier
    ballots: Ballots
    redactor: Redactor
    services: ServiceFiles
    clerk: Clerk

    def refuse_secrets(self, *texts: str) -> None:
        """Let texts that a person typed, chose or clicked go on only if they hold no secret.

        Before anything else sees them: nothing is stored, logged or repeated of a text that is refused.

        Raises:
            SecretTypedError: says of what kind it is.
        """
        # as it came, and as it was meant: an escape, an invisible sign or a quote may stand in it
        straight = [straighten(text) for text in texts]
        meant = dict.fromkeys((*texts, *straight, *(text.translate(_UNQUOTED) for text in straight)))
        # one look at all of them together, since nearly none holds anything
        if not self.redactor.find(_APART.join(meant)):
            return
        found = dict.fromkeys(kind for text in meant for kind in self.redactor.find(text))
        if found:
            raise SecretTypedError(tuple(found))

    @property
    def rejections(self) -> Rejections:
        """Where what was refused is put on record."""
        return Rejections(self.journal)

    @property
    def policy(self) -> Policy:
        """The policy that counts now."""
        return self.live_policy.current()

    async def take(self, incoming: IncomingCommand, actor: Actor, people: Directory | None = None) -> Receipt:
        """Accept a command once; `people` are asked who is meant by `can-i ... --as`.

        Raises:
            OpsError: it is refused; nothing was recorded and nothing will happen.
        """
        self.refuse_secrets(incoming.text)
        parsed, purpose, person = self._parse(incoming)
        command = unparse(parsed)
        if command != f"{incoming.noun} {incoming.text}".strip():  # else it is what was looked at already
            self.refuse_secrets(command)
        about = None
        if person:
            await asyncio.to_thread(self._charge, incoming, actor)  # before Slack is asked
            about = await look_up(person, actor, people)
        # all that may wait for a disk or for Redis in one go, as each change of thread costs time
        params = parsed.params.model_dump(mode="json")
        asked = _Asked(incoming, actor, parsed, purpose, command, params, about)
        return await asyncio.to_thread(self._admit, asked)

    def _admit(self, asked: _Asked) -> Receipt:
        """Charge, decide, find who performs it and accept; blocking. Raises as `take`."""
        parsed, incoming, operation = asked.parsed, asked.incoming, asked.parsed.operation
        if asked.about is None:
            self._charge(incoming, asked.actor)
        question = self._question(asked)
        try:
            self._decide(question, parsed, asked.purpose)
        except NotAllowedError as error:
            self._record_refusal(asked, error)
            raise
        request = self._request(asked, self._pool(parsed))
        if isinstance(operation, DeskOperation) and asked.purpose is Purpose.EXPLAIN:
            decision = rules.decide_without_target(self.policy, question)
            return Receipt(explain(request.command, decision).summary)
        if not request.reply.private and not incoming.channel.writable:
            what = "what is shared" if operation.risk is Risk.READ else "a change"
            raise UserError(
                f"I cannot post here, and {what} is reported where it is asked for: invite me first."
            )
        pools = () if isinstance(operation, DeskOperation) else (self._route(operation, request),)
        return self._accept(request, operation, incoming.dedupe, pools)

    def _parse(self, incoming: IncomingCommand) -> tuple[ParsedCommand, Purpose, str]:
        """What is asked, for what purpose, and about whose right, if it is another's."""
        parsed = parse(straighten(incoming.text), self.catalogue, noun=incoming.noun)
        if parsed.operation.name != "can-i":
            return parsed, Purpose.PLAN if parsed.options.plan else Purpose.PERFORM, ""
        person, words = split_person(parsed.params.model_dump()["command"])
        inner = parse_words(words, self.catalogue)
        if inner.options.site is None and parsed.options.site is not None:
            inner = replace(inner, options=replace(inner.options, site=parsed.options.site))
        return inner, Purpose.EXPLAIN, person

    def _charge(self, incoming: IncomingCommand, actor: Actor) -> None:
        limits = self.policy.limits
        if incoming.silent or (limits.user.per_minute is None and limits.channel.per_minute is None):
            return
        try:
            Quotas(self.ledger).charge(limits, actor, incoming.channel.id, incoming.dedupe)
        except RedisError as error:
            raise BackendUnavailableError("Redis", "no answer") from error

    def _question(self, asked: _Asked) -> rules.Question:
        parsed = asked.parsed
        return rules.Question(
            asked.about or asked.actor,
            parsed.operation.name,
            parsed.operation.risk,
            asked.incoming.channel.id,
            params=asked.params,
            now=time.time(),
            emergency=bool(parsed.options.break_glass),
        )

    def _decide(self, question: rules.Question, parsed: ParsedCommand, purpose: Purpose) -> None:
        """Refuse what no rule could allow; the worker decides again on resolved targets."""
        if isinstance(parsed.operation, DeskOperation):
            if parsed.operation.on_request and purpose is Purpose.PERFORM:
                return  # whose request it is, the desk looks up and decides
            decision = rules.decide_without_target(self.policy, question)
        else:
            decision = rules.could_allow(self.policy, question)
        if isinstance(decision, rules.Denied) and purpose is not Purpose.EXPLAIN:
            log.info("denied", user=question.actor.user, operation=question.operation, rule=decision.rule)
            raise refusal(decision)

    def _record_refusal(self, asked: _Asked, error: NotAllowedError) -> None:
        actor = asked.actor
        record = AuditRecord(
            event=Event.DECIDED,
            operation=asked.parsed.operation.name,
            command=asked.command,
            actor=actor.key,
            name=actor.name,
            author=actor.author,
            channel=asked.incoming.channel.id,
            rule=error.rule,
            result="denied",
            text=error.sentence,
        )
        self._record_safely(record)

    def _record_safely(self, record: AuditRecord) -> None:
        """Record a refusal; it stands also when Redis is away."""
        try:
            self.journal.write(record)
        except RedisError as failure:
            log.warning("refusal_not_recorded", error=type(failure).__name__)

    def _pool(self, parsed: ParsedCommand) -> str | None:
        """The pool that was named; without one, and without a site, that of what the command is about."""
        options = parsed.options
        if options.site is not None or options.pool is not None:
            return options.pool
        service = find_service(parsed.operation, parsed.params)
        if service is not None:
            return self.services.pool_of(service)
        return self.routing.find_pool(parsed.operation, parsed.params)

    def _route(self, operation: Operation, request: Request) -> str:
        """The pool that performs it; raises as `Routing.pool`."""
        try:
            return self.routing.pool(operation, request.site, request.pool)
        except UnknownSiteError as error:
            raise UnknownSiteError(error.site, similar=error.similar, usage=request.usage) from error

    def _request(self, asked: _Asked, pool: str | None) -> Request:
        parsed, purpose, incoming, actor, about = (
            asked.parsed, asked.purpose, asked.incoming, asked.actor, asked.about,
        )  # fmt: skip
        private = about is not None or (
            (parsed.operation.risk is Risk.READ or purpose is not Purpose.PERFORM)
            and not parsed.options.share
        )
        command = ("can-i " if purpose is Purpose.EXPLAIN else "") + asked.command
        now = time.time()
        return Request(
            id=make_request_id(),
            instance=self.instance,
            purpose=purpose,
            operation=parsed.operation.name,
            params=asked.params,
            site=parsed.options.site,
            pool=pool,
            confirmed=parsed.options.yes,
            emergency=parsed.options.break_glass,
            reason=incoming.reason,
            link=incoming.link,
            wait=parsed.options.wait,
            about=about,
            command=command if about is None else f"{command} --as @{about.name}",
            usage=usage_of(parsed.operation),
            actor=actor,
            channel=incoming.channel.id,
            reply=Reply(
                channel="" if actor.team == CLI_TEAM or incoming.silent else incoming.channel.id,
                thread=incoming.thread,
                private=private,
                direct=incoming.channel.direct,
            ),
            accepted_at=now,
            not_after=now + START_WITHIN,
            due=incoming.due,
        )

    def _accept(self, request: Request, operation: Operation, dedupe: str, pools: tuple[str, ...]) -> Receipt:
        """Record and ring."""
        change = operation.risk is not Risk.READ and not isinstance(operation, DeskOperation)
        quiet = request.reply.private or not request.reply.channel
        try:
            accepted, new = self.ledger.accept(
                request,
                self.journal.signer.sign(request),
                dedupe=dedupe,
                record=self.journal.seal(record_of(request, Event.ASKED, result=request.purpose.value)),
                pools=pools,
                change=change and request.purpose is Purpose.PERFORM,
                message="" if quiet else message(request.id),
                message_due=QUIET,
            )
        except RedisAwayError as error:
            raise BackendUnavailableError("Redis", "no connection") from error
        except RedisError as error:
            raise OpsError(
                "Redis did not answer in time. If it took the request, the answer will come here; nothing "
                "has been changed so far."
            ) from error
        if not new:
            return Receipt("", accepted)
        log.info("accepted", request=request.id, user=request.actor.user, operation=request.operation)
        if isinstance(operation, DeskOperation):
            self.clerk.answer(request, operation)
        else:
            try:
                self.doorbell.ring(pools[0], operation, request.id, 1)
            except RedisError as error:  # accepted is accepted: the janitor rings
                log.warning("doorbell_failed", request=request.id, error=type(error).__name__)
        # a change shows itself in the channel, and the desk's own answer is there as soon as this
        waits = quiet and not isinstance(operation, DeskOperation)
        return Receipt(f"Working on `{request.command}` …" if waits else "", request.id)

    async def answer(self, click: Click, actor: Actor) -> Receipt:
        """Take what a person says to a plan, by a button or a form.

        Raises:
            OpsError: it is not theirs to say, or no longer asked.
        """
        try:
            return Receipt(await asyncio.to_thread(self._say, click, actor), click.request)
        except (NotAllowedError, SignatureError) as error:
            # who may not, or what is forged: each one
            refused = AuditRecord(
                event=Event.REFUSED,
                request=click.request,
                actor=actor.key,
                name=actor.name,
                channel=click.channel,
                rule=getattr(error, "rule", ""),
                result=click.word.value,
                text=error.sentence,
            )
            await asyncio.to_thread(self._record_safely, refused)
            raise
        except UserError as error:  # also a second click, and a button that stands there from earlier
            await asyncio.to_thread(
                self.rejections.record,
                Kind.CLICK,
                f"{click.word.value}: {error.sentence}",
                request=click.request,
                actor=actor.key,
                name=actor.name,
                channel=click.channel,
            )
            raise

    def _say(self, click: Click, actor: Actor) -> str:
        match click.word:
            case Answer.GO_AHEAD:
                return self.ballots.go_ahead(click.request, click.plan, actor, click.text)
            case Answer.APPROVE:
                return self.ballots.approve(click.request, click.plan, actor, click.text)
            case Answer.DENY:
                return self.ballots.deny(click.request, actor, click.text)
            case Answer.GO_ON | Answer.ROLL_BACK:
                self.ballots.answer_by_button(click.request, Word(click.word.value), actor, click.channel)
                return ""
            case Answer.CANCEL:
                if self.ballots.cancel(click.request, actor, click.channel) is Cancelled.HAD_ENDED:
                    raise UserError("It has ended already.")
                return ""
            case _:
                assert_never(click.word)
