"""What `andock doctor` says of hooks.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.sites import load_sites
from workers.doctor import Finding, Level
from workers.doctor.hooks import check_hooks, secrets_of_hooks

SECRET = "0123456789abcdef" * 2
SITES = "engines:\n  edge-1: {url: 'unix:///run/docker.sock', environment: dev}\n"
HOOK = "{secret: {file: hook-ci}, services: [api], environments: [dev], channel: C0OPS}"


def look(folder: Path, hooks: str, named: str = "hook:ci") -> list[Finding]:
    (folder / "sites.yaml").write_text(SITES)
    (folder / "policy.yaml").write_text(f"groups: {{ci: {{users: ['{named}']}}}}\n")
    (folder / "hooks.yaml").write_text(hooks)
    (folder / "hook-ci").write_text(SECRET)
    (folder / "hook-ci").chmod(0o600)
    return list(check_hooks(load_sites(folder / "sites.yaml"), folder))


def test_hooks_that_are_right_are_named(tmp_path: Path) -> None:
    (found,) = look(tmp_path, f"hooks: {{ci: {HOOK}}}")

    assert (found.level, found.what, found.detail) == (Level.OK, "hooks.yaml", "hooks ci")
    assert list(secrets_of_hooks(load_sites(tmp_path / "sites.yaml"), tmp_path)) == [SECRET]


def test_without_hooks_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert look(tmp_path, "hooks: {}", named="U0OPS1") == []


def test_a_mistake_fails_with_its_line_and_fix(tmp_path: Path) -> None:
    (found,) = look(tmp_path, f"hooks:\n  ci: {HOOK.replace('dev', 'prod')}")

    assert found.level is Level.FAIL
    assert "hooks.yaml:2: there is no environment `prod`" in found.detail
    assert SECRET not in found.detail


@pytest.mark.parametrize(
    ("named", "what", "says"),
    [
        ("hook:cl", "hook cl", "hooks.yaml has no such hook"),
        ("U0OPS1", "hook ci", "it may ask for nothing"),
    ],
)
def test_a_hook_that_only_one_of_the_files_knows_is_warned_of(
    tmp_path: Path, named: str, what: str, says: str
) -> None:
    found = {finding.what: finding for finding in look(tmp_path, f"hooks: {{ci: {HOOK}}}", named)}

    assert found[what].level is Level.WARN
    assert says in found[what].detail


def test_a_secret_that_others_may_read_is_warned_of(tmp_path: Path) -> None:
    look(tmp_path, f"hooks: {{ci: {HOOK}}}")
    (tmp_path / "hook-ci").chmod(0o644)

    found = check_hooks(load_sites(tmp_path / "sites.yaml"), tmp_path)

    assert [finding.fix for finding in found if finding.level is Level.WARN] == [
        f"chmod 600 {tmp_path / 'hook-ci'}"
    ]
