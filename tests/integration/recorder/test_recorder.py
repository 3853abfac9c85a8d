"""Nothing is lost or recorded twice, whoever dies; nothing forged is recorded or confirmed."""

from __future__ import annotations

import os
import secrets
import signal
import stat
import sys
import time

import pytest

from andock.audit import AuditRecord, Event, Journal
from andock.chain.lines import Link
from andock.chain.writer import ChainWriter
from andock.errors import BackendUnavailableError, RecordNotConfirmedError
from andock.receipts import KEPT, SEALED, AuditReceipt, Receipts
from andock.signing import load_audit_key, load_signer, load_verifier
from sandbox.installation.procfile import list_children, read_command
from sandbox.processes import ProcessError, start
from tests.integration.recorder.conftest import CHANNEL, ROOT, Office, events, until


def ids(records: list[AuditRecord]) -> list[str]:
    return [record.id for record in records]


def assert_once_each(office: Office, made: list[AuditRecord]) -> None:
    """All that was made is on disk in order, and besides it only what recorders say of unfinished lines."""
    assert ids(office.records(Event.ASKED, Event.STARTED)) == ids(made)
    assert len(office.records()) == len(made) + len(office.records(Event.MENDED))
    assert office.proof().fault is None


# --- the ordinary way -----------------------------------------------------------------------------------


def test_records_of_every_process_are_on_disk_when_they_are_confirmed(office: Office) -> None:
    office.start()
    made = office.write(1, "bot") + office.write(1, "janitor") + office.write(1, "courier")
    made += office.confirmed()

    assert ids(office.records()) == ids(made)
    assert [line.link.process for line in office.lines()] == ["bot", "janitor", "courier", "worker"]
    proof = office.proof()
    assert proof.fault is None
    assert proof.count == 4
    assert stat.S_IMODE(office.folder.stat().st_mode) == 0o700


def test_a_receipt_names_the_records_and_the_head_that_is_on_disk(office: Office) -> None:
    office.start()
    (record,) = office.confirmed()

    receipt = office.receipts.latest()

    assert receipt is not None
    assert receipt.records == (record.id,)
    assert (receipt.seq, receipt.mac) == (1, office.proof().head.mac)
    assert receipt.entry == office.lines()[0].link.entry


def test_what_was_written_while_no_recorder_ran_is_recorded_when_one_does(office: Office) -> None:
    made = office.write(1200)

    office.start()

    assert until(lambda: office.folder.exists() and len(office.lines()) == 1200)
    assert ids(office.records()) == ids(made)
    assert len({line.recorded_at for line in office.lines()}) < 50  # many with one fsync


def test_a_change_is_not_confirmed_while_no_recorder_runs(office: Office) -> None:
    journal = office.journal()
    record = AuditRecord(event=Event.STARTED)
    entry = journal.write(record)
    begun = time.monotonic()

    with pytest.raises(BackendUnavailableError) as error:
        journal.await_recorded(entry, record, within=0.3)

    assert time.monotonic() - begun < 5
    sentence = f"The audit record `{record.id}` was not confirmed on disk within 0.3 s; nothing was changed."
    assert error.value.sentence == sentence
    assert error.value.retryable


def test_a_record_that_was_confirmed_before_one_asks_is_confirmed(office: Office) -> None:
    office.start()
    journal = office.journal()
    record = AuditRecord(event=Event.STARTED)
    entry = journal.write(record)
    assert until(lambda: office.receipts.latest() is not None)
    office.confirmed(3)

    journal.await_recorded(entry, record, within=1)


def test_what_is_long_on_disk_leaves_the_stream_and_stays_in_the_files(office: Office) -> None:
    old = int((time.time() - 31 * 86_400) * 1000)
    journal = office.journal()
    made = [AuditRecord(event=Event.ASKED, at=old / 1000) for _ in range(300)]
    for number, record in enumerate(made):
        office.redis.xadd(journal.stream, {SEALED: journal.seal(record)}, id=f"{old}-{number}")
    recent = office.write(1)

    office.start()
    office.confirmed()

    assert until(lambda: office.redis.xlen(journal.stream) < 200)  # Redis lets go in blocks of a hundred
    assert set(ids(made + recent)) <= set(ids(office.records()))
    kept = [entry.decode() for entry, _ in office.redis.xrange(journal.stream)]
    assert office.lines()[300].link.entry in kept


# --- somebody dies --------------------------------------------------------------------------------------


def test_the_second_stands_by_and_takes_over_when_the_first_is_killed(office: Office) -> None:
    first = office.start()
    second = office.start("standing_by")
    made = office.confirmed(3)
    assert not events(second, "recording")

    os.kill(first.pid, signal.SIGKILL)
    begun = time.monotonic()
    made += office.confirmed()

    assert time.monotonic() - begun < 5
    assert events(second, "recording")[0]["seq"] == 3
    assert ids(office.records()) == ids(made)
    assert office.proof().fault is None


@pytest.mark.long
def test_a_stream_of_records_is_on_disk_once_each_however_often_recorders_are_killed(office: Office) -> None:
    made: list[AuditRecord] = []
    office.start()
    for _ in range(4):
        office.start("standing_by")
        made += office.write(150)
        os.kill(office.recorders[-2].pid, signal.SIGKILL)
        made += office.write(50)
        assert until(lambda: bool(events(office.recorders[-1], "recording")))
    made += office.confirmed()

    assert_once_each(office, made)


@pytest.mark.parametrize(
    ("moments", "mended"),
    [
        (["half written"], 1),
        (["written"], 0),
        (["synced"], 0),
        # the next one dies as it records what it cut off
        pytest.param(["half written", "half written"], 1, marks=pytest.mark.long),
        pytest.param(["half written", "written"], 1, marks=pytest.mark.long),
        pytest.param(["half written", "synced", "half written"], 2, marks=pytest.mark.long),
    ],
)
def test_records_are_on_disk_once_each_whatever_moment_a_recorder_is_killed_at(
    office: Office, moments: list[str], mended: int
) -> None:
    made = office.write(40)
    for moment in moments:
        office.start_dying(moment)
    office.start()
    made += office.confirmed()

    assert_once_each(office, made)
    assert len(office.records(Event.MENDED)) == mended


def test_a_recorder_that_was_halted_for_long_is_not_replaced_and_goes_on(office: Office) -> None:
    first, second = office.start(), office.start("standing_by")
    made = office.confirmed()

    os.kill(first.pid, signal.SIGSTOP)
    made += office.write(50)
    assert not until(lambda: bool(events(second, "recording")), 1)
    os.kill(first.pid, signal.SIGCONT)
    made += office.confirmed()

    assert ids(office.records()) == ids(made)


def test_what_a_killed_recorder_wrote_and_did_not_confirm_is_confirmed_by_the_next(office: Office) -> None:
    recorder = office.start()
    made = office.confirmed(2)
    recorder.kill()
    office.redis.delete(office.receipts.stream)  # as if it had died between fsync and receipt

    office.start()

    entry = office.lines()[-1].link.entry
    office.journal().await_recorded(entry, made[-1], within=20)
    assert len(office.lines()) == 2


def test_a_line_that_a_killed_recorder_left_unfinished_is_cut_off_recorded_and_told(office: Office) -> None:
    office.configure(channel=CHANNEL)
    office.start().kill()
    office.start()
    made = office.confirmed(2)
    office.recorders[-1].kill()
    path = max(office.folder.glob("*.jsonl"))
    path.write_bytes(path.read_bytes() + b'{"seq":9,"entry":"1')

    office.start()
    made += office.confirmed()

    (mended,) = office.records(Event.MENDED)
    assert "19 bytes behind record" in mended.text
    assert ids(office.records(Event.STARTED)) == ids(made)
    assert office.proof().fault is None
    assert until(lambda: any("19 bytes" in notice.text for notice in office.notices()))


def test_a_record_on_disk_that_is_shorter_than_what_was_confirmed_is_said(office: Office) -> None:
    """Somebody cut off the tail while no recorder ran; what is still on the stream is recorded again."""
    office.start()
    made = office.confirmed(5)
    office.recorders[-1].kill()
    path = max(office.folder.glob("*.jsonl"))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))

    recorder = office.start()
    made += office.confirmed()

    (mended,) = office.records(Event.MENDED)
    assert mended.text == "it ends at record 2, and 5 were confirmed to be on disk"
    assert events(recorder, "record_mended")
    assert ids(office.records(Event.STARTED)) == ids(made)
    assert office.proof().fault is None


def test_a_damaged_record_stops_the_recorder_with_a_sentence(office: Office) -> None:
    office.start()
    office.confirmed(2)
    office.recorders[-1].kill()
    path = max(office.folder.glob("*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"started", b"stopped"))

    with pytest.raises(ProcessError, match="record 1 was changed"):
        office.start()


def test_a_recorder_that_is_asked_to_end_ends_and_so_does_the_one_that_stands_by(office: Office) -> None:
    first, second = office.start(), office.start("standing_by")

    os.kill(second.pid, signal.SIGTERM)
    assert until(lambda: not second.alive, 5)
    os.kill(first.pid, signal.SIGTERM)
    assert until(lambda: not first.alive, 5)


def test_redis_may_go_away_and_come_back(own_office: Office) -> None:
    office = own_office
    recorder = office.start()
    made = office.confirmed(20)
    made += office.write(200)

    office.server.kill()
    assert until(lambda: bool(events(recorder, "redis_away")))
    office.server.restart()
    assert until(office.answers)
    made += office.confirmed(5)

    assert recorder.alive
    assert ids(office.records()) == ids(made)
    assert office.proof().fault is None


def test_a_redis_whose_clock_is_behind_after_a_failover_loses_no_record(own_office: Office) -> None:
    office = own_office
    recorder = office.start()
    made = office.confirmed(3)
    last = int(office.lines()[-1].link.entry.partition("-")[0])
    office.server.kill()
    assert until(lambda: bool(events(recorder, "redis_away")))
    office.server.restart()
    office.redis.delete(office.journal().stream)  # the other Redis had not got that far

    late = AuditRecord(event=Event.STARTED)
    sealed = office.journal().seal(late)
    entry = office.redis.xadd(office.journal().stream, {SEALED: sealed}, id=f"{last - 5_000}-0").decode()
    office.journal().await_recorded(entry, late, within=20)
    made += [late, *office.confirmed()]

    assert ids(office.records()) == ids(made)


def test_nothing_is_confirmed_while_redis_is_away(own_office: Office) -> None:
    office = own_office
    record = AuditRecord(event=Event.STARTED)
    entry = office.journal().write(record)

    office.server.kill()

    with pytest.raises(RecordNotConfirmedError):
        office.journal().await_recorded(entry, record, within=0.5)


def test_an_emptied_redis_loses_no_record_that_was_confirmed(own_office: Office) -> None:
    office = own_office
    office.start()
    made = office.confirmed(5)

    office.redis.flushall()
    made += office.confirmed(2)

    assert ids(office.records()) == ids(made)


def test_the_keeper_has_two_recorders_and_replaces_the_one_that_dies(office: Office) -> None:
    slack = {"SLACK_BOT_TOKEN": "xoxb-nobody", "ANDOCK_SLACK_API_URL": "http://127.0.0.1:1/"}
    keeper = start(
        [sys.executable, "-m", "workers", "keeper"],
        log=office.home / "keeper.log",
        cwd=ROOT,
        env={**office.environment, **slack},
    )
    office.recorders.append(keeper)
    keeper.wait_ready(lambda: bool(events(keeper, "recording")), 60)
    made = office.confirmed(2)

    def recorders() -> list[int]:
        return [pid for pid in list_children(keeper.pid) if "recorder" in read_command(pid)]

    assert until(lambda: len(recorders()) == 2)
    for pid in recorders():
        os.kill(pid, signal.SIGKILL)
        made += office.confirmed(2)
    assert until(lambda: len(recorders()) == 2)

    assert ids(office.records()) == ids(made)
    assert office.proof().fault is None


# --- somebody who can write to Redis --------------------------------------------------------------------


def put(office: Office, sealed: bytes) -> str:
    return office.redis.xadd(office.journal().stream, {SEALED: sealed}).decode()


def test_what_is_forged_altered_or_from_elsewhere_is_refused_and_the_refusal_recorded(office: Office) -> None:
    journal = office.journal()
    record = AuditRecord(event=Event.APPROVED, text="genuine")
    sealed = journal.seal(record)
    office.start()
    forged = [
        put(office, b"nonsense"),
        put(office, sealed.replace(b"genuine", b"altered")),
        put(office, sealed.replace(b".AuditRecord.", b".Vote.")),
        put(office, load_signer(office.keys, "worker").sign(record)),  # of no installation
        put(office, Journal(office.ledger, load_signer(office.keys, "bot"), journal.verifier).seal(
            record.model_copy(update={"at": time.time() - 7_200}))),
        office.redis.xadd(journal.stream, {"other": "field"}).decode(),
        put(office, journal.seal(AuditRecord(event=Event.HEAD, text="1:" + "0" * 64))),
    ]  # fmt: skip
    office.confirmed()

    refusals = office.records(Event.REFUSED)

    assert len(refusals) == len(forged)
    for refusal, entry in zip(refusals, forged, strict=True):
        assert f"entry {entry}," in refusal.text
    assert "another installation" in refusals[3].text
    assert "of another time" in refusals[4].text
    assert "only the recorder says `head`" in refusals[6].text
    assert not office.records(Event.APPROVED)
    assert office.proof().fault is None


def test_a_record_that_comes_again_is_refused_also_by_the_next_recorder(office: Office) -> None:
    office.start()
    (record,) = office.confirmed(text="once")
    sealed = office.redis.xrange(office.journal().stream)[0][1][SEALED.encode()]
    put(office, sealed)
    office.confirmed()
    office.recorders[-1].kill()
    office.start()
    put(office, sealed)
    office.confirmed()

    assert ids(office.records()).count(record.id) == 1
    assert [f"record {record.id} came again" in r.text for r in office.records(Event.REFUSED)] == [True] * 2


def refused_start(office: Office, request: str) -> str:
    """What is recorded instead of a start that is not confirmed."""
    journal = office.journal()
    record = AuditRecord(event=Event.STARTED, request=request)
    entry = journal.write(record)
    with pytest.raises(RecordNotConfirmedError):
        journal.await_recorded(entry, record, within=1)
    assert record.id not in ids(office.records())
    return office.records(Event.REFUSED)[-1].text


@pytest.mark.parametrize(
    ("process", "event"),
    [
        ("worker", Event.CONCLUDED),
        pytest.param("janitor", Event.EXPIRED, marks=pytest.mark.long),
        pytest.param("bot", Event.DENIED, marks=pytest.mark.long),
        pytest.param("bot", Event.WITHDRAWN, marks=pytest.mark.long),
        ("worker", Event.REFUSED),
    ],
)
def test_what_has_ended_is_not_started_again_also_by_the_next_recorder(
    office: Office, process: str, event: Event
) -> None:
    office.start()
    office.confirmed(request="r1")
    office.confirmed(request="r1")  # an interrupted one goes on
    office.write(1, process, event=event, request="r1")

    assert "request r1 has ended, and is started again" in refused_start(office, "r1")
    office.confirmed(request="r2")
    office.recorders[-1].kill()
    office.start()
    assert "request r1 has ended" in refused_start(office, "r1")
    assert office.proof().fault is None


def test_a_refusal_that_is_no_requests_end_lets_it_start(office: Office) -> None:
    office.start()
    office.write(1, "courier", event=Event.REFUSED, request="r1", text="not told")

    office.confirmed(request="r1")


def test_what_ended_weeks_ago_is_not_started_again(office: Office) -> None:
    weeks_ago = time.time() - 21 * 86_400
    office.folder.mkdir(parents=True)
    chain = ChainWriter.open(office.folder, load_audit_key(office.keys), confirmed=None)
    lines = [(Event.STARTED, weeks_ago), (Event.CONCLUDED, weeks_ago + 1), (Event.HALT, time.time())]
    for event, at in lines:
        sealed = office.journal().seal(AuditRecord(event=event, request="r1", at=at))
        chain.append([Link.of(sealed, f"{int(at * 1000)}-0", "worker")], at)
    chain.close()
    office.start()

    assert "request r1 has ended" in refused_start(office, "r1")
    office.confirmed(request="r2")


def test_a_refusal_stands_on_the_stream_for_the_search_and_is_recorded_once(office: Office) -> None:
    office.start()
    put(office, b"nonsense")
    office.confirmed()
    office.recorders[-1].kill()
    office.start()
    office.confirmed()

    (refusal,) = office.records(Event.REFUSED)
    entries = office.redis.xrange(office.journal().stream)
    assert sum(refusal.id.encode() in fields[SEALED.encode()] for _, fields in entries) == 1


def test_a_receipt_of_anybody_else_confirms_nothing(office: Office) -> None:
    journal = office.journal()
    record = AuditRecord(event=Event.STARTED)
    entry = journal.write(record)
    receipt = AuditReceipt(
        instance=office.instance, entry=entry, seq=1, mac="0" * 64, records=(record.id,), at=time.time()
    )
    stream = office.receipts.stream
    genuine = load_signer(office.keys, "recorder").sign(receipt.model_copy(update={"records": ("x",)}))
    elsewhere = load_signer(office.keys, "recorder").sign(receipt.model_copy(update={"instance": "other"}))
    for sealed in (
        load_signer(office.keys, "worker").sign(receipt),
        genuine.replace(b'"x"', f'"{record.id}"'.encode()),
        elsewhere,
        genuine,
        load_signer(office.keys, "recorder").sign(
            receipt.model_copy(update={"records": (), "mac": record.id * 4})
        ),
        record.id.encode(),
    ):
        office.redis.xadd(stream, {SEALED: sealed})

    with pytest.raises(RecordNotConfirmedError):
        journal.await_recorded(entry, record, within=0.5)

    assert office.receipts.latest() is not None  # the genuine one, which names another record


def test_a_record_that_somebody_deleted_before_it_was_read_is_not_confirmed(office: Office) -> None:
    """Later ones are; each receipt names its records, so nobody is confirmed along with them."""
    journal = office.journal()
    record = AuditRecord(event=Event.STARTED)
    entry = journal.write(record)
    office.redis.xdel(journal.stream, entry)
    office.start()
    office.confirmed()

    with pytest.raises(RecordNotConfirmedError):
        journal.await_recorded(entry, record, within=0.5)


def test_another_genuine_record_in_its_place_does_not_confirm_it(office: Office) -> None:
    journal = office.journal()
    record = AuditRecord(event=Event.STARTED)
    entry = journal.write(record)
    office.redis.delete(journal.stream)
    office.redis.xadd(journal.stream, {SEALED: journal.seal(AuditRecord(event=Event.SAID))}, id=entry)
    office.start()
    office.confirmed()

    with pytest.raises(RecordNotConfirmedError):
        journal.await_recorded(entry, record, within=0.5)


def test_an_entry_from_the_future_stops_nobody(office: Office) -> None:
    office.redis.xadd(office.journal().stream, {SEALED: b"nonsense"}, id="4000000000000-0")
    office.start()
    made = office.confirmed(2)
    office.recorders[-1].kill()
    office.redis.delete(office.journal().stream)  # what an operator does about it
    office.start()
    made += office.confirmed()

    assert ids(office.records(Event.STARTED)) == ids(made)


def test_receipts_do_not_pile_up(office: Office) -> None:
    signer = load_signer(office.keys, "recorder")
    receipts = Receipts(office.ledger, load_verifier(office.keys))
    for number in range(KEPT + 600):
        receipt = AuditReceipt(
            instance=office.instance, entry="1-1", seq=number, mac="0" * 64,
            records=(secrets.token_hex(8),), at=number,
        )  # fmt: skip
        receipts.publish(receipt, signer)

    assert office.redis.xlen(receipts.stream) < KEPT + 300
    latest = receipts.latest()
    assert latest is not None
    assert latest.seq == KEPT + 599
