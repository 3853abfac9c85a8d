"""The courier on a strict workspace: every request one message, the state as it is, whatever Slack does."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from andock.approvals import Approval, Need
from andock.audit import record_of_end
from andock.errors import Changed
from andock.ledger import failed
from andock.messages import Progress, Reply, Request, State, Succeeded
from andock.operation import Attachment, Outcome, Plan, Step, Target
from andock.outbox import REMINDER, Due, Outbox, approver, message
from andock.outputs import Outputs
from andock.redaction import SHAPES_ONLY
from andock.seals import StoredPlan, seal_plan
from sandbox.slack.client import Workspace
from sandbox.slack.reports import Message
from tests.integration.workers.conftest import Playground
from workers.courier import Courier, connect_slack

DONE = Succeeded(outcome=Outcome(summary="a was poked"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace.start(tmp_path_factory.mktemp("slack")) as running:
        yield running


@dataclass
class Office:
    """A courier, what is due, and the channel that it posts in: one of this test alone."""

    toys: Playground
    slack: Workspace
    channel: str
    courier: Courier

    def accept(self, **changes: Any) -> Request:
        reply = {"channel": self.channel, "private": False} | changes
        return self.toys.accept(reply=Reply.model_validate(reply))

    def deliver(self, seconds: float = 15.0) -> None:
        """Deliver until nothing is due any more."""
        outbox = Outbox(self.toys.ledger)
        deadline = time.monotonic() + seconds
        while (wait := outbox.next_due()) is not None:
            assert time.monotonic() < deadline, "messages stay due"
            time.sleep(min(wait, 0.5))
            self.courier.deliver_due()

    def claim(self, request: Request) -> None:
        assert self.toys.ledger.claim(request.id, 1, "worker") == 1

    def tell(self, request: Request, text: str) -> None:
        progress = Progress(done=0, total=1, text=text)
        self.toys.ledger.note(request.id, "worker", {"progress": progress}, message=message(request.id))

    def end(self, request: Request, result: Any = DONE, state: State = State.SUCCEEDED) -> None:
        self.toys.ledger.conclude(
            request.id,
            result,
            state,
            owner="worker",
            messages=(message(request.id),),
            record=self.toys.journal.seal(record_of_end(request, result, state)),
        )

    def said(self, user: str = "") -> list[Message]:
        return self.slack.messages(self.channel, user)


@pytest.fixture
def office(toys: Playground, workspace: Workspace) -> Office:
    workspace.clear_faults()
    workspace.set_limits(enabled=False)
    channel = f"C0{secrets.token_hex(4).upper()}"
    workspace.set_channel(channel, name=channel.lower(), members=["U0OPS1", "U0OPS2", workspace.bot_user])
    courier = Courier(
        toys.ledger, toys.journal, toys.verifier, connect_slack(workspace.bot_token, workspace.api_url)
    )
    return Office(toys, workspace, channel, courier)


def test_a_request_is_one_message_edited_from_its_start_to_its_end(office: Office) -> None:
    request = office.accept()
    office.deliver()
    office.claim(request)
    office.tell(request, "poke a")
    office.deliver()
    office.end(request)
    office.deliver()

    (said,) = office.said()
    assert "a was poked" in said.spoken
    assert said.edits == 2
    assert said.payload["request"] == request.id


def test_progress_told_faster_than_slack_takes_it_is_told_as_it_is_then(office: Office) -> None:
    request = office.accept()
    office.deliver()
    office.claim(request)
    for percent in range(50):
        office.tell(request, f"step {percent}")
    office.deliver()

    (said,) = office.said()
    assert "step 49" in said.spoken
    assert said.edits == 1


def test_a_message_is_not_edited_to_say_what_it_says(office: Office) -> None:
    request = office.accept()
    office.deliver()
    office.claim(request)
    office.tell(request, "poke a")
    office.deliver()
    office.slack.calls(reset=True)
    for _ in range(3):
        office.tell(request, "poke a")
        office.deliver()
    assert office.slack.calls("chat.update") == []
    office.tell(request, "poke b")
    office.deliver()

    (said,) = office.said()
    assert "poke b" in said.spoken
    assert said.edits == 2


@pytest.mark.parametrize("kind", ["drop", "http_error", "delay"])
def test_a_post_whose_answer_was_lost_is_found_again_and_not_repeated(office: Office, kind: str) -> None:
    request = office.accept()
    office.courier._slack.timeout = 1
    details = {"seconds": 2.0} if kind == "delay" else {}
    office.slack.fault("chat.postMessage", kind, when="after", **details)
    office.deliver(30)
    office.claim(request)
    office.end(request)
    office.deliver()

    (said,) = office.said()
    assert "a was poked" in said.spoken


def test_a_post_lost_in_a_thread_is_found_there(office: Office) -> None:
    root = office.slack.type("U0OPS1", office.channel, "look at this").ts
    request = office.accept(thread=root)
    office.slack.fault("chat.postMessage", "drop", when="after")
    office.deliver()
    office.claim(request)
    office.end(request)
    office.deliver()

    replies = office.slack.messages(office.channel, thread_ts=root)
    assert ["a was poked" in reply.spoken for reply in replies if reply.bot_id] == [True]


def test_a_courier_that_died_before_it_noted_where_the_message_stands_is_followed_by_one_that_finds_it(
    office: Office,
) -> None:
    request = office.accept()
    office.deliver()
    key = office.toys.ledger.key("request", request.id)
    office.toys.redis.hdel(key, "post:main")  # it died between the answer and this note
    office.claim(request)
    office.end(request)
    office.deliver()

    (said,) = office.said()
    assert "a was poked" in said.spoken


def test_a_claim_of_a_courier_that_died_is_taken_over(office: Office) -> None:
    office.accept()
    outbox = Outbox(office.toys.ledger)
    (due,) = outbox.take(10)
    claims = office.toys.ledger.key("outbox", "claimed")
    assert outbox.take(10) == ()

    office.toys.redis.zadd(claims, {due.member: 1})  # 30 s later
    office.courier.deliver_due()

    assert len(office.said()) == 1


def test_a_deleted_message_is_posted_anew_at_the_next_change(office: Office) -> None:
    request = office.accept()
    office.deliver()
    slack = connect_slack(office.slack.bot_token, office.slack.api_url)
    slack.chat_delete(channel=office.channel, ts=office.said()[0].ts)
    assert office.said() == []
    office.claim(request)
    office.end(request)
    office.deliver()

    (said,) = office.said()
    assert "a was poked" in said.spoken


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
def test_a_429_is_obeyed_and_the_end_is_told_all_the_same(office: Office, method: str) -> None:
    request = office.accept()
    office.slack.fault(method, "ratelimited", retry_after=2)
    office.slack.calls(reset=True)
    office.deliver()
    office.claim(request)
    office.end(request)
    office.deliver()

    first, second = office.slack.calls(method)[:2]
    assert first.status == 429
    assert second.at - first.at >= 2
    assert "a was poked" in office.said()[0].spoken
    assert len(office.said()) == 1


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("http_error", {"status": 500}),
        ("http_error", {"status": 503}),
        ("error", {"error": "fatal_error"}),
        ("error", {"error": "service_unavailable"}),
        ("drop", {}),
    ],
)
def test_slacks_bad_moment_delays_a_message_and_loses_none(
    office: Office, kind: str, details: dict[str, Any]
) -> None:
    request = office.accept()
    office.deliver()
    office.claim(request)
    office.end(request)
    office.slack.fault("chat.update", kind, **details)
    office.deliver()

    assert "a was poked" in office.said()[0].spoken


def test_what_slack_refuses_for_good_keeps_nothing_else_from_being_said(office: Office) -> None:
    office.accept(channel="C0NOSUCH")
    office.accept()
    office.deliver()

    assert len(office.said()) == 1


def test_results_go_before_progress(office: Office) -> None:
    slow, fast = office.accept(), office.accept()
    office.deliver()
    for request in (slow, fast):
        office.claim(request)
    office.tell(slow, "poke slowly")
    office.end(fast)
    office.slack.calls(reset=True)

    office.deliver()

    updates = [str(call.args["text"]) for call in office.slack.calls("chat.update")]
    assert [("Done" in text) for text in updates] == [True, False]


def test_a_private_answer_is_seen_by_the_asker_alone_and_only_at_its_end(office: Office) -> None:
    request = office.accept(private=True)
    office.deliver()
    assert office.said("U0OPS1") == []
    office.claim(request)
    office.end(request)
    office.deliver()

    (said,) = office.said("U0OPS1")
    assert said.ephemeral
    assert office.said("U0OPS2") == []


def test_a_private_answer_where_the_bot_is_no_member_comes_by_direct_message(office: Office) -> None:
    office.slack.set_members(office.channel, remove=[office.slack.bot_user])
    request = office.accept(private=True)
    office.claim(request)
    before = len(office.slack.messages("D0OPS1", "U0OPS1"))
    office.end(request)
    office.deliver()

    assert office.said("*") == []
    assert len(office.slack.messages("D0OPS1", "U0OPS1")) == before + 1


def test_a_direct_message_is_answered_there(office: Office) -> None:
    request = office.accept(channel="D0OPS1", private=True, direct=True)
    office.claim(request)
    office.end(request, Succeeded(outcome=Outcome(summary=f"only for you {request.id}")))
    office.deliver()

    assert request.id in office.slack.messages("D0OPS1", "U0OPS1")[-1].spoken


LONG = Succeeded(outcome=Outcome(summary="logs of a", text="line\n" * 3000, filename="a.log"))


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("kind", ["ratelimited", "http_error", "drop", "none"])
def test_a_long_output_comes_as_a_file_also_when_the_first_upload_fails(
    office: Office, kind: str, private: bool
) -> None:
    request = office.accept(private=private)
    office.claim(request)
    office.end(request, LONG)
    before = files_of(office)
    if kind != "none":
        office.slack.fault("files.getUploadURLExternal", kind)
    office.deliver()

    assert files_of(office) == before + 1
    assert len([said for said in office.said("U0OPS1") if "logs of a" in said.spoken]) == 1


def files_of(office: Office) -> int:
    channels = [office.said("U0OPS1"), office.slack.messages("D0OPS1", "U0OPS1")]
    threads = [office.slack.messages(office.channel, thread_ts=said.ts) for said in office.said()]
    seen = {
        file.id for said in [m for listed in (*channels, *threads) for m in listed] for file in said.files
    }
    return len(seen)


def test_an_upload_that_slack_refuses_does_not_keep_the_answer_back(office: Office) -> None:
    request = office.accept(private=True)
    office.claim(request)
    office.end(request, LONG)
    office.slack.fault("files.getUploadURLExternal", "error", error="missing_scope")
    office.deliver()

    assert "logs of a" in office.said("U0OPS1")[0].spoken


def test_an_unknown_end_says_so(office: Office) -> None:
    request = office.accept()
    office.claim(request)
    result = failed("outcome_unknown", "Nobody can tell.", Changed.UNKNOWN)
    office.end(request, result, State.FAILED)
    office.deliver()

    assert "Outcome unknown" in office.said()[0].spoken


def test_a_forged_request_is_not_answered_and_that_is_recorded(office: Office) -> None:
    request = office.accept()
    sealed = office.toys.entry(request).sealed
    office.toys.set(request, sealed=sealed.replace(office.channel.encode(), b"C0OPS"))
    before = len(office.slack.messages("C0OPS", "*"))
    office.deliver()

    assert office.said() == []
    assert len(office.slack.messages("C0OPS", "*")) == before
    (said,) = office.toys.refused()
    assert "a stored request was refused: a stored request bears no valid signature of bot" in said


@pytest.mark.parametrize("member", [b"garbage", b"\xff|main", b"", b"|", b"r1|main|x y"])
def test_garbage_among_the_messages_keeps_nobody_elses_back(office: Office, member: bytes) -> None:
    office.toys.redis.zadd(office.toys.ledger.outbox, {member: 0})
    office.accept()
    office.deliver()

    assert len(office.said()) == 1


def test_two_couriers_say_a_thing_once(office: Office) -> None:
    other = Courier(
        office.toys.ledger,
        office.toys.journal,
        office.toys.verifier,
        connect_slack(office.slack.bot_token, office.slack.api_url),
    )
    for _ in range(5):
        office.accept()
    other.deliver_due()
    office.deliver()

    assert len(office.said()) == 5


def test_many_changes_at_once_stay_within_slacks_rates(office: Office) -> None:
    requests = [office.accept() for _ in range(4)]
    office.slack.set_limits(enabled=True)
    office.slack.calls(reset=True)
    office.deliver(20)
    for request in requests:
        office.claim(request)
        office.end(request)
    office.deliver(20)

    assert [call for call in office.slack.calls() if call.status == 429] == []
    assert all("a was poked" in said.spoken for said in office.said())


# --- approvals -------------------------------------------------------------------------------------------

TARGET = Target(kind="toy", site="lab", id="a", name="a", environment="dev")
PLAN = Plan(batches=((Step(action="poke", target=TARGET, text="poke a"),),))
APPROVAL = Approval(
    rule="two leads", needs=(Need(count=2, groups=("leads",), people=("U0LEAD1", "U0LEAD2")),), within=600.0
)


def park_for_approval(office: Office) -> Request:
    request = office.accept()
    office.claim(request)
    office.toys.ledger.park(
        request.id,
        "worker",
        State.APPROVING,
        {**office.toys.sealed(request, PLAN), "approval": APPROVAL},
        look_again=600_000,
        messages=(message(request.id), *(approver(request.id, user) for user in APPROVAL.people)),
    )
    return request


def test_a_plan_is_put_to_its_approvers_in_the_channel_and_directly_and_its_clock_starts(
    office: Office,
) -> None:
    request = park_for_approval(office)
    office.deliver()

    (shown,) = office.said()
    assert "Waits for approval" in shown.spoken
    assert "2 approvals from leads until" in shown.spoken
    assert "poke a" in shown.spoken
    assert {"@lead-1", "@lead-2"} <= set(shown.spoken.split())
    assert [button.label for button in shown.buttons] == ["Approve", "Deny …"]
    for user in APPROVAL.people:
        direct = office.slack.messages(f"D{user[1:]}", user)[-1]
        assert [button.label for button in direct.buttons] == ["Approve", "Deny …"]
    answer_by = office.toys.entry(request).answer_by
    assert answer_by is not None
    assert 500 < answer_by - time.time() <= 600


@pytest.mark.parametrize("key", ["nobody", "a bot", "another request"])
def test_a_plan_that_no_worker_made_for_this_request_is_shown_to_nobody_and_that_is_recorded(
    office: Office, key: str
) -> None:
    request, toys = park_for_approval(office), office.toys
    step = PLAN.steps[0].model_copy(update={"text": "poke test-1"})
    forged = PLAN.model_copy(update={"batches": ((step,),)})
    stored = StoredPlan(instance=toys.instance, request=request.id, attempt=1, plan=forged)
    put = {
        "nobody": forged.model_dump_json(),
        "a bot": seal_plan(stored, toys.signer, SHAPES_ONLY),
        "another request": toys.sealed(toys.accept(), forged)["plan"],
    }[key]
    toys.set(request, plan=put)
    office.deliver()

    assert office.said() == []
    for user in APPROVAL.people:
        assert not any("poke test-1" in said.spoken for said in office.slack.messages(f"D{user[1:]}", user))
    assert toys.events().count("refused") == 1 + len(APPROVAL.people)


def test_a_refusal_of_a_forged_plan_is_told_without_it(office: Office) -> None:
    request = park_for_approval(office)
    office.deliver()
    office.toys.set(request, plan="{}", state="running", owner="worker")
    office.end(request, failed("signature", "it bears no signature"), State.FAILED)
    office.deliver()

    assert "it bears no signature" in office.said()[-1].spoken
    assert "poke a" not in office.said()[-1].spoken


def test_a_request_that_was_copied_under_another_id_is_not_answered(office: Office) -> None:
    first, second = office.accept(), office.accept()
    office.toys.set(second, sealed=office.toys.signer.sign(first))
    office.deliver()

    assert len(office.said()) == 1


def test_when_it_is_over_all_its_buttons_are_gone(office: Office) -> None:
    request = park_for_approval(office)
    office.deliver()
    office.toys.ledger.conclude(
        request.id,
        failed("expired", "Not enough people approved it in time."),
        State.EXPIRED,
        states=(State.APPROVING,),
        messages=(message(request.id),),
        record=office.toys.journal.seal(record_of_end(request, DONE, State.EXPIRED)),
    )
    office.deliver()

    for channel, user in ((office.channel, ""), *((f"D{user[1:]}", user) for user in APPROVAL.people)):
        said = office.slack.messages(channel, user)[-1]
        assert "Expired" in said.spoken
        assert not {"Approve", "Deny …"} & {button.label for button in said.buttons}


def test_the_reminder_stands_under_the_message_and_names_the_approvers(office: Office) -> None:
    request = park_for_approval(office)
    office.deliver()
    shown = office.said()[0]
    Outbox(office.toys.ledger).again(Due(request.id, REMINDER), 0)
    office.deliver()

    reminder = office.slack.messages(office.channel, thread_ts=shown.ts)[-1]
    assert "still waits for 2 approvals from leads" in reminder.spoken
    assert "@lead-1" in reminder.spoken


def test_that_a_result_was_said_is_recorded_with_where(office: Office) -> None:
    request = office.accept()
    office.claim(request)
    office.end(request)
    office.deliver()

    assert office.toys.events()[-1] == "said"


# --- files ----------------------------------------------------------------------------------------------


def keep(office: Office, request: Request, content: bytes, name: str) -> Succeeded:
    """What a read left beside its outcome."""
    output = Outputs(office.toys.ledger).begin(f"{request.id}-1-1")
    output.write(content)
    kept = output.close()
    attachment = Attachment(name=name, output=kept.id, size=kept.size)
    return Succeeded(outcome=Outcome(summary="a was drawn", attachment=attachment))


def test_a_picture_arrives_byte_by_byte_in_the_thread_of_its_message(office: Office) -> None:
    request = office.accept()
    office.claim(request)
    picture = bytes(range(256)) * 1000
    office.end(request, keep(office, request, picture, "chart.png"))
    office.deliver()

    said = office.said()[0]
    assert "a was drawn" in said.spoken
    replies = office.slack.messages(office.channel, thread_ts=said.ts)
    (file,) = [file for reply in replies for file in reply.files]
    assert file.name == "chart.png"
    assert office.slack.read_file(file.id) == picture


def test_a_file_of_what_was_asked_in_private_goes_to_the_asker_alone(office: Office) -> None:
    request = office.accept(private=True)
    office.claim(request)
    office.end(request, keep(office, request, b"planted in private", f"{request.id}.log"))
    office.deliver()

    assert not [message for message in office.said() if message.files]
    direct = office.slack.wait("D0OPS1", "U0OPS1", file=f"{request.id}.log")
    assert office.slack.read_file(direct.files[0].id) == b"planted in private"


def test_an_upload_that_fails_delays_no_words_and_is_tried_again_once(office: Office) -> None:
    request = office.accept(private=True)
    office.claim(request)
    office.end(request, keep(office, request, b"planted", f"{request.id}.log"))
    office.slack.fault("files.getUploadURLExternal", "http_error", status=503)
    office.slack.calls(reset=True)
    office.deliver()

    assert len(office.slack.calls("chat.postEphemeral")) == 1
    assert [call.status for call in office.slack.calls("files.getUploadURLExternal")] == [503, 200]
    direct = office.slack.messages("D0OPS1", "U0OPS1")
    assert [file.name for said in direct for file in said.files].count(f"{request.id}.log") == 1


def test_a_file_that_is_no_longer_kept_leaves_the_words(office: Office) -> None:
    request = office.accept()
    office.claim(request)
    result = keep(office, request, b"planted", "gone.log")
    office.toys.redis.delete(office.toys.ledger.key("output", f"{request.id}-1-1"))
    office.end(request, result)
    office.deliver()

    assert "a was drawn" in office.said()[0].spoken


# --- reads that go on -----------------------------------------------------------------------------------


def test_what_a_read_has_found_so_far_is_shown_and_then_its_end(office: Office) -> None:
    request = office.accept()
    office.claim(request)
    so_far = Progress(done=0, total=0, so_far=Outcome(summary="3 lines so far", text="line 3"))
    office.toys.ledger.note(request.id, "worker", {"progress": so_far}, message=message(request.id))
    office.deliver()
    assert "line 3" in office.said()[0].spoken

    office.end(request)
    office.deliver()
    (said,) = office.said()
    assert "a was poked" in said.spoken
    assert "line 3" not in said.spoken


def test_a_direct_message_is_edited_too_and_a_private_answer_in_a_channel_waits_for_its_end(
    office: Office,
) -> None:
    so_far = Progress(done=0, total=0, so_far=Outcome(summary="so far", text="line 3"))
    for reply, count in ((Reply(channel="D0OPS1", private=True, direct=True), 1), (None, 0)):
        request = office.toys.accept(reply=reply or Reply(channel=office.channel, private=True))
        office.claim(request)
        office.toys.ledger.note(request.id, "worker", {"progress": so_far}, message=message(request.id))
        office.slack.calls(reset=True)
        office.deliver()
        assert len(office.slack.calls("chat.postMessage")) == count
        office.end(request)
        office.deliver()
