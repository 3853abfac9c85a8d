"""`andock policy check` and `andock policy test`: what is wrong with a policy, before it counts."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from redis.exceptions import RedisError

from andock.catalogue import Catalogue, load_catalogue
from andock.coverage import Ground
from andock.errors import ConfigError
from andock.ledger import Ledger
from andock.memberships import Roster
from andock.review import Finding, Members, review
from andock.rulebook import Policy
from andock.signing import load_verifier
from bot.rehearsal import Rehearsal
from config.installation import connect
from config.policy import load_policy
from config.settings import Settings, read_settings
from config.sites import Sites, load_sites


@click.group()
def policy() -> None:
    """Look at policy.yaml before it counts: in ANDOCK_CONFIG_DIR, beside sites.yaml."""


@policy.command()
def check() -> None:
    """Find rules that never match, and approvals that nobody can give or that can be got around.

    Exit code 1 if anything is found. Who is in user groups is known where Andock runs.
    """
    settings = read_settings(Settings)
    catalogue, sites, read = _load(settings)
    members = _members(settings, sites, read)
    found = review(read, catalogue, _grounds(sites), members)
    for finding in found:
        click.echo(_line(settings.config_dir / read.source, finding))
    wrong = sum(finding.sure for finding in found)
    click.echo(f"{len(read.rules)} rules: {wrong or 'nothing'} to mend")
    sys.exit(1 if wrong else 0)


@policy.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def test(files: tuple[Path, ...]) -> None:
    """Decide the cases of FILES, and show those that come out otherwise than expected; exit code 1 then."""
    catalogue, sites, read = _load(read_settings(Settings))
    played = failed = 0
    for path in files:
        rehearsal = Rehearsal.load(path, catalogue, sites)
        failures = rehearsal.play(read)
        for failure in failures:
            click.echo(f"{failure.where}: {failure.text}")
        played += len(rehearsal.cases.cases)
        failed += len(failures)
    click.echo(f"{played} cases: {failed or 'none'} failed")
    sys.exit(1 if failed else 0)


def _load(settings: Settings) -> tuple[Catalogue, Sites, Policy]:
    catalogue = load_catalogue()
    sites = load_sites(settings.config_dir / "sites.yaml")
    read = load_policy(settings.config_dir / "policy.yaml", operations=catalogue, sites=sites)
    return catalogue, sites, read


def _grounds(sites: Sites) -> tuple[Ground, ...]:
    return tuple(
        Ground(name, sites.backend_of(name), sites.site(name).possible_environments) for name in sites.names()
    )


def _members(settings: Settings, sites: Sites, read: Policy) -> Members:
    """Who is in the user groups, as the bot left it in Redis; nothing where there is none."""
    if not read.usergroups:
        return {}
    try:
        ledger = Ledger(connect(settings.redis_url.get_secret_value()), sites.instance)
        # who runs this on the host signs no records; a process that meets a forged snapshot does
        roster = Roster(ledger, load_verifier(settings.keys_dir), lambda _why, _content: None)
        found = roster.read(read.usergroups)
    except (ConfigError, RedisError):
        return {}
    return {group: membership.members for group, membership in found.known.items()}


def _line(path: Path, finding: Finding) -> str:
    return f"{path}:{finding.line}: {'' if finding.sure else 'note: '}{finding.problem} Fix: {finding.fix}"
