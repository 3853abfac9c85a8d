"""A service's file: every mistake is one sentence with file, line and fix, and nothing is left unread."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from andock.errors import ConfigError
from config.compose import ComposeFile, ComposeService, Deploy
from config.services import load_service
from config.sites import Sites
from config.unsupported import UNSUPPORTED
from tests.unit.config.conftest import ROOT
from tests.unit.config.services import RUNS, complaint, in_service

WORDS = """
annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs
container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus
cpuset credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search
domainname entrypoint env_file environment expose extends external_links extra_hosts gpus group_add
healthcheck hostname image init ipc isolation label_file labels links logging mac_address mem_limit
mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj
pid pids_limit platform ports post_start pre_stop privileged profiles provider pull_policy
pull_refresh_after read_only restart runtime scale secrets security_opt shm_size stdin_open
stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts
volumes volumes_from working_dir
"""  # of a service, in the schema that the specification publishes

IN_SERVICE = [
    ("imgae: redis", 4, "did you mean `image`?"),
    ("image:", 4, "is no name of an image"),
    ("image: Redis", 4, "lower case letters"),
    ("image: redis@sha256:" + "0" * 64, 4, "name a tag"),
    ("image: redis:v${VERSION}", 4, "a variable may only be the whole tag"),
    ("image: redis:${VERSION:-${OTHER}}", 4, "a variable may only be the whole tag"),
    ("image: quay.io/team/api", 4, "there is no registry in sites.yaml `quay.io`"),
    ("image: registry.lab:5000/other/api", 4, "is not allowed by `registries:` in sites.yaml"),
    ("command: ''", 4, "leave it out, and the image's own is run"),
    ("command: 'echo \"hello'", 4, "No closing quotation"),
    ("command: [a, [b]]", 4, "services.api.command.1"),
    ("environment:\n  A: b\n  HOME:", 6, "has no value, and none is taken from a shell"),
    ("environment: [HOME]", 4, "has no value, and none is taken from a shell"),
    ("environment: [A=1, A=2]", 4, "`A` is there twice"),
    ("environment:\n  A: {env: B, file: c}", 5, "a secret is {env: NAME} or {file: PATH}"),
    ("environment:\n  A: {vault: B}", 5, "a secret is {env: NAME} or {file: PATH}"),
    ("environment:\n  - 'A={env: B}'", 4, "a secret is {env: NAME} or {file: PATH}"),
    ("environment:\n  - {A: {env: B}}", 4, "a secret needs the map"),
    ("environment:\n  A: 1\n  B: x-${HOME}", 6, "`services.api.environment.B` holds the variable `${HOME}`"),
    ("environment: [A=$HOME]", 4, "holds the variable `$HOME`"),
    ("command: cost 5$", 4, "holds a dollar sign alone"),
    ("environment: {'A B': c}", 4, "`A B` is no name of a variable"),
    ("ports:\n  - '80:80'\n  - '3000'", 6, "say which port of the engine leads there, `8080:3000`"),
    ("ports: [http]", 4, "is no port; write `8080:80`"),
    ("ports: ['0:80']", 4, "they go from 1 to 65535"),
    ("ports: ['80:65536']", 4, "they go from 1 to 65535"),
    ("ports: ['90-80:80']", 4, "they go from 1 to 65535"),
    ("ports: ['80-82:80-81']", 4, "are not equally many ports"),
    ("ports: ['999.0.0.1:80:80']", 4, "`999.0.0.1` is no address"),
    ("ports: ['80:80/sctp']", 4, "'tcp' or 'udp'"),
    ("ports:\n  - {target: 80, published: 80, mode: ingress}", 5, "should be 'host'"),
    ("ports:\n  - {target: 80}", 5, "with `published`"),
    ("ports: ['80:80', '127.0.0.1:80:81']", 4, "the engine's port 80 is published twice"),
    ("ports: ['80:80']\ndeploy: {replicas: 2}", 4, "give them as many: `80-81:80`"),
    ("volumes: [/data]", 4, "a volume without a name is lost with its container"),
    ("volumes: ['./conf:/etc/api']", 4, "`./conf` is no whole, plain path"),
    ("volumes: ['~/conf:/etc/api']", 4, "`~/conf` is no whole, plain path"),
    ("volumes: ['/srv/../etc:/etc/api']", 4, "`/srv/../etc` is no whole, plain path"),
    ("volumes: ['data:var']", 4, "`var` is no whole, plain path"),
    ("volumes: ['data:/var:rw,z']", 4, "is no volume; write"),
    ("volumes:\n  - {type: tmpfs, target: /tmp}", 5, "tmpfs is not supported: mount a volume there"),
    ("volumes:\n  - {type: bind, source: /a, target: /b, bind: {propagation: shared}}", 5, "is not known"),
    ("volumes: ['a:/data', 'b:/data/']", 4, "two volumes are mounted at `/data`"),
    (
        "networks:\n  shop:\n    aliases: [web]",
        6,
        "`aliases` is not supported. Fix: remove it; the service's",
    ),
    ("networks: [host]", 4, "or write `network_mode: host`"),
    ("network_mode: bridge", 4, "should be 'host'"),
    ("network_mode: host\nports: ['80:80']", 2, "there are no `networks` and no `ports`"),
    ("healthcheck: {test: [check]}", 4, "a test is [CMD, program, ...]"),
    ("healthcheck: {test: [CMD]}", 4, "a test is [CMD, program, ...]"),
    ("healthcheck: {test: [CMD-SHELL, a, b]}", 4, "a test is [CMD, program, ...]"),
    ("healthcheck: {test: check, disable: true}", 4, "keep one of them"),
    ("healthcheck: {interval: 10us}", 4, "no times below 1ms"),
    ("healthcheck:\n  interval: 10", 5, "is no time; write it like `40s`"),
    ("healthcheck:\n  test: x\n  start_interval: 1s", 6, "`healthcheck.start_interval` is not supported"),
    ("labels:\n  a: b\n  andock.version: v1", 6, "the label `andock.version` is not yours to set"),
    ("labels: [com.docker.compose.project=x]", 4, "is not yours to set"),
    ("restart: on-failure:3", 4, "'unless-stopped'"),
    ("stop_grace_period: soon", 4, "is no time"),
    ("deploy:\n  replicas: 0", 5, "greater than or equal to 1"),
    ("deploy: {mode: global, replicas: 2}", 4, "leave out `replicas`"),
    ("deploy:\n  resources:\n    limits: {memory: 1m}", 6, "greater than or equal to 6291456"),
    ("deploy:\n  resources:\n    limits: {memory: lots}", 6, "is no size; write it like `512m`"),
    ("deploy:\n  resources:\n    reservations: {memory: 1g}", 6, "only limits are set"),
    ("deploy:\n  update_config:\n    order: any", 6, "'stop-first' or 'start-first'"),
    ("deploy:\n  update_config:\n    max_failure_ratio: 1.5", 6, "less than or equal to 1"),
    ("deploy:\n  rollback_config:\n    failure_action: rollback", 6, "'pause' or 'continue'"),
    ("x-andok: {}", 4, "did you mean `x-andock`?"),
]

PROD = "prod: {engines: [edge-2], after: staging}"
RUNS_WRONGLY = [
    ("{}", 3, "x-andock.environments"),
    ("{environments: {}}", 3, "at least 1"),
    ("{environments: {stagin: {engines: [edge-1]}}}", 3, "did you mean `staging`?"),
    ("{environments: {staging: {engines: []}}}", 3, "at least 1"),
    ("{environments: {staging: {engines: [egde-1]}}}", 3, "did you mean `edge-1`?"),
    ("{environments: {staging: {engines: [edge-1, edge-1]}}}", 3, "`edge-1` is there twice"),
    ("{environments: {staging: {engines: [edge-2]}}}", 3, "in environment `prod` on `edge-2`"),
    ("{environments: {prod: {engines: [edge-2, far]}}}", 3, "`far` is in pool `far`, `edge-2` in `docker`"),
    ("{environments: {prod: {engines: [edge-2], after: stag}}}", 3, "no environment of this service `stag`"),
    ("{environments: {prod: {engines: [edge-2], after: prod}}}", 3, "would have to wait for itself"),
    (
        f"{{environments: {{{PROD}, staging: {{engines: [edge-1], after: prod}}}}}}",
        3,
        "would have to wait for itself",
    ),
    (
        f"{{environments: {{{PROD}, staging: {{engines: [edge-1], after: dev}}}}}}",
        3,
        "no environment of this service `dev`",
    ),
    ("{environments: {staging: {engines: [edge-1]}}, checks: [{http: ready, port: 80}]}", 3, "checks.0.http"),
    ("{environments: {staging: {engines: [edge-1]}}, checks: [{http: /, port: 0}]}", 3, "checks.0.port"),
    ("{environments: {staging: {engines: [edge-1]}}, announce: releases}", 3, "announce"),
]

AS_A_FILE = [
    ("image: redis\n", None, "put all of it under `services:`, `api:`"),
    ("services: {}\n", 1, "holds 0 services"),
    (f"services:\n  api: {{image: a, {RUNS}}}\n  web: {{image: b}}\n", 1, "keep exactly one in each file"),
    (f"services:\n  web: {{image: redis, {RUNS}}}\n", 2, "name the file web.yaml, or the service `api`"),
    ("services:\n  api: {image: redis}\n", 2, "does not say where the service runs"),
    (f"services:\n  api:\n    image: redis\n    {RUNS}\n{RUNS}\n", 4, "`x-andock` is there twice"),
    (f"services:\n  api:\n    {RUNS}\n", 2, "services.api.image"),
    ("secrets: {}\n" + in_service("image: redis"), 1, "`secrets` is not supported"),
    ("include: [other.yaml]\n" + in_service("image: redis"), 1, "write it out in this file"),
    ("sevices: {}\n", 1, "did you mean `services`?"),
    ("volumes: {data: {driver: nfs}}\n" + in_service("image: redis"), 1, "volumes.data.driver"),
    (in_service("networks: [shpo]") + "networks: {shop: }\n", 4, "did you mean `shop`?"),
    (in_service("volumes: ['dta:/d']") + "volumes: {data: }\n", 4, "did you mean `data`?"),
    ("services:\n  api:\n    image: &a [*a]\n", 3, "lies too deep, or in itself"),
    ("services: !!int 5\n", 1, "is not YAML"),
    ("services: [" * 5000, None, "lies too deep"),
    ("- a\n", 1, "the document"),
    ("", 1, "services"),
]


@pytest.mark.parametrize(("text", "line", "says"), IN_SERVICE)
def test_a_mistake_in_a_service_is_named_with_its_line_and_the_fix(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    said = complaint(tmp_path, in_service(text))

    assert said.startswith(f":{line}:")
    assert says in said


@pytest.mark.parametrize(("text", "line", "says"), RUNS_WRONGLY)
def test_a_place_that_cannot_be_is_named_with_its_line_and_the_fix(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    said = complaint(tmp_path, in_service("image: redis:7", f"x-andock: {text}"))

    assert said.startswith(f":{line}:")
    assert says in said


@pytest.mark.parametrize(("text", "line", "says"), AS_A_FILE)
def test_a_file_that_is_no_service_is_named_with_its_line_and_the_fix(
    tmp_path: Path, text: str, line: int | None, says: str
) -> None:
    said = complaint(tmp_path, text)

    assert said.startswith(f":{line}:" if line else ":")
    assert says in said


@pytest.mark.parametrize("key", UNSUPPORTED)
def test_each_word_of_the_specification_that_is_not_supported_is_refused_by_name(
    tmp_path: Path, key: str
) -> None:
    *outer, last = key.split(".")
    text = "".join(f"{'  ' * depth}{part}:\n" for depth, part in enumerate(outer))
    said = complaint(tmp_path, in_service(f"{text}{'  ' * len(outer)}{last}: x"))

    assert said.startswith(f":{4 + len(outer)}: `{key}` is not supported. Fix: ")


def test_every_word_of_the_specification_is_either_supported_or_refused() -> None:
    assert {*WORDS.split()} <= {*ComposeService.model_fields, *UNSUPPORTED}
    assert not {*ComposeService.model_fields, *Deploy.model_fields} & UNSUPPORTED.keys()


YAMLS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["$", "1s", "80:80", "a=b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*ComposeService.model_fields, *ComposeFile.model_fields, *Deploy.model_fields, "api"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def check(tmp_path: Path, sites: Sites, content: bytes) -> None:
    path = tmp_path / "api.yaml"
    path.write_bytes(content)
    with contextlib.suppress(ConfigError):
        load_service(path, sites)


@given(data=YAMLS)
def test_no_data_does_anything_but_load_or_be_refused(
    tmp_path_factory: pytest.TempPathFactory, example_sites: Sites, data: object
) -> None:
    content = yaml.safe_dump(
        {"services": {"api": data}, "x-andock": {"environments": {"dev": {"engines": []}}}}
    )
    check(tmp_path_factory.getbasetemp(), example_sites, content.encode())


@given(key=st.sampled_from([*ComposeService.model_fields]), data=YAMLS)
def test_no_value_of_a_word_does_anything_but_load_or_be_refused(
    tmp_path_factory: pytest.TempPathFactory, example_sites: Sites, key: str, data: object
) -> None:
    good = yaml.safe_load((ROOT / "config/services.example/api.yaml").read_text())
    good["services"]["api"][key.replace("x_andock", "x-andock")] = data
    check(tmp_path_factory.getbasetemp(), example_sites, yaml.safe_dump(good).encode())


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_do_anything_but_load_or_be_refused(
    tmp_path_factory: pytest.TempPathFactory, example_sites: Sites, content: bytes
) -> None:
    check(tmp_path_factory.getbasetemp(), example_sites, content)
