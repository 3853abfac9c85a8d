"""What sites.yaml allows on engines: powers by rule, commands by name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from andock.errors import ConfigError
from config.containers import AllowedByFile, Command, Powers
from config.sites import load_sites

SITES = """\
engines: {edge-1: {url: "unix:///s", environment: dev}}
powers: [{name: own, images: ["registry.lab:5000/team/exporter:*"], may: ["pid=host", "bind=/proc:*:ro"]}]
exec:
  disk: {argv: [df, -h], containers: ["web-*"], within: 5s, output: 2}
"""


@pytest.fixture
def allowed(tmp_path: Path) -> AllowedByFile:
    (tmp_path / "sites.yaml").write_text(SITES)
    return load_sites(tmp_path / "sites.yaml").allowances


@pytest.mark.parametrize(
    ("pattern", "image", "fits"),
    [
        ("docker.io/library/*", "busybox:1", True),
        ("busybox:*", "busybox", True),  # as people write it, with the tag that is left out
        ("busybox", "busybox:evil", True),  # a pattern without a tag is for all of them
        ("busybox", "evil/busybox", False),
        ("registry.lab:5000/team/*", "registry.lab:5000/team/deep/web", True),
        ("registry.lab:5000/team/*", "registry.lab/team/web", False),
        ("registry.lab:5000/team/*", "docker.io/registry.lab/team/web", False),
    ],
)
def test_rules_name_images_whole_or_as_people_write_them(pattern: str, image: str, fits: bool) -> None:
    allowed = AllowedByFile(powers=(Powers(name="own", images=(pattern,), may=("pid=host",)),))
    assert allowed.power(image, "pid=host") == ("own" if fits else "")


def test_powers_are_for_their_images_alone(allowed: AllowedByFile) -> None:
    exporter = "registry.lab:5000/team/exporter:1"
    assert allowed.power(exporter, "pid=host") == "own"
    assert allowed.power(exporter, "bind=/proc:/host/proc:ro") == "own"
    assert allowed.power(exporter, "bind=/proc:/host/proc") == ""
    assert allowed.power(exporter, "privileged") == ""
    assert allowed.power("registry.lab:5000/team/web:1", "pid=host") == ""


def test_commands(allowed: AllowedByFile) -> None:
    command = allowed.command("disk")
    assert command is not None
    assert (command.argv, command.containers) == (("df", "-h"), ("web-*",))
    assert (command.seconds, command.most_bytes) == (5.0, 2048)
    assert allowed.command("df") is None
    assert allowed.commands == ("disk",)
    assert Command(argv=("id",)).within == timedelta(seconds=10)


def test_nothing_is_allowed_that_is_not_listed() -> None:
    nothing = AllowedByFile()
    assert nothing.power("busybox", "privileged") == ""
    assert nothing.command("disk") is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("exec: {disk: {argv: []}}", "exec"),
        ("exec: {disk: {argv: [df], within: 10m}}", "within"),
        ("exec: {'rm -rf': {argv: [df]}}", "no name"),
        ("powers: [{name: x, images: ['*'], may: []}]", "may"),
        ("powers: [{images: ['*'], may: [privileged]}]", "name"),
    ],
)
def test_what_is_wrong_in_the_file_stops_the_start(tmp_path: Path, wrong: str, said: str) -> None:
    (tmp_path / "sites.yaml").write_text(SITES.split("powers:", maxsplit=1)[0] + wrong)
    with pytest.raises(ConfigError, match=said):
        load_sites(tmp_path / "sites.yaml")
