"""What the sandbox makes on an engine: one small image and labelled containers; and taking it all away."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from sandbox.engine.api import Api, EngineError
from sandbox.processes import LOOPBACK

LABEL = "andock.sandbox"
IMAGE = "andock/busybox:sandbox"
APPLETS = """
sh ash cat cp cut date dd df du echo env false find free grep head hostname httpd id ip kill ln ls mkdir
mktemp mv nc netstat nslookup pidof ping printf ps pwd rm sed seq sleep sort stat sync tail tar test top touch
tr true uname uptime vi wc wget which whoami xargs yes
"""
NEVER_STARTED = "0001-01-01T00:00:00Z"


@dataclass(frozen=True)
class Container:
    """A container as the engine sees it.

    Attributes:
        state: "created", "running", "paused", "restarting", "exited" or "dead".
        started_at: None if it was never started.
        restarts: how often the engine itself has restarted it.
        exit_code: of its last run; 0 while it runs.
    """

    id: str
    name: str
    image: str
    state: str
    started_at: datetime | None
    restarts: int
    exit_code: int
    labels: Mapping[str, str]


def import_busybox(api: Api, owner: str, tag: str = IMAGE) -> str:
    """Make an image of the machine's static busybox, unless the engine has it; its name.

    `owner` is the value of the sandbox's label. Containers inherit it from their image, so whatever is
    made of this image belongs to the sandbox as well and goes with it.

    Raises:
        EngineError: there is no busybox, or the engine refuses.
    """
    try:
        api.call("GET", f"/images/{quote(tag)}/json")
    except EngineError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        repository, _, version = tag.rpartition(":")
        query = {"fromSrc": "-", "repo": repository, "tag": version, "changes": f'LABEL {LABEL}="{owner}"'}
        api.call("POST", "/images/create", query=query, body=busybox_archive())
    return tag


def busybox_archive(files: Mapping[str, tuple[str, int]] | None = None) -> bytes:
    """A root file system of one program, as a tar archive; with more `files`, by path the text and the mode.

    Raises:
        EngineError: there is no busybox.
    """
    program = shutil.which("busybox")
    if program is None:
        raise EngineError("no busybox to make an image of: install busybox-static")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        _add_file(archive, "bin/busybox", Path(program).resolve().read_bytes(), 0o755)
        _add_file(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        _add_file(archive, "etc/group", b"root:x:0:\n", 0o644)
        for applet in APPLETS.split():
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
        for path, (text, mode) in (files or {}).items():
            _add_file(archive, path, text.encode(), mode)
    return buffer.getvalue()


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def run_container(
    api: Api,
    owner: str,
    name: str,
    command: Sequence[str],
    *,
    image: str = IMAGE,
    labels: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    restart: str = "no",
    memory: int = 0,
    ports: Mapping[int, int] | None = None,
    address: str = LOOPBACK,
) -> str:
    """Create and start a container with the sandbox's label; its id.

    Args:
        api: the engine.
        owner: the value of the sandbox's label.
        name: of the container; must be free.
        command: what it runs; give a shell loop that ends on TERM, or it is killed a second after it.
        image: what it runs in.
        labels: more labels.
        environment: variables.
        restart: "no", "always", "unless-stopped" or "on-failure".
        memory: limit in bytes; 0 is none.
        ports: container port to port of the machine.
        address: of the machine, that they are published on.

    Raises:
        EngineError: the engine refuses.
    """
    published = {
        f"{inner}/tcp": [{"HostIp": address, "HostPort": str(port)}] for inner, port in (ports or {}).items()
    }
    settings = {
        "Image": image,
        "Cmd": list(command),
        "Labels": {**(labels or {}), LABEL: owner},
        "Env": [f"{key}={value}" for key, value in (environment or {}).items()],
        "StopTimeout": 1,
        "ExposedPorts": {port: {} for port in published},
        "HostConfig": {"RestartPolicy": {"Name": restart}, "Memory": memory, "PortBindings": published},
    }
    made = api.call("POST", "/containers/create", query={"name": name}, body=settings)
    container_id = str(made["Id"])
    api.call("POST", f"/containers/{container_id}/start")
    return container_id


def inspect_container(api: Api, name: str) -> Container:
    """A container by name or id.

    Raises:
        EngineError: there is none (status 404), or the engine cannot be reached.
    """
    found = api.call("GET", f"/containers/{quote(name)}/json")
    state = found["State"]
    started = None if state["StartedAt"] == NEVER_STARTED else datetime.fromisoformat(state["StartedAt"])
    return Container(
        id=found["Id"],
        name=found["Name"].removeprefix("/"),
        image=found["Config"]["Image"],
        state=state["Status"],
        started_at=started,
        restarts=found["RestartCount"],
        exit_code=state["ExitCode"],
        labels=found["Config"]["Labels"] or {},
    )


def remove_labelled(api: Api, owner: str | None, *, images: bool = False) -> None:
    """Remove everything with the sandbox's label and this owner, or any if None; nothing else is touched.

    `images` takes the images along too.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    filters = {"label": [LABEL if owner is None else f"{LABEL}={owner}"]}
    for container in api.call("GET", "/containers/json", query={"all": "1", "filters": filters}):
        _remove(api, f"/containers/{container['Id']}", {"force": "1", "v": "1"})
    for network in api.call("GET", "/networks", query={"filters": filters}):
        _remove(api, f"/networks/{network['Id']}", {})
    for volume in api.call("GET", "/volumes", query={"filters": filters})["Volumes"] or ():
        _remove(api, f"/volumes/{volume['Name']}", {"force": "1"})
    if images:
        for image in api.call("GET", "/images/json", query={"filters": filters}):
            _remove(api, f"/images/{image['Id']}", {"force": "1"})


def remove_images(api: Api, reference: str) -> None:
    """Remove the names of images that are like this, `127.0.0.1:*/*/*`; an image goes with its last name.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    filters = {"reference": [reference]}
    for image in api.call("GET", "/images/json", query={"filters": filters}):
        for name in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())):
            _remove(api, f"/images/{quote(name)}", {})


def _remove(api: Api, path: str, query: Mapping[str, object]) -> None:
    try:
        api.call("DELETE", path, query=query)
    except EngineError as error:
        # Gone already, or on its way: both are what is wanted.
        if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
            raise
