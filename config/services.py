"""config/services/: what services are, one Compose file each, read anew whenever somebody asks."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from andock.errors import ConfigError, TargetNotFoundError, UserError
from andock.ports.container_insight import Limits
from andock.ports.services import Check, HealthCheck, Place, Rollout, Service
from config.compose import (
    ComposeFile,
    ComposeService,
    Declaration,
    Extension,
    Healthcheck,
    RollbackConfig,
    UpdateConfig,
)
from config.documents import Document, TextLoader
from config.interpolation import resolve_dollars
from config.service_checks import check_service
from config.sites import Sites
from config.unsupported import EXTENSION, refuse_unsupported, without_extensions

FOLDER = "services"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_SUFFIX = ".yaml"


@dataclass(frozen=True)
class ServiceFiles:
    """The files of all services; a folder that is not there holds none."""

    config_dir: Path
    sites: Sites
    _known: dict[str, tuple[bytes, Service]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def names(self) -> tuple[str, ...]:
        """The services' names, sorted."""
        return tuple(path.stem for path in self.paths() if path.suffix == _SUFFIX)

    def load_all(self) -> tuple[Service, ...]:
        """Every service, as a process does at its start.

        Raises:
            ConfigError: the first thing wrong, with file, line and fix.
        """
        return tuple(load_service(path, self.sites) for path in self.paths())

    def read(self, name: str) -> Service:
        """One service, as its file says now.

        Raises:
            TargetNotFoundError: there is none of that name; says the nearest.
            UserError: its file is wrong; says line and fix.
        """
        names = self.names()
        if name not in names:
            near = difflib.get_close_matches(name, names, n=3) or names[:3]
            raise TargetNotFoundError("service", name, searched=("config/services",), similar=near)
        try:
            return self._load(self.path(name))
        except ConfigError as error:
            told = error.sentence.replace(f"{self.config_dir}/", "", 1)
            raise UserError(f"Service `{name}` cannot be used as its file is now. {told}") from error

    def _load(self, path: Path) -> Service:
        """A file that says what it said before is not taken apart again."""
        try:
            said = path.read_bytes()
        except OSError:
            said = b""  # told in the words of whoever reads documents
        before, service = self._known.get(path.stem, (None, None))
        if service is None or said != before:
            service = load_service(path, self.sites)
            self._known[path.stem] = said, service
        return service

    def pool_of(self, name: str) -> str:
        """The pool whose workers reach a service's engines. Raises as `read`."""
        places = self.read(name).places.values()
        return self.sites.pool_of(next(engine for place in places for engine in place.engines))

    def path(self, name: str) -> Path:
        """The file of a service."""
        return self.config_dir / FOLDER / f"{name}{_SUFFIX}"

    def paths(self) -> list[Path]:
        """Every file that should be a service's."""
        try:
            paths = sorted((self.config_dir / FOLDER).iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            where = str(self.config_dir / FOLDER)
            raise ConfigError(f"cannot be read ({error.strerror}).", where=where, fix="check it.") from error
        return [path for path in paths if path.suffix in (_SUFFIX, ".yml") and path.name[0] != "."]


def load_service(path: Path, sites: Sites) -> Service:
    """A service, checked against sites.yaml.

    Raises:
        ConfigError: the first thing wrong, with file, line and fix.
    """
    if path.suffix != _SUFFIX or not _NAME.fullmatch(path.stem):
        raise ConfigError(
            "is no name of a service's file.",
            where=str(path),
            fix="name it NAME.yaml, after the service: lower case letters, digits, - and _, at most 40.",
        )
    document = Document(path, TextLoader)
    file = document.parse(ComposeFile, _known_words(document))
    (name, said), *_ = file.services.items()
    if name != path.stem:
        raise ConfigError(
            f"the service is named `{name}`, and its file `{path.stem}`.",
            where=document.where(("services", name)),
            fix=f"name the file {name}{_SUFFIX}, or the service `{path.stem}`.",
        )
    service = _make(name, said, file, _extension(document, name, said, file))
    check_service(document, service, said, file, sites)
    return service


def _known_words(document: Document) -> object:
    """The document's data, ready for its model: no refused words, no variables, no `x-` of others."""
    data = document.data
    if isinstance(data, dict) and "services" not in data and {"image", "build"} & data.keys():
        raise ConfigError(
            "has no `services`.",
            where=str(document.path),
            fix=f"put all of it under `services:`, `{document.path.stem}:`.",
        )
    refuse_unsupported(document)
    data = without_extensions(document, data, ())
    if not isinstance(data, dict) or not isinstance(data.get("services"), dict):
        return data
    services = data["services"]
    if len(services) != 1:
        raise ConfigError(
            f"holds {len(services)} services.",
            where=document.where(("services",)),
            fix="keep exactly one in each file.",
        )
    ((name, service),) = services.items()
    place = ("services", str(name))
    services = {str(name): without_extensions(document, service, place)}
    return resolve_dollars(document, {**data, "services": services}, (), but=(*place, "image"))


def _extension(document: Document, name: str, said: ComposeService, file: ComposeFile) -> Extension:
    place = ("services", name, EXTENSION)
    if said.x_andock is not None and file.x_andock is not None:
        raise ConfigError(
            f"`{EXTENSION}` is there twice.", where=document.where(place), fix="keep the one in the service."
        )
    extension = said.x_andock or file.x_andock
    if extension is None:
        raise ConfigError(
            "does not say where the service runs.",
            where=document.where(place),
            fix=f"add `{EXTENSION}: {{environments: {{staging: {{engines: [...]}}}}}}` to the service.",
        )
    return extension


def _make(name: str, said: ComposeService, file: ComposeFile, extension: Extension) -> Service:
    limits = said.deploy.resources.limits
    return Service(
        name=name,
        image=said.image,
        command=said.command or (),
        environment=dict(said.environment),
        ports=tuple(text for port in said.ports for text in port.written),
        volumes=tuple(
            mount.write(_known_as(mount.source, file.volumes) if mount.type == "volume" else mount.source)
            for mount in said.volumes
        ),
        external_volumes=tuple(
            dict.fromkeys(
                _known_as(mount.source, file.volumes)
                for mount in said.volumes
                if mount.type == "volume" and _is_external(mount.source, file.volumes)
            )
        ),
        networks=(said.network_mode,)
        if said.network_mode
        else tuple(_known_as(network, file.networks) for network in said.networks),
        healthcheck=None if said.healthcheck is None else _healthcheck(said.healthcheck),
        labels=dict(said.labels),
        replicas=said.deploy.replicas,
        limits=Limits(memory=limits.memory, cpus=limits.cpus, pids=limits.pids, restart=said.restart),
        stop_grace=math.ceil(said.stop_grace_period),
        update=_rollout(said.deploy.update_config),
        rollback=_rollout(said.deploy.rollback_config),
        places={
            environment: Place(environment, place.engines, place.after)
            for environment, place in extension.environments.items()
        },
        checks=tuple(Check(check.http, check.port, check.within) for check in extension.checks),
        announce=extension.announce,
    )


def _known_as(key: str, declared: Mapping[str, Declaration]) -> str:
    """What engines know a network or volume by."""
    return declared[key].name or key if key in declared else key


def _is_external(key: str, declared: Mapping[str, Declaration]) -> bool:
    return key in declared and declared[key].external


def _healthcheck(said: Healthcheck) -> HealthCheck:
    return HealthCheck(
        test=("NONE",) if said.disable else said.test,
        interval=said.interval,
        timeout=said.timeout,
        start_period=said.start_period,
        retries=said.retries,
    )


def _rollout(said: UpdateConfig | RollbackConfig) -> Rollout:
    return Rollout(**said.model_dump())
