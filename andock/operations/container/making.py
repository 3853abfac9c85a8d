"""What a container to be made asks for, and what of that reaches out of it."""

from __future__ import annotations

import posixpath
import re
from typing import Literal

from pydantic import Field, JsonValue, field_validator

from andock.belonging import RESERVED_LABELS
from andock.operation import Params
from andock.operations.container.quantities import CPUS, MEMORY, read_cpus, read_memory
from andock.operations.container.renaming import NAME
from andock.operations.container.updating import RestartPolicy
from andock.ports.container_changes import NewContainer
from andock.ports.container_insight import Limits
from andock.ports.registry import ImageName

MARK_LABEL = "andock.run"  # which attempt made it: after a crash it is found by this
_OPTION: dict[str, JsonValue] = {"positional": False}
_PORT = r"^((\d{1,3}\.){3}\d{1,3}:)?\d{1,5}:\d{1,5}(/(tcp|udp))?$"


class RunParams(Params):
    """What `container run` takes. What reaches out of the container needs a rule under `powers:`."""

    image: str = Field(min_length=1, max_length=300, description="The image, which the engine must have.")
    command: tuple[str, ...] = Field(
        default=(), max_length=50, description="What to run instead of the image's own; goes behind `--`."
    )
    name: str = Field(pattern=NAME, description="The container's name.", json_schema_extra=_OPTION)
    memory: str = Field(
        pattern=MEMORY, description="Most memory, `256m` or `1.5g`.", json_schema_extra=_OPTION
    )
    cpus: str = Field(pattern=CPUS, description="Most CPUs, `0.5` or `2`.", json_schema_extra=_OPTION)
    pids: int = Field(default=256, ge=1, le=4_000_000, description="Most processes and threads.")
    restart: RestartPolicy = Field(default="no", description="When the engine starts it again.")
    label: tuple[str, ...] = Field(
        default=(), max_length=20, description="A label, `key=value`.", json_schema_extra=_OPTION
    )
    publish: tuple[str, ...] = Field(
        default=(),
        max_length=20,
        description="A port, `8080:80` or `127.0.0.1:8080:80/udp`.",
        json_schema_extra=_OPTION,
    )
    network: str = Field(
        default="", pattern=r"^[a-zA-Z0-9_.-]{0,64}$", description="A network; `host` is a power."
    )
    pid: Literal["host"] | None = Field(default=None, description="`host`: sees all processes. A power.")
    ipc: Literal["host"] | None = Field(default=None, description="`host`: shares its memory. A power.")
    uts: Literal["host"] | None = Field(default=None, description="`host`: shares its host name. A power.")
    userns: Literal["host"] | None = Field(default=None, description="`host`: shares its users. A power.")
    cgroupns: Literal["host"] | None = Field(default=None, description="`host`: sees its cgroups. A power.")
    bind: tuple[str, ...] = Field(
        default=(),
        max_length=20,
        description="A folder of the host, `/host:/inside:ro`. A power.",
        json_schema_extra=_OPTION,
    )
    device: tuple[str, ...] = Field(
        default=(), max_length=20, description="A device of the host. A power.", json_schema_extra=_OPTION
    )
    cap: tuple[str, ...] = Field(
        default=(),
        max_length=20,
        description="A capability, `NET_ADMIN`. A power.",
        json_schema_extra=_OPTION,
    )
    privileged: bool = Field(default=False, description="May do all that the host may. A power.")

    @field_validator("cpus")
    @classmethod
    def _enough(cls, cpus: str) -> str:
        read_cpus(cpus)
        return cpus

    @field_validator("publish")
    @classmethod
    def _ports(cls, ports: tuple[str, ...]) -> tuple[str, ...]:
        for port in ports:
            if not re.match(_PORT, port):
                raise ValueError(f"is no port: `{port}`; write `8080:80` or `127.0.0.1:8080:80/udp`")
        return ports

    @field_validator("label")
    @classmethod
    def _pairs(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        for label in labels:
            if not label.partition("=")[0] or "=" not in label:
                raise ValueError(f"is no label: `{label}`; write `key=value`")
            if label.startswith(RESERVED_LABELS):
                raise ValueError(
                    f"`{label.partition('=')[0]}` is not yours to set: keys that begin with `andock.` or "
                    "`com.docker.compose.` say whose a container is; choose another key"
                )
        return labels

    @field_validator("bind")
    @classmethod
    def _plain_paths(cls, binds: tuple[str, ...]) -> tuple[str, ...]:
        for bind in binds:
            source, _, rest = bind.partition(":")
            inside = rest.partition(":")[0]
            if any(not path.startswith("/") or posixpath.normpath(path) != path for path in (source, inside)):
                raise ValueError(f"is no `/host:/inside[:ro]` of plain, whole paths: `{bind}`")
        return binds

    @property
    def powers(self) -> tuple[str, ...]:
        """What it asks for of its host, as rules name it."""
        modes = {
            "net": self.network if self.network == "host" else "",
            "pid": self.pid or "",
            "ipc": self.ipc or "",
            "uts": self.uts or "",
            "userns": self.userns or "",
            "cgroupns": self.cgroupns or "",
        }
        return (
            *(["privileged"] if self.privileged else []),
            *(f"{name}={mode}" for name, mode in modes.items() if mode),
            *(f"bind={bind}" for bind in self.bind),
            *(f"device={device}" for device in self.device),
            *(f"cap={cap}" for cap in self.cap),
        )

    def new(self, token: str = "") -> NewContainer:
        """The container as the port makes it."""
        labels = dict(label.split("=", 1) for label in self.label)
        return NewContainer(
            name=self.name,
            image=ImageName.parse(self.image).familiar,
            limits=Limits(
                memory=read_memory(self.memory),
                cpus=read_cpus(self.cpus),
                pids=self.pids,
                restart=self.restart,
            ),
            command=self.command,
            labels=labels | ({MARK_LABEL: token} if token else {}),
            ports=self.publish,
            network=self.network,
            pid=self.pid or "",
            ipc=self.ipc or "",
            uts=self.uts or "",
            user_namespace=self.userns or "",
            cgroup_namespace=self.cgroupns or "",
            binds=self.bind,
            devices=self.device,
            capabilities=self.cap,
            privileged=self.privileged,
        )
