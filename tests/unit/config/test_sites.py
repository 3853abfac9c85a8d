"""sites.yaml: every mistake is one sentence with file, line and fix, before a process starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from andock.errors import ConfigError, UnknownSiteError
from andock.operation import Backend
from config.environments import EnvironmentRule, Site
from config.sites import Sites, load_sites
from tests.unit.config.conftest import Write

GOOD = "engines:\n  edge-1: {url: 'unix:///run/docker.sock', environment: dev}\n"


def complaint(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load_sites(path)
    sentence = error.value.sentence
    assert sentence.startswith(str(path))
    assert " Fix: " in sentence
    return sentence.removeprefix(str(path))


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param(
            """
            vcenters:
              lab:
                hots: vcenter.lab
                user: andock
                password: {env: P}
                environment: dev
            """,
            3,
            "did you mean `host`?",
            id="an unknown key has a nearest name",
        ),
        pytest.param(
            """
            instance: main
            engine:
              edge: {url: "unix:///s", environment: dev}
            """,
            2,
            "did you mean `engines`?",
            id="an unknown section",
        ),
        pytest.param(
            """
            vcenters:
              lab: {host: h, user: u, environment: dev}
            """,
            2,
            "vcenters.lab.password",
            id="a missing key is named with its place",
        ),
        pytest.param(
            """
            vcenters:
              lab:
                host: h
                user: u
                password: secret
                environment: dev
            """,
            5,
            "vcenters.lab.password",
            id="a secret in the file itself",
        ),
        pytest.param(
            """
            vcenters:
              lab:
                host: h
                user: u
                password: {env: A, file: b}
                environment: dev
            """,
            5,
            "{env: NAME} or {file: PATH}",
            id="a secret with two places",
        ),
        pytest.param(
            """
            engines:
              edge:
                url: http://10.0.0.7:2375
                environment: dev
            """,
            3,
            "unix:///path, tcp://host:port or ssh://user@host:port",
            id="an engine by HTTP",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "ssh://ops@10.0.0.7:22", environment: dev}
            """,
            2,
            "needs ssh: {key, known_hosts}",
            id="an engine by SSH without its host key",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "ssh://-oProxyCommand=id@h", environment: dev, ssh: {key: {env: K}, known_hosts: k}}
            """,
            2,
            "ssh://user@host:port",
            id="an engine by SSH whose user is an option",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev, insecure: true}
            """,
            2,
            "insecure are for tcp://",
            id="a socket that is said to be insecure",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "tcp://10.0.0.7:2375", environment: dev}
            """,
            2,
            "needs tls",
            id="an engine on TCP without TLS",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev}
            registries:
              registry.lab:5000: {allow: ["registry.lab/team/*"]}
            """,
            1,
            "allows begins with `registry.lab:5000/`, and `registry.lab/team/*` does not",
            id="a registry that allows another port's images",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev}
            registries:
              registry.lab:5000: {user: puller}
            """,
            4,
            "a login is user and password",
            id="half a login",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev}
            registries:
              https://registry.lab: {}
            """,
            1,
            "`https://registry.lab` is no registry's address",
            id="a registry by URL",
        ),
        pytest.param(
            """
            engines:
              Edge: {url: "unix:///s", environment: dev}
            """,
            1,
            "`Edge` is no name",
            id="a site's name in capitals",
        ),
        pytest.param(
            """
            engines:
              one: {url: "unix:///s", environment: dev}
            vcenters:
              one: {host: h, user: u, password: {env: P}, environment: dev}
            """,
            1,
            "vCenter and of an engine",
            id="one name for two sites",
        ),
        pytest.param(
            """
            vcenters:
              lab:
                {host: h, user: u, password: {env: P}, environment: dev}
            events:
              channel: C0EVENTS
              kinds: [vm-off, host-los]
            """,
            6,
            "there is no kind of event `host-los`. Fix: did you mean `host-lost`? there are host-lost",
            id="an unknown kind of event",
        ),
        pytest.param(
            """
            vcenters:
              lab:
                host: h
                user: u
                password: {env: P}
                environment: dev
                events: {channel: C0, kinds: [everything]}
            """,
            7,
            "there is no kind of event `everything`. Fix: there are host-lost",
            id="an unknown kind of event of one vCenter",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev}
            pools:
              edgy: {read: 1}
            """,
            1,
            "pool `edgy` has no site",
            id="a pool that nothing is in",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev}
            pools:
              docker: {read: 0}
            """,
            4,
            "pools.docker.read",
            id="a pool without a worker for reads",
        ),
        pytest.param(
            """
            engines:
              edge:
                url: "unix:///s"
                environment: dev
                environments:
                  - {folder: "*/prod/*", tag: "a=b", is: prod}
            """,
            6,
            "one of folder, cluster and tag",
            id="an environment rule with two conditions",
        ),
        pytest.param(
            """
            engines:
              edge:
                url: "unix:///s"
                environment: dev
                environments:
                  - {cluster: "prod-*", is: prod}
            """,
            None,
            "clusters are of vCenters",
            id="an environment rule of an engine that goes by cluster",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev}
              edge: {url: "unix:///t", environment: prod}
            """,
            3,
            "`edge` is there twice",
            id="a key twice",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: prod}
            audit:
              channel: C0AUDIT
              environments: [prd]
            """,
            5,
            "did you mean `prod`?",
            id="an environment that the record watches and nothing is in",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev}
            redact:
              patterns:
                - "ACME-[0-9]{4}"
                - "ACME-("
            """,
            6,
            "`ACME-(` is no regular expression",
            id="a pattern that is none",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: prod}
            own:
              engines:
                - egde
            """,
            5,
            "there is no engine `egde`. Fix: did you mean `edge`?",
            id="an own engine that is none",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: prod}
            audit: {environments: [prod]}
            """,
            3,
            "need a channel",
            id="heads without a channel",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev}
            redact: {patterns: ["ACME-.*"]}
            """,
            3,
            "may take more than 512 characters: write {1,100} for +",
            id="a pattern without bounds",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: prod}
            audit:
              sinks: [stdout, "syslog://log:514"]
            """,
            4,
            "syslog+udp://host:514",
            id="a sink of no known kind",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev}
            redact:
              secrets:
                - {env: A}
                - {env: B, file: c}
            """,
            6,
            "{env: NAME} or {file: PATH}",
            id="a known secret with two places",
        ),
        pytest.param(
            """
            engines:
              edge: {url: "unix:///s", environment: dev}
            redact:
              secrets:
                - {env: A, processes: [boot]}
            """,
            5,
            "redact.secrets.0.processes.0",
            id="a known secret of a process that there is not",
        ),
        pytest.param("engines:\n  edge: {url: \n", 3, "is not YAML", id="a bracket that is not closed"),
        pytest.param("engines:\n\t- a\n", 2, "is not YAML", id="a tab"),
        pytest.param("- a\n- b\n", 1, "the document", id="a list instead of sections"),
        pytest.param("just words\n", 1, "the document", id="a sentence instead of sections"),
        pytest.param("instance: main\n", None, "names no site", id="no site at all"),
        pytest.param("", None, "names no site", id="an empty file"),
        pytest.param("? [a, b]\n: c\n", 1, "", id="a list as a key"),
        pytest.param("engines: &a\n  x: *a\n", 2, "", id="a value inside itself"),
        pytest.param("instance: 2026-13-45\n", None, "put it between quotes", id="the 13th month"),
        pytest.param("a: " + "[" * 5000, None, "lies too deep", id="a bracket too many"),
        pytest.param("engines: !!python/object/apply:os.system [id]\n", 1, "is not YAML", id="code"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_fix(
    write: Write, text: str, line: int | None, says: str
) -> None:
    said = complaint(write(text))

    assert said.startswith(f":{line}:" if line else ":")
    assert says in said


@pytest.mark.parametrize("content", [b"engines: \xff\xfe", b"instance: a\x00b\n", b"a: \x1b[31m\n"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "edited.yaml"
    path.write_bytes(content)

    assert "is not" in complaint(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in complaint(tmp_path / "sites.yaml")


def test_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in complaint(tmp_path)


def test_the_example_loads(example_sites: Sites) -> None:
    assert example_sites.names() == ("lab", "edge-1", "edge-2", "edge-3")


def test_a_site_is_in_its_backends_pool_unless_it_says_otherwise(example_sites: Sites) -> None:
    assert example_sites.pool_of("lab") == "vsphere"
    assert example_sites.pool_of("edge-1") == "docker"
    assert example_sites.pool_of("edge-2") == "edge"
    assert example_sites.pools_of(Backend.DOCKER) == ("docker", "edge")


def test_a_pool_left_out_has_two_readers_two_changers_and_one_for_long(write: Write) -> None:
    pool = load_sites(write(GOOD)).pool("docker")

    assert (pool.read, pool.change, pool.long) == (2, 2, 1)


@pytest.mark.parametrize(
    ("path", "environment"),
    [("/DC0/vm/prod/db-1", "prod"), ("/DC0/vm/stage/db-1", "stage"), ("/DC0/vm/db-1", "dev")],
)
def test_the_first_environment_rule_that_fits_wins(example_sites: Sites, path: str, environment: str) -> None:
    assert example_sites.site("lab").environment_of(path) == environment


def test_the_record_may_have_sinks_of_every_kind(write: Write) -> None:
    sinks = ("stdout", "syslog+udp://log:514", "syslog+tcp://[::1]:601", "syslog+unix:///dev/log")

    sites = load_sites(write(GOOD + f"audit: {{sinks: {list(sinks)}}}\n"))

    assert sites.audit.sinks == sinks


def test_an_unknown_site_says_the_nearest(example_sites: Sites) -> None:
    with pytest.raises(UnknownSiteError, match="edge-1"):
        example_sites.site("egde-1")


@pytest.mark.parametrize(
    ("cluster", "environment"), [("prod-1", "prod"), ("PROD-1", "dev"), ("dev", "dev"), ("", "dev")]
)
def test_the_environment_may_follow_from_the_cluster(cluster: str, environment: str) -> None:
    rules = (EnvironmentRule(cluster="prod-*", **{"is": "prod"}), EnvironmentRule(tag="a=b", **{"is": "x"}))
    site = Site(environment="dev", environments=rules)
    assert site.environment_of("/DC0/vm/web", (), cluster) == environment
    assert site.environment_of("/DC0/vm/web", ("a=b",)) == "x"
