from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from config.sites import Sites, load_sites

ROOT = Path(__file__).resolve().parents[3]
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of an operator, indented as it is convenient here."""

    def write(text: str) -> Path:
        path = tmp_path / "edited.yaml"
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def example_sites() -> Sites:
    return load_sites(ROOT / "config" / "sites.example.yaml")
