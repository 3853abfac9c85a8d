"""Names of images, and the patterns of an allow list."""

from __future__ import annotations

import pytest

from andock.errors import UserError
from andock.ports.registry import ImageName

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("typed", "registry", "repository", "tag", "digest", "familiar"),
    [
        ("web", "docker.io", "library/web", "latest", "", "web:latest"),
        ("team/web:1.2", "docker.io", "team/web", "1.2", "", "team/web:1.2"),
        ("registry.lab:5000/team/web", "registry.lab:5000", "team/web", "latest", "",
         "registry.lab:5000/team/web:latest"),
        ("registry.lab:5000/web:1", "registry.lab:5000", "web", "1", "", "registry.lab:5000/web:1"),
        ("localhost/web", "localhost", "web", "latest", "", "localhost/web:latest"),
        ("127.0.0.1:5000/a/b/c:x-1_2", "127.0.0.1:5000", "a/b/c", "x-1_2", "", "127.0.0.1:5000/a/b/c:x-1_2"),
        (f"web@{DIGEST}", "docker.io", "library/web", "", DIGEST, f"web@{DIGEST}"),
        (f"ghcr.io/a/b:2@{DIGEST}", "ghcr.io", "a/b", "2", DIGEST, f"ghcr.io/a/b:2@{DIGEST}"),
        (" web ", "docker.io", "library/web", "latest", "", "web:latest"),
    ],
)  # fmt: skip
def test_what_a_name_leaves_out_is_filled_in(
    typed: str, registry: str, repository: str, tag: str, digest: str, familiar: str
) -> None:
    name = ImageName.parse(typed)
    assert name == ImageName(registry, repository, tag, digest)
    assert name.familiar == familiar
    assert ImageName.parse(name.familiar) == name


@pytest.mark.parametrize(
    "typed",
    [
        "", "Web", "web:", "web:a b", "web:1:2", "a//b", "/web", "web/", "../web", "registry.lab:port/web",
        "web@sha256:12", "web@md5:00", "http://registry.lab/web", "web;id", "web\n", "-web", "web:-1", "wéb",
        "a" * 10 + "@", "registry.lab:5000/",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused_with_the_reason(typed: str) -> None:
    if typed.endswith("@") or typed == "web\n":
        assert ImageName.parse(typed)  # nothing behind it, and blanks around it, are harmless
        return
    with pytest.raises(UserError, match="is no name of an image: "):
        ImageName.parse(typed)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("registry.lab:5000/team/*", "registry.lab:5000/team/web:1", True),
        ("registry.lab:5000/team/*", "registry.lab:5000/team/deep/web:1", True),
        ("registry.lab:5000/team/*", "registry.lab:5001/team/web:1", False),
        ("registry.lab:5000/team/*", "registry.lab/team/web:1", False),
        ("registry.lab:5000/team/*", "registry.lab:5000/teams/web:1", False),
        ("registry.lab:5000/team/*", "evil.example/registry.lab:5000/team/web", None),
        ("registry.lab:5000/*", "registry.lab:5000/web", True),
        ("registry.lab:5000/team/web", "registry.lab:5000/team/web:9", True),
        ("registry.lab:5000/team/web:2.*", "registry.lab:5000/team/web:2.1", True),
        ("registry.lab:5000/team/web:2.*", "registry.lab:5000/team/web:3.0", False),
        ("docker.io/library/*", "busybox", True),
        ("docker.io/library/*", "somebody/busybox", False),
    ],
)  # fmt: skip
def test_a_pattern_speaks_of_the_whole_name_with_its_port(pattern: str, name: str, fits: bool | None) -> None:
    if fits is None:
        with pytest.raises(UserError):
            ImageName.parse(name)
        return
    assert ImageName.parse(name).fits(pattern) is fits
