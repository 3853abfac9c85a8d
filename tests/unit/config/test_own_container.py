"""Which container a process runs in, out of what kernels of different ages tell about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.own_container import find_container_ids

OWN, OTHER = "a1" * 32, "b2" * 32
V1 = f"""12:pids:/docker/{OWN}
11:memory:/docker/{OWN}
1:name=systemd:/docker/{OWN}
"""
V1_IN_SYSTEMD = f"5:cpu,cpuacct:/system.slice/docker-{OWN}.scope\n"
V2 = "0::/\n"
LAYERS = f"""702 505 0:60 / / rw,relatime - overlay overlay rw,upperdir=/var/lib/docker/overlay2/{OTHER}/diff
640 90 0:59 / /var/lib/docker/overlay2/{OTHER}/merged rw,relatime - overlay overlay rw
"""
HOST_NAME = f"713 702 254:1 /var/lib/docker/containers/{OWN}/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n"
# somebody who watches the host sees what other containers are lent
LENT = (
    f"714 702 254:1 /var/lib/docker/containers/{OTHER}/hostname /host/etc/hostname rw - ext4 /dev/vda1 rw\n"
)


@pytest.mark.parametrize(
    ("cgroup", "mounts", "host", "found"),
    [
        pytest.param(V1, "", "web", {OWN}, id="cgroup v1"),
        pytest.param(V1_IN_SYSTEMD, "", "web", {OWN}, id="cgroup v1, named by systemd"),
        pytest.param(V2, LAYERS + HOST_NAME, "web", {OWN}, id="cgroup v2, known by its file of host names"),
        pytest.param(V2, LAYERS, "web", set(), id="another container's layer is not ours"),
        pytest.param(V2, LENT, "web", set(), id="nor is what another one is lent"),
        pytest.param(V2, "", OWN[:12], {OWN[:12]}, id="the host name is the id's beginning"),
        pytest.param(V2, "", "ABCDEF012345", set(), id="a host name that only looks like one"),
        pytest.param(None, None, "web", set(), id="no container"),
    ],
)
def test_the_container_is_known_by(
    tmp_path: Path, cgroup: str | None, mounts: str | None, host: str, found: set[str]
) -> None:
    for name, text in (("cgroup", cgroup), ("mountinfo", mounts)):
        if text is not None:
            (tmp_path / name).write_text(text)

    assert set(find_container_ids(tmp_path, host)) == found
