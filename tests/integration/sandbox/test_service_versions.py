"""The versions of `team/api` that deployments are tried with: each is good or bad in its own way."""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping

import pytest

from sandbox.engine import LABEL, Engine, start_engine
from sandbox.engine.services import CRASH, GOOD, LATE, PORT, SICK, UNREADY, VERSIONS
from sandbox.processes import free_port
from sandbox.registry import Registry, RegistryError, start_registry

Eventually = Callable[..., bool]
Run = Callable[[str], int]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = start_engine(tmp_path_factory.mktemp("engine"), own=True)
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry = start_registry(tmp_path_factory.mktemp("registry"))
    yield registry
    registry.stop()


@pytest.fixture(scope="module")
def digests(engine: Engine, registry: Registry) -> Mapping[str, str]:
    return registry.fill_service(engine)


@pytest.fixture
def run(engine: Engine, registry: Registry, digests: Mapping[str, str]) -> Iterator[Run]:
    """Pulls a version by its digest and runs it as `api`; the port of this machine that it answers on."""

    def pull_and_run(version: str) -> int:
        image = f"{registry.address}/team/api@{digests[version]}"
        engine.api.call("POST", "/images/create", query={"fromImage": image}, login=registry.login)
        port = free_port()
        settings = {
            "Image": image,
            "HostConfig": {
                "PortBindings": {f"{PORT}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]},
                "RestartPolicy": {"Name": "unless-stopped"},
            },
        }
        engine.api.call("POST", "/containers/create", query={"name": "api"}, body=settings)
        engine.api.call("POST", "/containers/api/start")
        return port

    yield pull_and_run
    engine.remove_labelled()


def health(engine: Engine) -> str:
    return str(engine.api.call("GET", "/containers/api/json")["State"]["Health"]["Status"])


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except (OSError, http.client.HTTPException):
        return 0, ""


def test_a_good_version_is_healthy_and_says_which_it_is(
    engine: Engine, run: Run, eventually: Eventually
) -> None:
    port = run(GOOD[0])
    assert eventually(lambda: health(engine) == "healthy", 20)
    assert get(port, "/version") == (200, "v1.0.0")
    assert get(port, "/ready") == (200, "ok")
    assert get(port, "/") == (200, "api v1.0.0")
    assert engine.inspect("api").labels[LABEL] == engine.owner


def test_on_term_it_says_that_it_is_not_ready_and_answers_what_it_was_asked(
    engine: Engine, run: Run, eventually: Eventually
) -> None:
    port = run(GOOD[1])
    assert eventually(lambda: get(port, "/ready") == (200, "ok"))
    answers: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: answers.append(get(port, "/cgi-bin/slow")))
    asking.start()
    assert eventually(lambda: "slow" in processes(engine))
    ending = threading.Thread(
        target=lambda: engine.api.call("POST", "/containers/api/stop", query={"t": "10"})
    )
    ending.start()
    assert eventually(lambda: get(port, "/ready")[0] == 404)
    asking.join(10)
    ending.join(15)
    assert answers == [(200, "v1.1.0")]
    assert (engine.inspect("api").state, engine.inspect("api").exit_code) == ("exited", 0)


def processes(engine: Engine) -> str:
    return str(engine.api.call("GET", "/containers/api/top")["Processes"])


def test_a_sick_version_runs_and_never_gets_healthy(engine: Engine, run: Run, eventually: Eventually) -> None:
    port = run(SICK)
    assert eventually(lambda: health(engine) == "unhealthy", 20)
    assert engine.inspect("api").state == "running"
    assert get(port, "/version") == (200, SICK)


def test_a_late_version_is_healthy_first(engine: Engine, run: Run, eventually: Eventually) -> None:
    run(LATE)
    assert eventually(lambda: health(engine) == "healthy", 20)
    assert eventually(lambda: health(engine) == "unhealthy", 20)


def test_a_crashing_version_is_started_again_and_again(
    engine: Engine, run: Run, eventually: Eventually
) -> None:
    run(CRASH)
    assert eventually(lambda: engine.inspect("api").restarts >= 2, 20)


def test_an_unready_version_is_healthy_and_answers_no_check(
    engine: Engine, run: Run, eventually: Eventually
) -> None:
    port = run(UNREADY)
    assert eventually(lambda: health(engine) == "healthy", 20)
    assert get(port, "/ready")[0] == 404


def test_the_engine_that_made_them_has_to_pull_them(
    engine: Engine, registry: Registry, digests: Mapping[str, str]
) -> None:
    assert list(digests) == list(VERSIONS)
    assert len(set(digests.values())) == len(VERSIONS)
    tags = [tag for image in engine.api.call("GET", "/images/json") for tag in image["RepoTags"] or ()]
    assert not [tag for tag in tags if tag.startswith(registry.address)]


def test_a_tag_can_be_moved_to_other_content(registry: Registry, digests: Mapping[str, str]) -> None:
    assert registry.retag("team/api", "latest", "v1.1.0") == digests["v1.1.0"]
    assert registry.retag("team/api", "latest", "v1.2.0") == digests["v1.2.0"]
    assert registry.digest("team/api", "latest") == digests["v1.2.0"]
    with pytest.raises(RegistryError, match="no team/api:v9 in the registry"):
        registry.retag("team/api", "latest", "v9")


def test_what_one_engine_made_is_removed_from_another_too(
    engine: Engine, registry: Registry, digests: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = start_engine(tmp_path_factory.mktemp("other"), own=True)
    try:
        image = f"{registry.address}/team/api@{digests[GOOD[0]]}"
        other.api.call("POST", "/images/create", query={"fromImage": image}, login=registry.login)
        other.api.call("POST", "/containers/create", query={"name": "api"}, body={"Image": image})
        assert other.inspect("api").labels[LABEL] == engine.owner != other.owner
        other.remove_labelled()
        assert other.api.call("GET", "/containers/json", query={"all": "1"}) == []
    finally:
        other.stop()
