"""Takes due messages from the outbox to Slack: the state as it is now, results first, within rates."""

from __future__ import annotations

import threading
from http.client import HTTPException
from typing import Any

import structlog
from redis.exceptions import RedisError
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from andock.audit import Event, Journal, record_of
from andock.entries import Entry, Post
from andock.errors import SignatureError
from andock.ledger import Ledger
from andock.messages import Notice, Request, State
from andock.operation import Plan
from andock.outbox import APPROVER, NOTICE, REMINDER, Due, Outbox
from andock.outputs import Outputs
from andock.rejections import Kind, Rejections
from andock.rendering.notices import still_waits
from andock.rendering.request import render_request
from andock.seals import genuine_plan, open_plan
from andock.signing import Verifier
from andock.votes import Votes
from workers.letter import FILE, Letter, metadata_of
from workers.views import view_of

log = structlog.get_logger()
IDLE = 1.0  # seconds after which the outbox is looked at even when no bell rang
BATCH = 20
UPDATES = (50.0, 10)  # chat.update: a minute for the whole workspace, and at once
POSTS = (60.0, 5)  # chat.postMessage: a minute in one channel, and at once
LEFT_FOR_RESULTS = 3
RETRY = 2_000  # ms until a message that Slack failed to take is tried again
TOO_MANY, SERVER_FAILED = 429, 500  # HTTP
PASSING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
LOST_WITHIN = 3_600.0  # seconds before a notice was signed anew in which it may have been posted
GONE = frozenset({"message_not_found", "cant_update_message", "thread_not_found"})
NOT_HERE = frozenset(
    {"not_in_channel", "channel_not_found", "user_not_in_channel", "is_archived", "restricted_action"}
)


def connect_slack(token: str, base_url: str) -> WebClient:
    """Slack's Web API as the courier uses it.

    A 429 is given back to the outbox instead of slept through; and the SDK's own second try after a lost
    answer would say everything twice.
    """
    return WebClient(token=token, base_url=base_url, timeout=10, retry_handlers=[])


class Courier:
    """Any number may run; a message is one courier's for 30 s."""

    def __init__(self, ledger: Ledger, journal: Journal, verifier: Verifier, slack: WebClient) -> None:
        self._ledger = ledger
        self._journal = journal
        self._rejections = Rejections(journal)
        self._outbox = Outbox(ledger)
        self._outputs = Outputs(ledger)
        self._votes = Votes(ledger)
        self._verifier = verifier
        self._slack = slack

    def run(self, stop: threading.Event) -> None:
        """Deliver until stopped; Redis and Slack may go away and come back."""
        bell = None
        while not stop.is_set():
            try:
                bell = bell or self._outbox.listen()
                if not self.deliver_due():
                    wait = self._outbox.next_due()
                    bell.get_message(timeout=IDLE if wait is None else min(IDLE, wait))
            except RedisError as error:
                log.warning("redis_away", error=type(error).__name__)
                bell = None
                stop.wait(IDLE)

    def deliver_due(self) -> int:
        """Deliver what is due now; how many messages that were."""
        taken = self._outbox.take(BATCH)
        for due in taken:
            structlog.contextvars.bind_contextvars(request=due.request)
            self._deliver(due)
        structlog.contextvars.unbind_contextvars("request")
        return len(taken)

    def _deliver(self, due: Due) -> None:
        try:
            if due.kind == NOTICE:
                wait = self._say_notice(due)
            else:
                letter = self._read(due)
                wait = self._hand_over(letter) if letter is not None else 0
        except SlackApiError as error:
            wait = self._delay_after(error)
        except (SlackClientError, OSError, HTTPException) as error:
            log.warning("slack_away", error=type(error).__name__)
            wait = RETRY
        if wait:
            self._outbox.again(due, wait)
        else:
            self._outbox.done(due)

    def _read(self, due: Due) -> Letter | None:
        entry = self._ledger.read(due.request)
        if entry is None:
            return None
        try:
            request, plan = self._open(entry)
        except SignatureError as error:
            log.warning("forged_request_not_answered", error=error.sentence)
            self._rejections.record(Kind.REQUEST, error.sentence, content=entry.sealed, request=entry.id)
            return None
        silent = request.reply.private and not request.reply.direct and not entry.state.ended
        if not request.reply.channel or silent:
            return None
        return Letter(due, entry, request, render_request(view_of(entry, request, plan)))

    def _open(self, entry: Entry) -> tuple[Request, Plan | None]:
        """A request and its plan, as the processes signed them in which they were made.

        Raises:
            SignatureError: it is not ours, or people would see another plan than a worker made. Of what has
                ended the plan is not shown, so that a refusal of it is told.
        """
        instance = self._ledger.instance
        request = self._verifier.open(entry.sealed, Request, by="bot")
        if (request.id, request.instance) != (entry.id, instance):
            raise SignatureError("a stored request was moved from another place")
        if entry.state.ended:
            return request, genuine_plan(entry, self._verifier, instance)
        stored = open_plan(entry, self._verifier, instance)
        return request, stored.plan if stored is not None else None

    def _delay_after(self, error: SlackApiError) -> int:
        """Milliseconds until another try; 0 when there is no use in one."""
        code = error.response.get("error", "")
        if error.response.status_code == TOO_MANY:
            return int(float(error.response.headers.get("Retry-After", 1)) * 1000)
        if error.response.status_code >= SERVER_FAILED or code in PASSING:
            return RETRY
        log.error("message_dropped", error=code)
        return 0

    def _say_notice(self, due: Due) -> int:
        """Post words that belong to no request."""
        try:
            notice = self._outbox.read_notice(due.request, self._verifier)
        except SignatureError as error:
            log.warning("forged_notice_not_said")
            self._rejections.record(Kind.NOTICE, error.sentence)
            return 0
        if notice is None:
            return 0
        post = self._outbox.place_of_notice(notice.id)
        if post is not None:
            return self._edit_notice(notice, post)
        channel = notice.channel or self._direct(notice.user)
        wait = self._outbox.spend(f"post:{channel}", per_minute=POSTS[0], burst=POSTS[1])
        if wait:
            return wait
        tries = self._outbox.begin_notice(notice.id)
        lost = self._find_lost(due, channel, "", oldest=notice.at - LOST_WITHIN) if tries > 1 else None
        if lost is not None:
            self._outbox.record_notice(notice.id, lost)
            return 1  # known again: the next turn edits it
        answer = self._slack.chat_postMessage(
            channel=channel, text=notice.text, unfurl_links=False, metadata=metadata_of(due)
        )
        self._outbox.record_notice(notice.id, Post(channel=str(answer["channel"]), ts=str(answer["ts"])))
        return 0

    def _edit_notice(self, notice: Notice, post: Post) -> int:
        """Let a notice that stands in Slack say what it says by now; one that was deleted stays so."""
        wait = self._outbox.spend(
            "chat.update", per_minute=UPDATES[0], burst=UPDATES[1], leave=LEFT_FOR_RESULTS
        )
        if not wait:
            self._slack.chat_update(channel=post.channel, ts=post.ts, text=notice.text)
        return wait

    def _hand_over(self, letter: Letter) -> int:
        """Say a request's message, and what follows from its being said; ms to wait as `_say` has it."""
        if letter.kind == REMINDER:
            return self._remind(letter)
        if letter.kind == APPROVER and letter.due.kind not in letter.entry.posts:
            return self._ask_directly(letter)
        if letter.kind == FILE:
            return self._send_files(letter)
        wait = self._say(letter)
        if wait or letter.kind != "main":
            return wait
        if letter.has_file:  # due as a message of its own, for it may take long or fail
            self._outbox.again(Due(letter.due.request, FILE), 0)
        entry = letter.entry
        if entry.state is State.APPROVING and entry.approval is not None and entry.answer_by is None:
            self._votes.start_clock(entry.id, entry.approval.within, letter.due.member)
        if entry.state.ended:
            self._journal.write(
                record_of(letter.request, Event.SAID, result=entry.state.value, text=letter.channel)
            )
            for kind in entry.posts:  # their buttons go too
                if kind.startswith(f"{APPROVER}:"):
                    self._outbox.again(Due(entry.id, kind), 0)
        return 0

    def _ask_directly(self, letter: Letter) -> int:
        """Put the plan to one person who may approve it, with its buttons."""
        if letter.entry.state is not State.APPROVING:
            return 0
        channel = self._direct(letter.elsewhere)
        wait = self._outbox.spend(f"post:{channel}", per_minute=POSTS[0], burst=POSTS[1])
        if wait:
            return wait
        answer = self._slack.chat_postMessage(channel=channel, metadata=letter.metadata, **letter.content)
        self._outbox.record_post(letter.due, letter.stands_at(str(answer["channel"]), str(answer["ts"])))
        return 0

    def _remind(self, letter: Letter) -> int:
        """Say once more, under the message that asks, that it waits."""
        main, approval = letter.entry.posts.get("main"), letter.entry.approval
        if letter.entry.state is not State.APPROVING or main is None or approval is None:
            return 0
        wait = self._outbox.spend(f"post:{main.channel}", per_minute=POSTS[0], burst=POSTS[1])
        if not wait:
            text = still_waits(letter.request.command, approval, letter.entry.answer_by)
            self._slack.chat_postMessage(channel=main.channel, thread_ts=main.ts, text=text)
        return wait

    # --- the ways to say something --------------------------------------------------------------

    def _say(self, letter: Letter) -> int:
        """Post or update; the milliseconds to wait when a budget is spent."""
        post = letter.entry.posts.get(letter.due.kind)
        if post is None:
            return self._whisper(letter) if letter.private else self._post(letter)
        if post.said == letter.fingerprint:
            return 0  # a request that waits is due at each of its looks, and says the same
        leave = 0 if letter.entry.state.ended else LEFT_FOR_RESULTS
        wait = self._outbox.spend("chat.update", per_minute=UPDATES[0], burst=UPDATES[1], leave=leave)
        if wait:
            return wait
        try:
            self._slack.chat_update(channel=post.channel, ts=post.ts, **letter.content)
        except SlackApiError as error:
            if error.response.get("error") not in GONE:
                raise
            return self._post(letter)  # somebody deleted it: said anew
        self._outbox.record_post(letter.due, letter.stands_at(post.channel, post.ts))
        return 0

    def _post(self, letter: Letter) -> int:
        tries = self._outbox.begin_post(letter.due)
        lost = None
        if tries > 1 and letter.due.kind not in letter.entry.posts:
            oldest = letter.entry.accepted - 60
            lost = self._find_lost(letter.due, letter.channel, letter.thread or "", oldest=oldest)
        if lost is not None:
            self._outbox.record_post(letter.due, lost)
            return 1  # known again: the next turn updates it
        wait = self._outbox.spend(f"post:{letter.channel}", per_minute=POSTS[0], burst=POSTS[1])
        if wait:
            return wait
        answer = self._slack.chat_postMessage(
            channel=letter.channel, thread_ts=letter.thread, metadata=letter.metadata, **letter.content
        )
        self._outbox.record_post(letter.due, letter.stands_at(str(answer["channel"]), str(answer["ts"])))
        return 0

    def _whisper(self, letter: Letter) -> int:
        """Say it to the asker alone where they asked, or by direct message where that cannot be."""
        user = letter.request.actor.user
        try:
            self._slack.chat_postEphemeral(
                channel=letter.channel, user=user, thread_ts=letter.thread, **letter.content
            )
        except SlackApiError as error:
            if error.response.get("error") not in NOT_HERE:
                raise
            self._slack.chat_postMessage(channel=self._direct(user), **letter.content)
        return 0

    def _direct(self, user: str) -> str:
        return str(self._slack.conversations_open(users=user)["channel"]["id"])

    def _send_files(self, letter: Letter) -> int:
        """What the message leaves out, once: in its thread, or by direct message if it was private."""
        files = [] if FILE in letter.entry.posts else self._files(letter)
        if files:
            post = letter.entry.posts.get("main") or Post(
                channel=self._direct(letter.request.actor.user), ts=""
            )
            self._slack.files_upload_v2(
                channel=post.channel, thread_ts=letter.thread or post.ts or None, file_uploads=files
            )
            self._outbox.record_post(Due(letter.due.request, FILE), post)
        return 0

    def _files(self, letter: Letter) -> list[dict[str, Any]]:
        """What a message leaves out, and what its outcome keeps beside it."""
        files: list[dict[str, Any]] = []
        if letter.rendered.file is not None:
            files.append({"filename": letter.rendered.file.name, "content": letter.rendered.file.content})
        if letter.attachment is not None:
            kept = b"".join(self._outputs.read(letter.attachment.output))
            if kept:
                files.append({"filename": letter.attachment.name, "file": kept})
            else:
                log.warning("output_gone", output=letter.attachment.output)
        return files

    def _find_lost(self, due: Due, channel: str, thread: str, *, oldest: float) -> Post | None:
        """The message of an earlier try whose answer never came back, found by its metadata."""
        where: dict[str, Any] = {
            "channel": channel,
            "oldest": str(oldest),
            "include_all_metadata": True,
            "limit": 200,
        }
        try:
            if thread:
                answer = self._slack.conversations_replies(ts=thread, **where)
            else:
                answer = self._slack.conversations_history(**where)
        except SlackApiError as error:
            if error.response.get("error") not in NOT_HERE | {"missing_scope"}:
                raise
            return None
        for said in answer.get("messages") or ():
            payload = said.get("metadata", {}).get("event_payload", {})
            if (payload.get("request"), payload.get("kind")) == (due.request, due.kind):
                return Post(channel=channel, ts=str(said["ts"]))
        return None
