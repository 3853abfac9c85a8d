"""Writes services' files as it is convenient in a test."""

from __future__ import annotations

import textwrap
from pathlib import Path

from andock.errors import ConfigError
from andock.ports.services import Service
from config.services import load_service
from config.sites import Sites, load_sites

SITES = """
engines:
  edge-1: {url: "unix:///run/1.sock", environment: staging}
  edge-2: {url: "unix:///run/2.sock", environment: prod, environments: [{tag: "tier=lab", is: staging}]}
  edge-3: {url: "unix:///run/3.sock", environment: prod}
  far: {url: "unix:///run/4.sock", environment: prod, pool: far}
registries:
  registry.lab:5000: {allow: ["registry.lab:5000/team/*", "registry.lab:5000/base/web:2.*"]}
  docker.io: {}
"""
RUNS = "x-andock: {environments: {staging: {engines: [edge-1]}}}"


def sites_in(folder: Path) -> Sites:
    """sites.yaml with two environments and two pools."""
    path = folder / "sites.yaml"
    path.write_text(SITES, encoding="utf-8")
    return load_sites(path)


def in_service(text: str, extension: str = RUNS) -> str:
    """A file whose service `api` says this, from line 4 on, and where it runs."""
    said = textwrap.indent(textwrap.dedent(text).strip("\n"), "    ")
    image = "" if "image:" in text else "    image: redis:7\n"
    return f"services:\n  api:\n    {extension}\n{said}\n{image}"


def load(folder: Path, text: str) -> Service:
    """What the text is as config/services/api.yaml."""
    path = folder / "api.yaml"
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return load_service(path, sites_in(folder))


def complaint(folder: Path, text: str) -> str:
    """What is said of a wrong file, from the line on."""
    try:
        load(folder, text)
    except ConfigError as error:
        start, _, fix = error.sentence.removeprefix(str(folder / "api.yaml")).partition(" Fix: ")
        assert fix
        return f"{start} Fix: {fix}"
    raise AssertionError("nothing was said")
