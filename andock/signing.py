"""Signatures at rest: what lies in Redis is believed only when a key of the right process signed it.

Ed25519. Every process has its own private key; verifiers hold only public ones. A key file is named after
its process, `bot.key` and `bot.pub`; for rotation a second pair may stand beside it as `bot@2026-11.pub`.
`audit.key` has no pair: it is the secret that binds the lines of the audit record together.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ValidationError

from andock.errors import ConfigError, SignatureError

M = TypeVar("M", bound=BaseModel)
SIGNERS = ("bot", "worker", "janitor", "courier", "recorder")
AUDIT = "audit"  # the key that binds the audit record's lines together; signs nothing
_KEY_SIZE = 32  # bytes, of Ed25519 and of the audit key


def _key_id(public: Ed25519PublicKey) -> str:
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:12]


@dataclass(frozen=True)
class Signer:
    """Signs values as one process."""

    key_id: str
    _private: Ed25519PrivateKey

    def sign(self, value: BaseModel) -> bytes:
        """`<key id>.<base64 signature>.<kind>.<JSON>`; the kind keeps a vote from passing as a request."""
        body = f"{type(value).__name__}.{value.model_dump_json()}".encode()
        signature = base64.urlsafe_b64encode(self._private.sign(body))
        return b".".join((self.key_id.encode(), signature, body))


class Verifier:
    """Believes what the public keys it holds vouch for."""

    def __init__(self, keys: Mapping[str, tuple[str, Ed25519PublicKey]]) -> None:
        self._keys = dict(keys)

    def open(self, sealed: bytes, model: type[M], *, by: str | Collection[str]) -> M:
        """The value, if a key of the process `by`, or of one of these, signed it as this kind.

        Raises:
            SignatureError: unknown key, wrong process, wrong kind, altered, or not of this shape.
        """
        allowed = (by,) if isinstance(by, str) else by
        try:
            key_id, signature, body = sealed.split(b".", 2)
            process, public = self._keys[key_id.decode()]
            public.verify(_decode(signature), body)
            kind, _, text = body.partition(b".")
            if process not in allowed or kind.decode() != model.__name__:
                raise SignatureError(
                    f"signed by {process} as {kind.decode(errors='replace')}, not by {' or '.join(allowed)}"
                )
            return model.model_validate_json(text)
        except (ValueError, KeyError, InvalidSignature, ValidationError) as error:
            raise SignatureError(
                f"a stored {model.__name__.lower()} bears no valid signature of {' or '.join(allowed)}"
            ) from error

    def process_of(self, key_id: str) -> str:
        """The process that a key belongs to; empty if no such key is held."""
        process, _ = self._keys.get(key_id, ("", None))
        return process


def _decode(signature: bytes) -> bytes:
    """The signature's bytes; only the one way to write them is read, so that nothing can be slipped in."""
    decoded = base64.urlsafe_b64decode(signature)
    if base64.urlsafe_b64encode(decoded) != signature:
        raise ValueError("not as it was written")
    return decoded


def make_keys(folder: Path) -> tuple[str, ...]:
    """Make the keys that are missing; returns the names of those made. Private keys are 0600."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = []
    for process in SIGNERS:
        path = folder / f"{process}.key"
        if path.exists():
            continue
        private = Ed25519PrivateKey.generate()
        _write_private(path, private.private_bytes_raw())
        (folder / f"{process}.pub").write_bytes(
            base64.b64encode(private.public_key().public_bytes_raw()) + b"\n"
        )
        made.append(process)
    if not (folder / f"{AUDIT}.key").exists():
        _write_private(folder / f"{AUDIT}.key", secrets.token_bytes(_KEY_SIZE))
        made.append(AUDIT)
    return tuple(made)


def _write_private(path: Path, raw: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(raw) + b"\n")


def load_signer(folder: Path, process: str) -> Signer:
    """The process's own private key.

    Raises:
        ConfigError: there is none, or it is no key.
    """
    raw = _read_key(folder / f"{process}.key")
    private = Ed25519PrivateKey.from_private_bytes(raw)
    return Signer(_key_id(private.public_key()), private)


def load_audit_key(folder: Path) -> bytes:
    """The key of the audit record, which only the recorder and whoever verifies may hold.

    Raises:
        ConfigError: there is none, or it is no key.
    """
    return _read_key(folder / f"{AUDIT}.key")


def load_verifier(folder: Path) -> Verifier:
    """All public keys in the folder.

    Raises:
        ConfigError: there is none.
    """
    keys = {}
    for path in sorted(folder.glob("*.pub")):
        public = Ed25519PublicKey.from_public_bytes(_read_key(path))
        keys[_key_id(public)] = (path.stem.partition("@")[0], public)
    if not keys:
        raise ConfigError("holds no public key.", where=str(folder), fix="run `andock keys init`.")
    return Verifier(keys)


def _read_key(path: Path) -> bytes:
    try:
        raw = base64.b64decode(path.read_bytes().strip(), validate=True)
    except ValueError:
        raw = b""
    except OSError as error:
        raise ConfigError(
            f"cannot be read ({error.strerror}).",
            where=str(path),
            fix="run `andock keys init`, or check the owner.",
        ) from error
    if len(raw) != _KEY_SIZE:
        raise ConfigError("is no key of 32 bytes.", where=str(path), fix="restore it, or make new keys.")
    return raw
