"""The documents say what the code does: generated pages are fresh, examples load, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import yaml

import andock
from andock.catalogue import load_catalogue
from bot.parsing import parse
from bot.reference import describe_operations
from bot.rehearsal import Rehearsal
from config.compose import (
    ComposeFile,
    ComposeService,
    Deploy,
    Extension,
    Healthcheck,
    ResourceLimits,
    UpdateConfig,
)
from config.policy import load_policy
from config.reference import describe_settings
from config.role import describe_role
from config.services import load_service
from config.sites import load_sites
from config.unsupported import UNSUPPORTED

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
STALE = "is not what the code says: run `make docs`"


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_settings_page_is_fresh() -> None:
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == describe_settings(), STALE


def test_the_operations_page_is_fresh() -> None:
    written = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert written == describe_operations(load_catalogue()), STALE


def test_the_role_page_is_fresh() -> None:
    written = (ROOT / "docs/vsphere-role.md").read_text(encoding="utf-8")
    assert written == describe_role(load_catalogue()), STALE


def test_no_password_is_on_the_settings_page() -> None:
    assert "SecretStr" not in describe_settings()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        if not link.startswith(("https://", "http://")):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_every_example_of_an_operation_is_one_command() -> None:
    catalogue = load_catalogue()
    for operation in catalogue:
        for example in operation.examples:
            assert parse(example, catalogue).operation.name == operation.name


def worked_examples() -> list[tuple[str, str]]:
    """Each policy on the policy page, and the cases below it."""
    found = blocks("docs/policy.md", "yaml")
    return list(zip(found[::2], found[1::2], strict=True))


def test_ten_policies_are_worked_through() -> None:
    assert len(worked_examples()) == 10
    assert all("cases" in yaml.safe_load(cases) for _, cases in worked_examples())


@pytest.mark.parametrize("number", range(10))
def test_each_policy_on_the_policy_page_decides_as_the_page_says(number: int, tmp_path: Path) -> None:
    policy, cases = worked_examples()[number]
    (tmp_path / "policy.yaml").write_text(policy)
    (tmp_path / "cases.yaml").write_text(cases)
    catalogue, sites = load_catalogue(), load_sites(ROOT / "config/sites.example.yaml")
    loaded = load_policy(tmp_path / "policy.yaml", operations=catalogue, sites=sites)

    assert Rehearsal.load(tmp_path / "cases.yaml", catalogue, sites).play(loaded) == ()


def test_the_policy_on_the_approvals_page_loads(tmp_path: Path) -> None:
    (text,) = blocks("docs/approvals.md", "yaml")
    (tmp_path / "policy.yaml").write_text(text)
    sites = load_sites(ROOT / "config/sites.example.yaml")
    assert load_policy(tmp_path / "policy.yaml", operations=load_catalogue(), sites=sites).rules


def test_the_policy_on_the_hooks_page_loads_and_lets_ci_deploy(tmp_path: Path) -> None:
    page = (ROOT / "docs/hooks.md").read_text(encoding="utf-8")
    indented = re.findall(r"^   ```yaml\n(.*?)^   ```$", page, re.MULTILINE | re.DOTALL)
    (text,) = (textwrap.dedent(block) for block in indented if "rules:" in block)
    (tmp_path / "policy.yaml").write_text(text)
    sites = load_sites(ROOT / "config/sites.example.yaml")
    policy = load_policy(tmp_path / "policy.yaml", operations=load_catalogue(), sites=sites)
    assert [list(rule.allow) for rule in policy.rules] == [["service deploy"], ["service deploy"]]


@pytest.mark.parametrize("number", range(len(blocks("docs/freezes-and-locks.md", "yaml"))))
def test_each_policy_on_the_freezes_page_loads(number: int, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(blocks("docs/freezes-and-locks.md", "yaml")[number])
    sites = load_sites(ROOT / "config/sites.example.yaml")
    assert load_policy(tmp_path / "policy.yaml", operations=load_catalogue(), sites=sites).freezes


def test_the_service_on_the_deployments_page_loads(tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(blocks("docs/deployments.md", "yaml")[0])
    sites = load_sites(ROOT / "config/sites.example.yaml")
    assert load_service(tmp_path / "api.yaml", sites).places["stage"].after == "dev"


def test_the_policy_on_the_deployments_page_lets_services_be_deployed(tmp_path: Path) -> None:
    page = (ROOT / "docs/deployments.md").read_text(encoding="utf-8")
    indented = re.findall(r"^   ```yaml\n(.*?)^   ```$", page, re.MULTILINE | re.DOTALL)
    (text,) = (textwrap.dedent(block) for block in indented if "rules:" in block)
    (tmp_path / "policy.yaml").write_text(text)
    cases = [
        {
            "user": "U0OPS1",
            "command": "deploy api v1.2.3 to stage",
            "targets": ["api"],
            "expected": "approval",
        },
        {
            "user": "U0OPS1",
            "command": "service rollback api in stage",
            "targets": ["api"],
            "expected": "allow",
        },
        {"user": "U0OPS1", "command": "deploy api v1.2.3 to dev", "targets": ["first"], "expected": "allow"},
        {"user": "U0LEAD1", "command": "deploy api v1.2.3 to dev", "targets": ["first"], "expected": "deny"},
        {
            "user": "U0LEAD1",
            "command": "service plan api v1.2.3 to dev",
            "targets": ["first"],
            "expected": "allow",
        },
    ]
    targets = {
        "api": {"site": "edge-3", "environment": "stage"},
        "first": {"site": "edge-1", "environment": "dev"},
    }
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump({"targets": targets, "cases": cases}))
    sites, catalogue = load_sites(ROOT / "config/sites.example.yaml"), load_catalogue()
    policy = load_policy(tmp_path / "policy.yaml", operations=catalogue, sites=sites)
    assert Rehearsal.load(tmp_path / "cases.yaml", catalogue, sites).play(policy) == ()


def test_the_deployments_page_names_every_word_of_a_services_file_and_what_is_refused() -> None:
    page = (ROOT / "docs/deployments.md").read_text()
    said = {part for word in re.findall(r"`([a-z_.-]+)`", page) for part in word.split(".")}
    models = (ComposeFile, ComposeService, Extension, Deploy, ResourceLimits, UpdateConfig, Healthcheck)
    words = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert words - said == {"services"}
    explained = {word.rpartition(".")[2] for word, fix in UNSUPPORTED.items() if fix != "remove it."}
    assert explained <= said


def test_make_targets_in_the_documents_exist() -> None:
    known = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        said = set(re.findall(r"`make ([a-z]+)", document.read_text(encoding="utf-8")))
        assert said <= known, f"{document.name}: {said - known}"


def test_decisions_are_short_and_numbered() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        lines = page.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 25, page.name
        assert [line for line in lines if line.startswith("## ")] == [
            "## Context",
            "## Decision",
            "## Consequences",
        ]


def test_the_guide_to_adding_an_operation_works_as_written(tmp_path: Path) -> None:
    """CONTRIBUTING's operation and its test, pasted into a copy, pass."""
    module, test = blocks("CONTRIBUTING.md", "python")[:2]
    paths = re.findall(r"^`((?:andock|tests)/\S+\.py)`", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    ignored = {".git", ".venv", ".cache", ".sandbox", "__pycache__", ".mypy_cache", ".ruff_cache"}
    for folder in ("andock", "bot", "config", "tests"):
        for source in (ROOT / folder).rglob("*.py"):
            if not ignored & set(source.parts):
                target = tmp_path / source.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
    for script in (ROOT / "andock/scripts").glob("*.lua"):
        (tmp_path / "andock/scripts").mkdir(exist_ok=True)
        (tmp_path / "andock/scripts" / script.name).write_bytes(script.read_bytes())
    for path, text in zip(paths[:2], (module, test), strict=True):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--import-mode=importlib",
            "--noconftest",
            "-p",
            "no:cacheprovider",
            paths[1],
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == andock.__version__
