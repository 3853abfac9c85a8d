"""Reads the secrets that sites.yaml only points at. Never imported by the bot or the core."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from andock.errors import ConfigError
from config.sites import SecretReference


def read_secret(
    reference: SecretReference, *, of: str, base: Path, environ: Mapping[str, str] = os.environ
) -> SecretStr:
    """The secret itself; a relative file lies beside sites.yaml (`base`).

    Raises:
        ConfigError: the variable is not set or the file cannot be read.
    """
    if reference.env is not None:
        value = environ.get(reference.env)
        if not value:
            raise ConfigError(
                f"{reference.env} is not set.",
                where=f"secret of {of}",
                fix=f"export {reference.env} for this worker.",
            )
        return SecretStr(value)
    path = base / (reference.file or Path())
    try:
        return SecretStr(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}).", where=f"secret of {of}", fix="check path and owner."
        ) from error
    except UnicodeDecodeError:  # its text would hold a part of the secret
        raise ConfigError(f"{path} is not UTF-8.", where=f"secret of {of}", fix="save it as UTF-8.") from None
