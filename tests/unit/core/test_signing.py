"""What lies in Redis is believed only as its process signed it: unaltered, by no other, as nothing else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from andock.errors import ConfigError, SignatureError
from andock.messages import Actor, Reply, Request, Vote
from andock.signing import AUDIT, SIGNERS, Signer, Verifier, load_signer, load_verifier, make_keys

OPS = Actor(team="T1", user="U0OPS1", name="ops-1")
REQUEST = Request(
    id="rabcdefghijk",
    instance="main",
    operation="vm off",
    params={"vm": ["web-1"]},
    command="vm off web-1",
    actor=OPS,
    channel="C0OPS",
    reply=Reply(channel="C0OPS", private=False),
    accepted_at=1.0,
    not_after=301.0,
)
VOTE = Vote(instance="main", request=REQUEST.id, plan="0" * 64, actor=OPS, at=2.0)


@pytest.fixture(scope="module")
def sealed(keys: Path) -> bytes:
    return load_signer(keys, "bot").sign(REQUEST)


@pytest.fixture(scope="module")
def trusting(keys: Path) -> Verifier:
    return load_verifier(keys)


def test_what_the_bot_signed_reads_back_the_same(verifier: Verifier, sealed: bytes) -> None:
    assert verifier.open(sealed, Request, by="bot") == REQUEST


def test_any_altered_byte_is_noticed(verifier: Verifier, sealed: bytes) -> None:
    believed = []
    for place in range(len(sealed)):
        for flip in (0x01, 0x03, 0x20, 0x80):
            altered = sealed[:place] + bytes([sealed[place] ^ flip]) + sealed[place + 1 :]
            try:
                verifier.open(altered, Request, by="bot")
            except SignatureError:
                continue
            believed.append((place, altered[place : place + 1]))

    assert believed == []


def test_a_byte_more_or_less_anywhere_is_noticed(verifier: Verifier, sealed: bytes) -> None:
    believed = []
    for place in range(len(sealed) + 1):
        for altered in (sealed[:place] + b"\n" + sealed[place:], sealed[:place] + sealed[place + 1 :]):
            try:
                verifier.open(altered, Request, by="bot")
            except SignatureError:
                continue
            if altered != sealed:
                believed.append(place)

    assert believed == []


@given(st.binary(max_size=200))
@example(b"")
@example(b"..")
@example(b"\xff.\xff.\xff")
def test_garbage_is_refused_and_nothing_worse(trusting: Verifier, garbage: bytes) -> None:
    with pytest.raises(SignatureError):
        trusting.open(garbage, Request, by="bot")


def test_what_another_process_signed_is_not_the_bots(keys: Path, verifier: Verifier) -> None:
    by_janitor = load_signer(keys, "janitor").sign(REQUEST)

    with pytest.raises(SignatureError, match="not by bot"):
        verifier.open(by_janitor, Request, by="bot")


def test_a_vote_is_no_request_and_a_request_no_vote(signer: Signer, verifier: Verifier) -> None:
    with pytest.raises(SignatureError):
        verifier.open(signer.sign(VOTE), Request, by="bot")
    with pytest.raises(SignatureError):
        verifier.open(signer.sign(REQUEST), Vote, by="bot")


def test_a_signature_of_one_thing_is_none_of_another(signer: Signer, verifier: Verifier) -> None:
    first, second = signer.sign(REQUEST), signer.sign(REQUEST.model_copy(update={"confirmed": True}))
    key_id, signature, _ = first.split(b".", 2)
    body = second.split(b".", 2)[2]

    with pytest.raises(SignatureError):
        verifier.open(b".".join((key_id, signature, body)), Request, by="bot")


def test_a_key_that_nobody_here_knows_is_not_believed(tmp_path: Path, verifier: Verifier) -> None:
    make_keys(tmp_path)

    with pytest.raises(SignatureError):
        verifier.open(load_signer(tmp_path, "bot").sign(REQUEST), Request, by="bot")


def test_while_keys_are_rotated_the_old_and_the_new_are_believed(tmp_path: Path) -> None:
    make_keys(tmp_path)
    before = load_signer(tmp_path, "bot").sign(REQUEST)
    (tmp_path / "bot.pub").rename(tmp_path / "bot@2026-11.pub")
    (tmp_path / "bot.key").unlink()
    make_keys(tmp_path)
    verifier = load_verifier(tmp_path)

    assert verifier.open(before, Request, by="bot") == REQUEST
    assert verifier.open(load_signer(tmp_path, "bot").sign(REQUEST), Request, by="bot") == REQUEST


def test_private_keys_are_their_owners_alone(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").glob("*.key")}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_keys_that_are_there_are_kept(tmp_path: Path) -> None:
    assert make_keys(tmp_path) == (*SIGNERS, AUDIT)
    before = (tmp_path / "bot.key").read_bytes()

    assert make_keys(tmp_path) == ()
    assert (tmp_path / "bot.key").read_bytes() == before


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="andock keys init"):
        load_signer(tmp_path, "bot")
    with pytest.raises(ConfigError, match="andock keys init"):
        load_verifier(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not base64 \xff", b"c2hvcnQ="])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bot.key").write_bytes(content)

    with pytest.raises(ConfigError, match=r"bot\.key: is no key"):
        load_signer(tmp_path, "bot")
