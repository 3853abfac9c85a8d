"""The `Services` port of a worker: files read anew for each request, and secrets that only a worker reads."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import structlog

from andock.errors import ConfigError, OpsError
from andock.ports.services import SecretRef, Service
from andock.redaction import Redactor
from config.credentials import read_secret
from config.services import ServiceFiles
from config.sites import SecretReference

log = structlog.get_logger()
_Stamp = tuple[str, int, int, int]


class FileServices:
    """Implements `Services` for the workers of some engines, and hides the secrets of what runs there."""

    def __init__(
        self,
        files: ServiceFiles,
        engines: Collection[str],
        redactor: Redactor,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Reads nothing. Variables are taken from `environ`, files from beside sites.yaml."""
        self._files = files
        self._engines = frozenset(engines)
        self._redactor = redactor
        self._environ = environ
        self._seen: tuple[_Stamp, ...] | None = None
        self._secret_files: tuple[Path, ...] = ()

    def names(self) -> tuple[str, ...]:
        """See `Services`."""
        return self._files.names()

    def read(self, name: str) -> Service:
        """See `Services`."""
        return self._files.read(name)

    def secret(self, ref: SecretRef, service: str) -> str:
        """See `Services`; the redactor of this process knows it from then on."""
        value = read_secret(
            reference_of(ref), of=f"service {service}", base=self._files.config_dir, environ=self._environ
        ).get_secret_value()
        self._redactor.learn([value])
        return value

    def learn(self) -> None:
        """Let the redactor know the secrets of all services on these engines, anew when a file has changed.

        What a container prints is shown by other requests than the one that made it.
        """
        files = [self._files.path(name) for name in self._files.names()]
        now = (*_stamps(files), *_stamps(self._secret_files))
        if now == self._seen:
            return
        known = tuple(self._references())
        self._secret_files = tuple(
            self._files.config_dir / ref.name for ref, _ in known if ref.kind == "file"
        )
        # as they were before they were read: what changes meanwhile is read again
        self._seen = (*now[: len(files)], *_stamps(self._secret_files))
        for ref, service in known:
            try:
                self.secret(ref, service)
            except ConfigError as error:
                log.warning("service_secret_not_known", service=service, problem=error.sentence)

    def _references(self) -> Iterator[tuple[SecretRef, str]]:
        for name in self._files.names():
            try:
                service = self._files.read(name)
            except OpsError:
                continue  # nobody can use it either; told to whoever asks for it
            if any(self._engines & {*place.engines} for place in service.places.values()):
                yield from ((ref, name) for ref in service.environment.values() if isinstance(ref, SecretRef))


def reference_of(ref: SecretRef) -> SecretReference:
    """A service's secret as the other secrets of the configuration are named."""
    return SecretReference(env=ref.name) if ref.kind == "env" else SecretReference(file=Path(ref.name))


def _stamps(paths: Collection[Path]) -> Iterator[_Stamp]:
    """Change when the files do."""
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            yield str(path), 0, 0, 0
        else:
            yield str(path), stat.st_mtime_ns, stat.st_ino, stat.st_size
