"""hooks.yaml: who may ask over HTTP; every mistake is one sentence with file, line and fix."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from andock.errors import ConfigError
from config.hooks import Hook, load_hooks
from config.sites import Sites

ROOT = Path(__file__).resolve().parents[3]
SECRET, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
ENVIRON = {"A": SECRET, "B": OTHER, "SAME": SECRET, "SHORT": SECRET[1:]}
GOOD = "secret: {env: A}, services: [api], environments: [prod], channel: C0OPS"


def load(folder: Path, text: str, sites: Sites) -> dict[str, Hook]:
    (folder / "hooks.yaml").write_text(textwrap.dedent(text).lstrip("\n"))
    return dict(load_hooks(folder, sites, ENVIRON))


def test_without_the_file_there_are_no_hooks(tmp_path: Path, example_sites: Sites) -> None:
    assert load_hooks(tmp_path, example_sites, ENVIRON) == {}


def test_a_hook_has_its_secret_and_never_shows_it(tmp_path: Path, example_sites: Sites) -> None:
    hook = load(tmp_path, f"hooks: {{ci: {{{GOOD}}}}}", example_sites)["ci"]

    assert hook.secret.get_secret_value() == SECRET
    assert SECRET not in repr(hook)
    assert (hook.settings.channel, hook.settings.per_minute) == ("C0OPS", 10)
    assert hook.settings.services.fits("api")
    assert not hook.settings.services.fits("web")


def test_a_secret_may_lie_in_a_file_beside_it(tmp_path: Path, example_sites: Sites) -> None:
    (tmp_path / "hook-ci").write_text(OTHER + "\n")

    hooks = load(tmp_path, f"hooks: {{ci: {{{GOOD.replace('env: A', 'file: hook-ci')}}}}}", example_sites)

    assert hooks["ci"].secret.get_secret_value() == OTHER


def test_the_example_loads(tmp_path: Path, example_sites: Sites) -> None:
    example = (ROOT / "config/hooks.example.yaml").read_text()
    (tmp_path / "hooks.yaml").write_text(example)

    assert set(load_hooks(tmp_path, example_sites, {"DEPLOY_HOOK_SECRET": SECRET})) == {"ci"}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (f"hooks:\n  ci: {{{GOOD}, servces: [x]}}", 2, "did you mean `services`?"),
        (f"hook:\n  ci: {{{GOOD}}}", 1, "did you mean `hooks`?"),
        (
            "hooks:\n  ci:\n    secret: {env: A}\n    services: [api]\n    channel: C0OPS",
            2,
            "hooks.ci.environments",
        ),
        (f"hooks:\n  CI: {{{GOOD}}}", 2, "small letters"),
        (
            "hooks:\n  ci:\n    " + GOOD.replace(", ", "\n    ").replace("[prod]", "[prdo]"),
            5,
            "did you mean `prod`?",
        ),
        ("hooks:\n  ci:\n    " + GOOD.replace(", ", "\n    ").replace("C0OPS", '"#ops"'), 6, "`C...`"),
        (
            "hooks:\n  ci:\n    " + GOOD.replace(", ", "\n    ").replace("[api]", "[]"),
            4,
            "may ask for no service",
        ),
        (f"hooks:\n  ci: {{{GOOD.replace('env: A', 'env: NOT_SET')}}}", 2, "env NOT_SET cannot be read"),
        (f"hooks:\n  ci: {{{GOOD.replace('env: A', 'file: none')}}}", 2, "file none cannot be read"),
        (f"hooks:\n  ci: {{{GOOD.replace('env: A', 'env: SHORT')}}}", 2, "openssl rand -hex 32"),
        (
            f"hooks:\n  a: {{{GOOD}}}\n  b: {{{GOOD.replace('env: A', 'env: SAME')}}}",
            3,
            "have the same secret",
        ),
        (f"hooks:\n  ci: {{{GOOD}, per_minute: 0}}", 2, "per_minute"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_fix_and_without_the_secret(
    tmp_path: Path, example_sites: Sites, text: str, line: int, says: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text, example_sites)

    sentence = error.value.sentence
    assert sentence.startswith(f"{tmp_path / 'hooks.yaml'}:{line}:")
    assert says in sentence
    assert " Fix: " in sentence
    assert SECRET[1:] not in sentence
