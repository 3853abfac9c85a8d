"""What the fake engines know of containers besides starting and stopping them."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from andock.errors import BackendRejectedError, TargetNotFoundError
from andock.ports.allowances import Allowances, NamedCommand
from andock.ports.container_changes import Deed, LocalImage, NewContainer
from andock.ports.container_insight import (
    Anatomy,
    Counters,
    FileChange,
    Limits,
    MountedVolume,
    Namespace,
    Processes,
)
from andock.ports.container_output import NewLines, Ran
from andock.ports.containers import Container
from andock.ports.images import Image
from andock.ports.watch import Watch
from config.containers import AllowedByFile

KINDS = ("pid", "net", "ipc", "uts")
RUNNING = {"running", "paused"}


@dataclass(kw_only=True)
class FakeContainerCalls:
    """The part of `FakeContainers` that implements insight, changes and output."""

    now: datetime = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    held: dict[tuple[str, str], Container] = field(default_factory=dict)
    images: dict[tuple[str, str], Image] = field(default_factory=dict)
    written: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    allowances: Allowances = field(default_factory=AllowedByFile)
    local_images: dict[str, LocalImage] = field(
        default_factory=lambda: {"busybox:test": LocalImage("sha256:11", 2_000_000)}
    )
    limits: dict[str, Limits] = field(default_factory=dict)
    counters: dict[str, Counters] = field(default_factory=dict)
    mounted: dict[str, tuple[MountedVolume, ...]] = field(default_factory=dict)
    changes: dict[str, tuple[FileChange, ...]] = field(default_factory=dict)
    remembered: list[tuple[str, Deed]] = field(default_factory=list)
    says: Ran = field(default_factory=lambda: Ran(0, running=False))  # what every named command says
    commands: dict[str, Ran | None] = field(default_factory=dict)  # what became of each that was prepared
    temporary: set[str] = field(default_factory=set)  # ids of those made with --rm
    refusing_start: str = ""  # the engine's words to every start
    made: dict[str, NewContainer] = field(default_factory=dict)  # by id, what was asked for
    checked: bool = False  # whether images have a health check of their own
    probes: dict[tuple[str, int, str], str] = field(default_factory=dict)  # engine, port, path: why not
    far: set[str] = field(default_factory=set)  # engines that are not on this machine

    @abstractmethod
    def tick(self, seconds: float = 0.01) -> None: ...
    @abstractmethod
    def read_container(self, site: str, container: str) -> Container: ...
    @abstractmethod
    def server_time(self, site: str) -> datetime: ...
    @abstractmethod
    def change(self, site: str, container: str, **fields: object) -> None: ...
    @abstractmethod
    def _change(self, action: str, site: str, container: str, *args: str) -> None: ...
    @abstractmethod
    def _down(self, site: str, container: str) -> None: ...
    @abstractmethod
    def _environment(self, site: str, labels: Mapping[str, str]) -> str: ...

    # --- insight --------------------------------------------------------------------------------------

    def read_anatomy(self, site: str, container: str) -> Anatomy:
        self.read_container(site, container)
        return Anatomy(
            namespaces=(*(Namespace(kind) for kind in KINDS), Namespace("user", "host"), Namespace("cgroup")),
            limits=self.read_limits(site, container),
            cgroup_parent="",
            runtime="runc",
            storage_driver="overlay2",
            image_layers=1,
            image_bytes=2_000_000,
            writable_bytes=1536,
            volumes=self.mounted.get(container, ()),
            variables=("PATH", "SECRET"),
            removed_at_end=container in self.temporary,
        )

    def read_limits(self, site: str, container: str) -> Limits:
        self.read_container(site, container)
        return self.limits.get(container, Limits(restart="no"))

    def count(self, site: str, container: str) -> Counters:
        self._must_run(site, container)
        return replace(self.counters.get(container, Counters(self.now, 1.0, 1024**2, 1)), at=self.now)

    def processes(self, site: str, container: str) -> Processes:
        self._must_run(site, container)
        return Processes(("UID", "PID", "CMD"), (("root", "1", "sh"),))

    def file_changes(self, site: str, container: str) -> tuple[FileChange, ...]:
        self.read_container(site, container)
        return self.changes.get(container, ())

    def _must_run(self, site: str, container: str) -> None:
        if self.read_container(site, container).state not in RUNNING:
            raise BackendRejectedError(f"Engine `{site}`", "it does not run")

    # --- changes --------------------------------------------------------------------------------------

    def kill(self, site: str, container: str, signal: str) -> None:
        self._change("kill", site, container, signal)
        self._remember(container, "kill", {"KILL": "9", "HUP": "1"}.get(signal, ""))
        if signal == "KILL":
            self._down(site, container)
            if (site, container) in self.held:
                self.change(site, container, exit_code=137)

    def pause(self, site: str, container: str) -> None:
        self._change("pause", site, container)
        self._remember(container, "pause")
        self.change(site, container, state="paused")

    def unpause(self, site: str, container: str) -> None:
        self._change("unpause", site, container)
        self._remember(container, "unpause")
        self.change(site, container, state="running")

    def rename(self, site: str, container: str, name: str) -> None:
        self._change("rename", site, container, name)
        self.change(site, container, name=name)

    def remove(self, site: str, container: str, *, force: bool, volumes: bool) -> None:
        self._change("remove", site, container, str(force), str(volumes))
        if not force and self.held[site, container].state in RUNNING:
            raise BackendRejectedError(f"Engine `{site}`", "you cannot remove a running container")
        del self.held[site, container]

    def update(self, site: str, container: str, limits: Limits) -> None:
        self._change("update", site, container)
        old = self.read_limits(site, container)
        self.limits[container] = Limits(
            memory=limits.memory or old.memory,
            memory_with_swap=limits.memory_with_swap or old.memory_with_swap,
            cpus=limits.cpus or old.cpus,
            pids=limits.pids or old.pids,
            restart=limits.restart or old.restart,
        )
        self.change(site, container, restart_policy=self.limits[container].restart)

    def create(self, site: str, new: NewContainer) -> str:
        image = self.local_image(site, new.image)
        if image is None:
            raise BackendRejectedError(f"Engine `{site}`", f"No such image: {new.image}")
        if any(where == site and row.name == new.name for (where, _), row in self.held.items()):
            raise BackendRejectedError(f"Engine `{site}`", f"the name /{new.name} is already in use")
        made = hashlib.sha256(f"{site}/{new.name}".encode()).hexdigest()
        if (site, made) in self.held:  # it has been renamed since
            made = hashlib.sha256(f"{site}/{new.name}/{len(self.held)}".encode()).hexdigest()
        networks = (new.network,) if new.network else ()
        self.held[site, made] = Container(
            site=site, id=made, name=new.name, image=new.image, image_id=image.id,
            state="created", status="Created", environment=self._environment(site, new.labels),
            labels=dict(new.labels), restart_policy=new.limits.restart, networks=networks,
        )  # fmt: skip
        self.written[made] = []
        try:
            self._change("create", site, made, new.name)
        except BackendRejectedError:
            del self.held[site, made]
            raise
        self.limits[made] = new.limits
        self.made[made] = new
        if new.healthcheck is not None or self.checked:
            self.change(site, made, health="starting")
        return made

    def join_network(self, site: str, container: str, network: str, aliases: tuple[str, ...]) -> None:
        self._change("join", site, container, network, *aliases)
        self.change(site, container, networks=(*self.held[site, container].networks, network))

    def local_image(self, site: str, image: str) -> LocalImage | None:
        self.server_time(site)
        if "@" not in image:
            return self.local_images.get(image)
        held = (found for (where, _), found in self.images.items() if where == site)
        return next((LocalImage(one.id, one.size) for one in held if image in one.digests), None)

    def find_labelled(self, site: str, label: str) -> tuple[str, ...]:
        self.server_time(site)
        key, _, value = label.partition("=")
        rows = [row for (where, _), row in self.held.items() if where == site]
        return tuple(row.id for row in rows if row.labels.get(key) == value)

    def environment_of(self, site: str, labels: Mapping[str, str]) -> str:
        return self._environment(site, labels)

    def deeds(self, site: str, container: str, since: datetime) -> tuple[Deed, ...]:
        self.server_time(site)
        return tuple(deed for whose, deed in self.remembered if whose == container and deed.at >= since)

    def _remember(self, container: str, action: str, signal: str = "") -> None:
        self.remembered.append((container, Deed(self.now, action, signal)))

    # --- probe ----------------------------------------------------------------------------------------

    def is_near(self, site: str) -> bool:
        return site not in self.far

    def probe(self, site: str, container: str, port: int, path: str) -> str:
        running = self.read_container(site, container).state == "running"
        return self.probes.get((site, port, path), "") if running else "connection refused"

    # --- output ---------------------------------------------------------------------------------------

    def write(self, container: str, *lines: str) -> None:
        """Let it write, now."""
        for line in lines:
            self.tick(0.001)
            self.written[container].append((self.now, line))

    def logs(self, site: str, container: str, *, tail: int, since: datetime | None = None) -> Iterator[str]:
        self.read_container(site, container)
        lines = [line for at, line in self.written[container] if since is None or at >= since]
        yield from lines[-tail:]

    def new_logs(self, site: str, container: str, *, after: str, most: int) -> NewLines:
        self.read_container(site, container)
        found = [(at, line) for at, line in self.written[container] if not after or at.isoformat() > after]
        last = found[-1][0].isoformat() if found else after or (self.now - timedelta(seconds=1)).isoformat()
        lines = tuple(line for _, line in found[-most:])
        return NewLines(lines, last, left_out=bool(after) and len(found) > most)

    def prepare_command(self, site: str, container: str, command: NamedCommand) -> str:
        self.read_container(site, container)
        prepared = f"exec-{command.name}"
        self.commands[prepared] = Ran(None, running=False)
        return prepared

    def run_command(
        self, site: str, container: str, prepared: str, command: NamedCommand, watch: Watch
    ) -> Ran:
        watch.look()
        self._change("exec", site, container, *command.argv)
        self.commands[prepared] = replace(self.says, output="")
        output = self.says.output[: command.most_bytes]
        return replace(self.says, output=output, cut=len(output) < len(self.says.output))

    def command_state(self, site: str, container: str, prepared: str) -> Ran | None:
        try:
            self.read_container(site, container)
        except TargetNotFoundError:
            return None
        return self.commands.get(prepared)
