"""An engine whose disk is full: what it says, and what of it was done, on a real one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from andock.errors import BackendRejectedError, Changed
from andock.operation import Mark, Ports, Writer
from andock.operations.container.making import RunParams
from andock.operations.container.running import CONTAINER_RUN
from andock.ports.registry import ImageName
from config.sites import Engine as Site
from sandbox.engine import IMAGE, Engine, start_engine
from tests.fakes.registry import FakeRegistry
from tests.unit.operations.container.chat import Eye
from workers.containers import DockerContainers, Engines


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 64 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def engine(small_disk: Path) -> Iterator[Engine]:
    engine = start_engine(small_disk, own=True)
    engine.import_busybox()
    yield engine
    (small_disk / "filler").unlink(missing_ok=True)
    engine.stop()


def test_a_full_engine_is_told_in_one_sentence_and_has_made_nothing(engine: Engine, small_disk: Path) -> None:
    port = DockerContainers(Engines({"edge-1": Site(url=engine.url, environment="dev")}, Path("/")))
    ctx = Writer(
        watch=Eye(),
        site="edge-1",
        ports=Ports(containers=port, registry=FakeRegistry(allow=(ImageName.parse(IMAGE).path,))),
        checkpoint=lambda _: None,
        mark=Mark(begun_at=0),
    )
    params = RunParams(image=IMAGE, name="job", memory="16m", cpus="0.1", command=("sleep", "60"))
    step = CONTAINER_RUN.plan(params, ctx).steps[0]
    fill(small_disk / "filler")

    with pytest.raises(
        BackendRejectedError, match="no space left on device; its disk is full: see"
    ) as caught:
        CONTAINER_RUN.apply(step, ctx)

    assert caught.value.changed is Changed.NOTHING
    assert port.list_containers("edge-1").rows == ()
    port.close()


def fill(path: Path) -> None:
    free = os.statvfs(path.parent)
    with path.open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, free.f_bavail * free.f_bsize)
