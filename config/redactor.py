"""The redactor of one process: it knows what the process itself holds, and what sites.yaml adds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from pydantic import SecretStr

from andock.redaction import Redactor
from config.settings import Settings
from config.sites import ProcessName, SecretReference, Sites


def make_redactor(
    settings: Settings,
    sites: Sites,
    own: Iterable[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Redactor:
    """A redactor of all that this process can read: its settings, its keys, `redact:` and `own` secrets.

    A process can hide only what it knows. What `redact:` names and cannot be read here is left out; see
    `name_unread`.
    """
    known = (read_known(secret, settings.config_dir, environ) for secret in sites.redact.secrets)
    values = [*secrets_of(settings), *_keys(settings.keys_dir), *own, *(value for value in known if value)]
    return Redactor(values, sites.redact.patterns)


def secrets_of(settings: Settings) -> Iterator[str]:
    """Every secret in the environment that this process has read."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name == "redis_url":
            password = value.get_secret_value().partition("://")[2].rpartition("@")[0].partition(":")[2]
            yield from (password, unquote(password))
        elif isinstance(value, SecretStr):
            yield value.get_secret_value()


def name_unread(
    sites: Sites, process: ProcessName, base: Path, environ: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """What this process should know by `redact:` and cannot read, as `env NAME` or `file PATH`."""
    return tuple(
        name_reference(secret)
        for secret in sites.redact.secrets
        if (not secret.processes or process in secret.processes) and read_known(secret, base, environ) is None
    )


def name_reference(reference: SecretReference) -> str:
    """What a reference is called where its secret must not be said."""
    return f"env {reference.env}" if reference.env is not None else f"file {reference.file}"


def read_known(secret: SecretReference, base: Path, environ: Mapping[str, str] = os.environ) -> str | None:
    """The secret, or None if it cannot be read here; a relative file lies beside sites.yaml (`base`)."""
    if secret.env is not None:
        return environ.get(secret.env) or None
    return _read(base / (secret.file or Path()))


def _keys(folder: Path) -> Iterator[str]:
    """The private signing keys that this process may read."""
    for path in sorted(folder.glob("*.key")):
        key = _read(path)
        if key is not None:
            yield key


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
