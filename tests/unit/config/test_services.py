"""config/services/: Compose files as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from andock.errors import ConfigError, TargetNotFoundError, UserError
from andock.ports.container_insight import Limits
from andock.ports.registry import ImageName
from andock.ports.services import Check, HealthCheck, Place, Rollout, SecretRef
from andock.signing import make_keys
from config.installation import load_installation
from config.services import ServiceFiles, load_service
from config.settings import Settings
from config.sites import Sites
from tests.unit.config.conftest import ROOT
from tests.unit.config.services import RUNS, in_service, load, sites_in

WHOLE = """
name: shop
version: "3.9"
services:
  api:
    image: registry.lab:5000/team/api:1.4
    command: serve --greeting "hello you" --price $$5
    environment:
      PORT: 8080
      ZIP: 01234
      SHOW: yes
      TOKEN: {env: API_TOKEN}
      CERT: {file: cert.pem}
    ports:
      - 2222-2223:22
      - "8080-8083:80"
      - {target: 443, published: "8443-8444", host_ip: "::1", protocol: udp, mode: host, name: quic}
    volumes:
      - data:/var/lib/api/
      - /srv/api:/etc/api:ro
      - {type: volume, source: cache, target: /cache}
      - {type: bind, source: /run/x.sock, target: /run/x.sock, read_only: true}
    networks: [shop]
    healthcheck: {test: [CMD, /bin/check, "-q"], interval: 1m30s, timeout: 250ms, retries: 3,
                  start_period: 1h}
    labels: [team=shop, empty]
    restart: no
    stop_grace_period: 1m1500ms
    deploy:
      replicas: 2
      mode: replicated
      resources: {limits: {cpus: "0.50", memory: 512m, pids: 100}}
      update_config: {parallelism: 0, delay: 10s, order: start-first, failure_action: rollback,
                      monitor: 30s, max_failure_ratio: 0.5}
      rollback_config: {failure_action: continue}
    x-andock:
      environments:
        staging: {engines: [edge-1]}
        prod: {engines: [edge-3, edge-2], after: staging}
      checks: [{http: "/ready?deep=1", port: 8080}]
      announce: "#releases"
    x-others: {mean: nothing}
networks: {shop: {external: true, name: shop_net}}
volumes:
  data:
  cache: {name: shop_cache, external: true}
"""


def test_the_example_loads(example_sites: Sites) -> None:
    service = load_service(ROOT / "config/services.example/api.yaml", example_sites)

    assert service.image == ImageName("registry.lab:5000", "team/api", tag="")
    assert service.places == {
        "dev": Place("dev", ("edge-1",)),
        "stage": Place("stage", ("edge-3",), after="dev"),
    }


def test_what_a_container_is_made_from_is_as_the_specification_says(tmp_path: Path) -> None:
    service = load(tmp_path, WHOLE)

    assert service.image == ImageName("registry.lab:5000", "team/api", "1.4")
    assert service.command == ("serve", "--greeting", "hello you", "--price", "$5")
    assert service.environment == {
        "PORT": "8080",
        "ZIP": "01234",
        "SHOW": "yes",
        "TOKEN": SecretRef("env", "API_TOKEN"),
        "CERT": SecretRef("file", "cert.pem"),
    }
    assert service.ports == ("2222-2223:22", "8080-8083:80", "[::1]:8443-8444:443/udp")
    assert service.volumes == (
        "data:/var/lib/api",
        "/srv/api:/etc/api:ro",
        "shop_cache:/cache",
        "/run/x.sock:/run/x.sock:ro",
    )
    assert service.external_volumes == ("shop_cache",)
    assert service.networks == ("shop_net",)
    assert service.healthcheck == HealthCheck(
        ("CMD", "/bin/check", "-q"), interval=90, timeout=0.25, start_period=3600, retries=3
    )
    assert service.labels == {"team": "shop", "empty": ""}


def test_how_it_is_rolled_out_is_as_the_specification_says(tmp_path: Path) -> None:
    service = load(tmp_path, WHOLE)

    assert service.replicas == 2
    assert service.limits == Limits(memory=512 * 1024**2, cpus=0.5, pids=100, restart="no")
    assert service.stop_grace == 62  # 61.5 s, and an engine takes whole seconds
    assert service.update == Rollout(0, 10, "start-first", "rollback", 30, 0.5)
    assert service.rollback == Rollout(failure_action="continue")
    assert service.places["prod"] == Place("prod", ("edge-3", "edge-2"), after="staging")
    assert service.checks == (Check("/ready?deep=1", 8080),)
    assert service.announce == "#releases"


def test_what_is_left_out_is_as_the_specification_has_it(tmp_path: Path) -> None:
    service = load(tmp_path, in_service("image: redis:7"))

    assert service.image == ImageName("docker.io", "library/redis", "7")
    assert (service.command, service.healthcheck, service.networks) == ((), None, ())
    assert (service.replicas, service.stop_grace, service.limits.restart) == (1, 10, "no")
    assert service.update == service.rollback == Rollout(1, 0, "stop-first", "pause", 5, 0)


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("team/api", "latest"),
        ("team/api:${VERSION}", ""),
        ("team/api:$VERSION", ""),
        ("team/api:${VERSION:?name one}", ""),
        ("team/api:${VERSION:-1.4}", "1.4"),
        ("team/api:${VERSION-1.4}", "1.4"),
    ],
)
def test_the_version_may_be_left_to_whoever_deploys(tmp_path: Path, written: str, tag: str) -> None:
    service = load(tmp_path, in_service(f'image: "registry.lab:5000/{written}"'))

    assert service.image == ImageName("registry.lab:5000", "team/api", tag)


def test_a_tag_that_is_left_open_may_be_one_that_the_registry_allows(tmp_path: Path) -> None:
    image = "registry.lab:5000/base/web"

    assert load(tmp_path, in_service(f"image: {image}:$V")).image.tag == ""
    with pytest.raises(ConfigError, match=r"base/web:1` is not allowed by `registries:`"):
        load(tmp_path, in_service(f"image: {image}:1"))


@pytest.mark.parametrize(
    ("test", "becomes"),
    [
        ("{test: curl -f http://localhost/ || exit 1}", ("CMD-SHELL", "curl -f http://localhost/ || exit 1")),
        ("{test: [CMD-SHELL, check]}", ("CMD-SHELL", "check")),
        ("{test: [NONE]}", ("NONE",)),
        ("{disable: true}", ("NONE",)),
        ("{interval: 5s}", ()),
    ],
)
def test_a_health_check_has_each_form_of_the_specification(
    tmp_path: Path, test: str, becomes: tuple[str, ...]
) -> None:
    service = load(tmp_path, in_service(f"healthcheck: {test}"))

    assert service.healthcheck is not None
    assert service.healthcheck.test == becomes


@pytest.mark.parametrize(
    ("ports", "become"),
    [
        ("['9090-9091:8080-8081']", ("9090:8080", "9091:8081")),
        ("['127.0.0.1:5000:80']", ("127.0.0.1:5000:80",)),
        ("['[::1]:6001:6001']", ("[::1]:6001:6001",)),
        ("['53:53/udp', '53:53/tcp']", ("53:53/udp", "53:53")),
        ("['127.0.0.1:80:80', '127.0.0.2:80:80']", ("127.0.0.1:80:80", "127.0.0.2:80:80")),
        ("[22:22]", ("22:22",)),  # a number to the base of 60 for YAML 1.1
    ],
)
def test_ports_have_each_form_of_the_specification(
    tmp_path: Path, ports: str, become: tuple[str, ...]
) -> None:
    assert load(tmp_path, in_service(f"ports: {ports}")).ports == become


def test_networks_may_be_a_map_and_the_hosts_own_is_a_word_of_its_own(tmp_path: Path) -> None:
    assert load(tmp_path, in_service("networks: {shop: , back: {}}")).networks == ("shop", "back")
    assert load(tmp_path, in_service("network_mode: host")).networks == ("host",)


def test_parts_may_be_shared_within_a_file(tmp_path: Path) -> None:
    service = load(
        tmp_path,
        f"""
        x-limits: &limits {{memory: 64m}}
        services:
          api:
            image: redis:7
            deploy: {{resources: {{limits: {{<<: *limits, cpus: 1}}}}}}
        {RUNS}
        """,
    )

    assert (service.limits.memory, service.limits.cpus) == (64 * 1024**2, 1)


def test_one_is_in_the_environment_that_a_rule_of_sites_yaml_gives_its_label(tmp_path: Path) -> None:
    text = in_service(
        "labels: {tier: lab}", "x-andock: {environments: {staging: {engines: [edge-1, edge-2]}}}"
    )

    assert load(tmp_path, text).places["staging"].engines == ("edge-1", "edge-2")


def test_without_a_folder_there_are_no_services(tmp_path: Path) -> None:
    files = ServiceFiles(tmp_path, sites_in(tmp_path))

    assert files.names() == ()
    assert files.load_all() == ()


def test_one_is_read_anew_each_time_and_never_as_it_was(tmp_path: Path) -> None:
    files = ServiceFiles(tmp_path, sites_in(tmp_path))
    (tmp_path / "services").mkdir()
    path = tmp_path / "services" / "api.yaml"
    path.write_text(in_service("labels: {a: b}"))
    assert files.read("api").labels == {"a": "b"}

    path.write_text(in_service("labels: {a: c}"))
    assert files.read("api").labels == {"a": "c"}

    path.write_text(in_service("lables: {a: c}"))
    with pytest.raises(UserError) as error:
        files.read("api")
    assert error.value.sentence == (
        "Service `api` cannot be used as its file is now. services/api.yaml:4: `services.api.lables` is not "
        "known. Fix: did you mean `labels`?"
    )


def test_one_that_is_not_there_gets_the_nearest_names_and_opens_no_other_file(tmp_path: Path) -> None:
    files = ServiceFiles(tmp_path, sites_in(tmp_path))
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "api.yaml").write_text(in_service("image: redis:7"))

    with pytest.raises(
        TargetNotFoundError, match=r"No service `apu` on `config/services`. Did you mean `api`"
    ):
        files.read("apu")
    with pytest.raises(TargetNotFoundError):
        files.read("../sites")


def test_a_start_reads_every_file_but_hidden_ones(tmp_path: Path) -> None:
    files = ServiceFiles(tmp_path, sites_in(tmp_path))
    folder = tmp_path / "services"
    folder.mkdir()
    (folder / "api.yaml").write_text(in_service("image: redis:7"))
    (folder / ".api.yaml.swp").write_text("no YAML: [")
    (folder / ".old.yaml").write_text("no YAML: [")
    (folder / "README.md").write_text("what these are")
    assert [service.name for service in files.load_all()] == ["api"]

    (folder / "web.yml").write_text("")
    with pytest.raises(ConfigError, match=r"web.yml: is no name of a service's file. Fix: name it NAME.yaml"):
        files.load_all()


def test_a_process_does_not_start_with_a_wrong_file(tmp_path: Path) -> None:
    sites_in(tmp_path)
    (tmp_path / "policy.yaml").write_text("rules: [{name: all, allow: ['*']}]")
    make_keys(tmp_path / "keys")
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "api.yaml").write_text(in_service("image: redis:7"))
    settings = Settings.model_validate({"ANDOCK_CONFIG_DIR": tmp_path, "ANDOCK_KEYS_DIR": tmp_path / "keys"})
    assert load_installation(settings).services.names() == ("api",)

    (tmp_path / "services" / "api.yaml").write_text(in_service("build: ."))
    with pytest.raises(
        ConfigError, match=r"services/api.yaml:4: `build` is not supported. Fix: let CI build"
    ):
        load_installation(settings)
