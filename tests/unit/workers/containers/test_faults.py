from __future__ import annotations

import docker.errors
import pytest
import requests
from rq.timeouts import JobTimeoutException

from andock.errors import (
    BackendRejectedError,
    BackendUnavailableError,
    Changed,
    OpsError,
    OutcomeUnknownError,
    TargetNotFoundError,
)
from andock.redaction import Redactor
from workers.containers.faults import changing, explain_words, reading

WEB = "3f" * 32


def answer(status: int, message: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    response._content = f'{{"message":"{message}"}}'.encode()
    return docker.errors.APIError("api", response=response, explanation=message)


def asked(error: Exception) -> OpsError:
    with pytest.raises(OpsError) as caught, reading("edge-1", WEB):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


def told(error: Exception) -> OpsError:
    with pytest.raises(OpsError) as caught, changing("edge-1", WEB):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


def test_the_engines_own_words_reach_the_person() -> None:
    error = told(answer(409, "cannot start a paused container,\\n try unpause instead."))
    assert isinstance(error, BackendRejectedError)
    assert error.sentence == "Engine `edge-1` refused: cannot start a paused container, try unpause instead."
    assert error.changed is Changed.NOTHING


def test_what_failed_inside_the_engine_may_have_failed_half_way() -> None:
    assert told(answer(500, "driver failed")).changed is Changed.UNKNOWN
    assert asked(answer(500, "driver failed")).changed is Changed.NOTHING


def test_an_engine_cannot_flood_the_channel() -> None:
    assert len(told(answer(500, "x" * 10_000)).sentence) < 400


SECRET = "hunter2-hunter2"
CUT_IN_TWO = f"{'x' * 290} {SECRET} and more"


@pytest.mark.parametrize("error", [answer(409, CUT_IN_TWO), docker.errors.DockerException(CUT_IN_TWO)])
def test_a_secret_across_the_cut_of_an_engines_words_leaves_none_of_it(error: Exception) -> None:
    redactor = Redactor([SECRET])
    for around in (reading("edge-1", redactor=redactor), changing("edge-1", WEB, redactor=redactor)):
        with pytest.raises(OpsError) as caught, around:
            raise error
        assert f"{'x' * 290} [redacte" in caught.value.sentence
    assert "hunter" not in explain_words(CUT_IN_TWO, redactor)


def test_a_container_that_is_gone() -> None:
    error = told(answer(404, f"No such container: {WEB}"))
    assert isinstance(error, TargetNotFoundError)
    assert error.sentence == "No container `3f3f3f3f3f3f` on `edge-1`."


@pytest.mark.parametrize(
    "error",
    [
        requests.ReadTimeout("read timed out"),
        requests.ConnectionError("aborted", ConnectionResetError(104, "reset")),
        requests.exceptions.ChunkedEncodingError("broken"),
        requests.ConnectionError("aborted", BrokenPipeError(32, "pipe")),
    ],
)
def test_a_lost_answer_is_unknown_to_a_change_and_nothing_to_a_read(error: Exception) -> None:
    assert isinstance(told(error), OutcomeUnknownError)
    assert isinstance(asked(error), BackendUnavailableError)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (requests.ConnectTimeout("t"), "no answer in time"),
        (requests.ConnectionError(ConnectionRefusedError(111, "refused")), "connection refused"),
        (
            requests.ConnectionError(FileNotFoundError(2, "no")),
            "its socket is not there; is dockerd running?",
        ),
        (
            requests.ConnectionError(PermissionError(13, "no")),
            "its socket may not be opened; add the worker's user to the group `docker`",
        ),
    ],
)
def test_what_was_never_sent_changed_nothing(error: Exception, why: str) -> None:
    found = told(error)
    assert isinstance(found, BackendUnavailableError)
    assert found.why == why


def test_rqs_time_limit_gets_through() -> None:
    with pytest.raises(JobTimeoutException), changing("edge-1", WEB):
        raise JobTimeoutException


def test_a_bug_stays_a_bug() -> None:
    with pytest.raises(KeyError), reading("edge-1"):
        raise KeyError("State")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("write /x: no space left on device", "no space left on device; its disk is full: see"),
        ("write /x: Disk quota exceeded.", "disk quota exceeded; its disk is full: see"),
        ("manifest unknown: manifest unknown", "manifest unknown: manifest unknown"),
        ("two\nlines.", "two lines"),
    ],
)
def test_an_engines_words_are_told_with_the_way_out_where_there_is_one(said: str, why: str) -> None:
    assert explain_words(said).startswith(why)
    assert len(explain_words("x" * 1000)) == 300
