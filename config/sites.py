"""sites.yaml: the vCenters and engines that Andock manages, their environments and pools."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from andock.errors import ConfigError, UnknownSiteError
from andock.operation import Backend, Value
from andock.redaction import read_pattern
from config.containers import AllowedByFile, Command, Powers
from config.documents import Document
from config.environments import EnvironmentRule as EnvironmentRule  # noqa: PLC0414  a part of sites.yaml
from config.environments import Site
from config.watching import Alarms, Digest, Events, check_kinds

_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,30}$")
_SINK = re.compile(r"stdout|syslog\+(?:udp|tcp)://(?:\[[0-9a-fA-F:]+\]|[^/:\s]+):\d{1,5}|syslog\+unix:///\S+")
ProcessName: TypeAlias = Literal["bot", "worker-vsphere", "worker-docker", "keeper"]  # lines of the Procfile
_ADDRESS = re.compile(r"^[a-z0-9][a-z0-9.-]*(:\d{1,5})?$")
# user@host:port/path; nothing in it may look like an option or a second argument to ssh
_SSH = r"\w[\w.-]*@(\w[\w.-]*|\[[0-9a-fA-F:]+\])(:\d{1,5})?(/[\w./-]*)?"


class SecretReference(Value):
    """Where a secret lies; the secret itself is read only by the process that needs it."""

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret is {env: NAME} or {file: PATH}")
        return self


class VcenterTls(Value):
    """How a vCenter's certificate is checked."""

    verify: bool = True
    ca: Path | None = None


class DatastoreLevels(Value):
    """From how full on a datastore is worth a word; percent used."""

    warn: int = Field(default=80, ge=1, le=100)
    critical: int = Field(default=90, ge=1, le=100)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warn > self.critical:
            raise ValueError("warn is at most critical")
        return self

    def level_of(self, free: int, capacity: int) -> str:
        """`critical`, `warn` or nothing; sizes in one unit."""
        used = 100 * (capacity - free) / capacity if capacity else 0
        return "critical" if used >= self.critical else "warn" if used >= self.warn else ""


class Vcenter(Site):
    """One vCenter."""

    host: str
    port: int = Field(default=443, ge=1, le=65535)
    user: str
    password: SecretReference
    tls: VcenterTls = VcenterTls()
    datastores: DatastoreLevels = DatastoreLevels()
    events: Events | None = Field(default=None, description="instead of what stands in `events:` for all")


class EngineTls(Value):
    """Mutual TLS of an engine: file names."""

    ca: Path
    cert: Path
    key: SecretReference


class EngineSsh(Value):
    """How an engine's host is entered by SSH, and known."""

    key: SecretReference
    known_hosts: Path = Field(description="file with its host key, as `ssh-keyscan -p PORT HOST` writes it")


class Engine(Site):
    """One Docker engine, by unix socket, mutual TLS or SSH."""

    url: str = Field(
        description="unix:///path, tcp://host:port, or ssh://user@host:port; with a path where the socket "
        "there is not /var/run/docker.sock"
    )
    tls: EngineTls | None = None
    ssh: EngineSsh | None = None
    insecure: bool = Field(default=False, description="allow TCP without TLS; doctor complains")

    @field_validator("url")
    @classmethod
    def _known_transport(cls, url: str) -> str:
        if not re.match(rf"^(unix:///|tcp://[^/]+:\d+$|ssh://{_SSH}$)", url):
            raise ValueError("an engine's url is unix:///path, tcp://host:port or ssh://user@host:port")
        return url

    @model_validator(mode="after")
    def _without_clusters(self) -> Self:
        if any(rule.cluster is not None for rule in self.environments):
            raise ValueError("clusters are of vCenters; an engine's environments go by tag")
        return self

    @model_validator(mode="after")
    def _with_its_keys(self) -> Self:
        scheme = self.url.partition(":")[0]
        if scheme == "tcp" and self.tls is None and not self.insecure:
            raise ValueError("an engine on TCP needs tls: {ca, cert, key}, or insecure: true")
        if scheme == "ssh" and self.ssh is None:
            raise ValueError("an engine by SSH needs ssh: {key, known_hosts}")
        if (scheme != "tcp" and (self.tls or self.insecure)) or (scheme != "ssh" and self.ssh):
            raise ValueError(f"tls and insecure are for tcp://, ssh is for ssh://, and this is {scheme}://")
        return self


class ImageRegistry(Value):
    """One registry that images may come from, and the login for it."""

    user: str | None = None
    password: SecretReference | None = None
    ca: Path | None = Field(default=None, description="its CA, where the system does not know it")
    insecure: bool = Field(default=False, description="speak HTTP without TLS; doctor complains")
    allow: tuple[str, ...] = Field(
        default=(),
        description="what may be pulled and run: `registry.lab:5000/team/*`, also with a tag, `.../web:2.*`; "
        "left out: all of it. An image without a registry in its name is `docker.io/library/NAME`",
    )

    @model_validator(mode="after")
    def _whole_login(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("a login is user and password")
        return self


class Pool(Value):
    """How many RQ workers a pool has on each of its queues."""

    read: int = Field(default=2, ge=1, le=64)
    change: int = Field(default=2, ge=1, le=64)
    long: int = Field(default=1, ge=0, le=64)


class OwnMachines(Value):
    """What Andock itself runs on, besides what it finds out: never a target."""

    vms: tuple[str, ...] = Field(
        default=(), description="BIOS UUIDs of its own VMs, of vCenter and of their hosts"
    )
    containers: tuple[str, ...] = Field(
        default=(), description="names of its own containers, or their ids of 12 or more digits"
    )
    engines: tuple[str, ...] = Field(
        default=(), description="engines that it runs on, by name; they are not pruned"
    )


class Audit(Value):
    """Where the audit record's head is posted, and who gets a copy of each record."""

    channel: str = Field(
        default="", description="channel id that the head is posted to, daily and after changes"
    )
    environments: tuple[str, ...] = Field(
        default=(), description="after each change in one of these the head is posted"
    )
    sinks: tuple[str, ...] = Field(
        default=(),
        description="`stdout`, `syslog+udp://host:514`, `syslog+tcp://host:601` or `syslog+unix:///dev/log`",
    )

    @field_validator("sinks")
    @classmethod
    def _known_kinds(cls, sinks: tuple[str, ...]) -> tuple[str, ...]:
        for sink in sinks:
            if not _SINK.fullmatch(sink):
                raise ValueError(
                    f"`{sink}` is no sink; write stdout, syslog+udp://host:514, syslog+tcp://host:601 or "
                    "syslog+unix:///dev/log"
                )
        return sinks

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.environments and not self.channel:
            raise ValueError("environments need a channel to post the head to")
        return self


class KnownSecret(SecretReference):
    """A secret that Andock only has to recognise, such as one that a container may print."""

    processes: tuple[ProcessName, ...] = Field(
        default=(), description="lines of the Procfile that can read it; left out: all of them"
    )


class Redact(Value):
    """What is hidden in every message, log, file and record, besides what Andock logs in with."""

    secrets: tuple[KnownSecret, ...] = ()
    patterns: tuple[str, ...] = Field(default=(), description="regular expressions of bounded length")


class Sites(Value):
    """sites.yaml as a whole."""

    instance: str = "main"
    vcenters: Mapping[str, Vcenter] = Field(default_factory=dict)
    engines: Mapping[str, Engine] = Field(default_factory=dict)
    registries: Mapping[str, ImageRegistry] = Field(
        default_factory=dict,
        description="by address, `registry.lab:5000` or `docker.io`; no image of any other is pulled or run",
    )
    pools: Mapping[str, Pool] = Field(default_factory=dict)
    announce: Mapping[str, str] = Field(
        default_factory=dict,
        description="environment -> channel id that hears of changes asked for in private",
    )
    admin: str = Field(default="", description="channel id that hears of what operators must mend")
    own: OwnMachines = OwnMachines()
    audit: Audit = Audit()
    alarms: Alarms = Alarms()
    events: Events = Events()
    digests: Mapping[str, Digest] = Field(
        default_factory=dict, description="by name; policy knows it as the user `schedule:NAME`"
    )
    redact: Redact = Redact()
    powers: tuple[Powers, ...] = Field(
        default=(), description="what containers may have of their host; without a rule, nothing"
    )
    exec: Mapping[str, Command] = Field(
        default_factory=dict, description="the commands that `container exec` may run, by name"
    )

    @model_validator(mode="after")
    def _names(self) -> Self:
        for name in (*self.vcenters, *self.engines, *self.pools, *self.exec, *self.digests, self.instance):
            if not _NAME.match(name):
                raise ValueError(f"`{name}` is no name: lower case letters, digits and dashes, at most 31")
        both = set(self.vcenters) & set(self.engines)
        if both:
            raise ValueError(f"`{both.pop()}` is the name of a vCenter and of an engine")
        for name in self.pools:
            if name not in {self.pool_of(site) for site in self.names()}:
                raise ValueError(f"pool `{name}` has no site")
        return self

    @model_validator(mode="after")
    def _registries(self) -> Self:
        for address, registry in self.registries.items():
            if not _ADDRESS.match(address):
                raise ValueError(f"`{address}` is no registry's address; write host or host:port")
            wrong = [pattern for pattern in registry.allow if not pattern.startswith(f"{address}/")]
            if wrong:
                raise ValueError(f"what {address} allows begins with `{address}/`, and `{wrong[0]}` does not")
        return self

    def names(self, backend: Backend | None = None) -> tuple[str, ...]:
        """Names of all sites, or of one backend's."""
        vcenters = tuple(self.vcenters) if backend in (None, Backend.VSPHERE) else ()
        engines = tuple(self.engines) if backend in (None, Backend.DOCKER) else ()
        return vcenters + engines

    def site(self, name: str) -> Vcenter | Engine:
        """One site by name.

        Raises:
            UnknownSiteError: with the nearest names.
        """
        found = self.vcenters.get(name) or self.engines.get(name)
        if found is None:
            raise UnknownSiteError(name, similar=difflib.get_close_matches(name, self.names(), n=2))
        return found

    def backend_of(self, name: str) -> Backend:
        """Which kind of site this is."""
        return Backend.VSPHERE if name in self.vcenters else Backend.DOCKER

    def pool_of(self, name: str) -> str:
        """The pool whose workers hold this site's credentials; one per backend unless sites.yaml says so."""
        return self.site(name).pool or self.backend_of(name).value

    def pool(self, name: str) -> Pool:
        """The pool's counts."""
        return self.pools.get(name, Pool())

    def pools_of(self, backend: Backend) -> tuple[str, ...]:
        """Pools of one backend, each once."""
        return tuple(dict.fromkeys(self.pool_of(name) for name in self.names(backend)))

    def sites_in(self, pools: Sequence[str]) -> tuple[str, ...]:
        """Sites that these pools serve."""
        return tuple(name for name in self.names() if self.pool_of(name) in pools)

    def events_of(self, name: str) -> Events:
        """Where a vCenter's events are told."""
        return self.vcenters[name].events or self.events

    @property
    def allowances(self) -> AllowedByFile:
        """What this file allows on engines."""
        return AllowedByFile(self.powers, self.exec)

    @property
    def environments(self) -> tuple[str, ...]:
        """Every environment that a site or a rule of it names."""
        sites = (*self.vcenters.values(), *self.engines.values())
        return tuple(dict.fromkeys(name for site in sites for name in site.possible_environments))


def load_sites(path: Path) -> Sites:
    """sites.yaml, checked.

    Raises:
        ConfigError: the first thing wrong, with file, line and fix.
    """
    document = Document(path)
    sites = document.parse(Sites)
    if not sites.names():
        raise ConfigError("names no site.", where=str(path), fix="add one under vcenters: or engines:.")
    _check_names(document, ("audit", "environments"), sites.audit.environments, sites.environments)
    _check_names(document, ("own", "engines"), sites.own.engines, tuple(sites.engines))
    check_kinds(document, sites.events, ("events",))
    for name, vcenter in sites.vcenters.items():
        if vcenter.events is not None:
            check_kinds(document, vcenter.events, ("vcenters", name, "events"))
    for index, pattern in enumerate(sites.redact.patterns):
        try:
            read_pattern(pattern)
        except ValueError as error:
            raise ConfigError(
                f"the pattern `{pattern}` {error}.",
                where=document.where(("redact", "patterns", index)),
                fix="mend it, such as `ACME-[A-Z0-9]{8,40}`; docs/running.md has the rules.",
            ) from error
    return sites


def _check_names(
    document: Document, place: tuple[str, str], named: Sequence[str], known: Sequence[str]
) -> None:
    """Raises ConfigError for the first name, at this place, that is none of those known."""
    for index, name in enumerate(named):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"there is no {place[-1].removesuffix('s')} `{name}`.",
                where=document.where((*place, index)),
                fix=f"did you mean `{near[0]}`?" if near else f"use one of: {', '.join(known) or 'none'}.",
            )
