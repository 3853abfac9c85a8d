"""policy.yaml changes while processes run: read again when it is whole, kept as it was while it is broken."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from andock.catalogue import load_catalogue
from andock.errors import ConfigError
from andock.rulebook import Policy
from config.live_policy import LivePolicy
from config.policy import load_policy
from config.sites import Sites

OPERATIONS = load_catalogue()
ONE = "rules: [{name: one, allow: ['*']}]\n"
TWO = "rules: [{name: one, deny: ['*']}, {name: two, allow: ['*']}]\n"
BROKEN = "rules: [{name: one, alow: ['*']}]\n"


def until(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class File:
    """A policy.yaml under an operator's editor."""

    def __init__(self, path: Path, sites: Sites) -> None:
        self.path = path
        self.saved = 0
        self.save(ONE)
        self.live = LivePolicy(path, operations=OPERATIONS, sites=sites)

    def save(self, text: str, *, age: float = 10.0) -> None:
        self.path.write_text(text)
        self.saved += 1
        at = time.time() - age + self.saved / 1000  # never twice the same
        os.utime(self.path, (at, at))

    def read(self) -> int:
        """How many rules count now, when the file is looked at."""
        self.live.look_soon()
        return len(self.live.current().rules)


@pytest.fixture
def file(tmp_path: Path, example_sites: Sites) -> File:
    return File(tmp_path / "policy.yaml", example_sites)


def test_a_changed_file_counts_within_seconds_without_a_word_to_anybody(file: File) -> None:
    file.save(TWO, age=0)

    assert until(lambda: len(file.live.current().rules) == 2)
    assert file.live.fault == ""


def test_the_file_is_looked_at_once_a_second_at_most(file: File) -> None:
    file.live.look_soon()
    file.live.current()
    file.save(TWO)

    started = time.monotonic()
    rules = len(file.live.current().rules)
    assert rules == 1 or time.monotonic() - started >= 1


def test_while_the_file_is_broken_the_policy_before_it_counts_and_the_fault_is_said(file: File) -> None:
    file.save(BROKEN)

    assert file.read() == 1
    assert file.live.fault.startswith(
        f"{file.path}:1: `rules.0.alow` is not known. Fix: did you mean `allow`?"
    )

    file.save(TWO)
    assert file.read() == 2
    assert file.live.fault == ""


def test_without_its_file_the_policy_stays_and_the_fault_is_said(file: File) -> None:
    file.path.unlink()

    assert file.read() == 1
    assert "cannot be read" in file.live.fault


def test_a_file_that_is_being_written_is_not_believed_yet(file: File) -> None:
    file.save(TWO, age=0)

    assert file.read() == 1
    assert until(lambda: file.read() == 2)


def test_a_file_that_is_written_while_it_is_read_is_read_again(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_write(path: Path, **known: Any) -> Policy:
        read = load_policy(path, **known)
        file.save(ONE)
        return read

    file.save(TWO)
    with monkeypatch.context() as patched:
        patched.setattr("config.live_policy.load_policy", read_and_write)
        assert file.read() == 1

    file.save(TWO)
    assert file.read() == 2


def test_a_file_moved_into_place_with_its_old_date_counts_at_once(file: File) -> None:
    other = file.path.with_name("new.yaml")
    other.write_text(TWO)
    os.utime(other, (1_000_000.0, 1_000_000.0))
    other.replace(file.path)

    assert file.read() == 2


def test_a_file_of_the_future_counts_too(file: File) -> None:
    file.save(TWO, age=-3600)

    assert file.read() == 2


def test_the_edition_changes_with_the_file_and_is_the_same_for_all_who_see_it(
    file: File, example_sites: Sites
) -> None:
    first = file.live.edition
    assert LivePolicy(file.path, operations=OPERATIONS, sites=example_sites).edition == first

    file.save(BROKEN)
    file.read()

    assert file.live.edition != first


def test_a_file_that_stays_empty_denies_everything(file: File) -> None:
    file.save("")

    assert file.read() == 1
    assert until(lambda: file.read() == 0)


def test_at_the_start_a_broken_file_is_refused(tmp_path: Path, example_sites: Sites) -> None:
    (tmp_path / "policy.yaml").write_text(BROKEN)

    with pytest.raises(ConfigError):
        LivePolicy(tmp_path / "policy.yaml", operations=OPERATIONS, sites=example_sites)


def test_many_threads_ask_while_a_slow_editor_writes_and_none_sees_half_a_policy(file: File) -> None:
    seen: set[int] = set()
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.01):
            seen.add(len(file.live.current().rules))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    with file.path.open("w") as editor:
        editor.write("rules:\n")
        for number in range(8):
            editor.write(f"  - {{name: rule {number}, allow: ['*']}}\n")
            editor.flush()
            time.sleep(0.2)
    assert until(lambda: 8 in seen)
    done.set()
    for thread in threads:
        thread.join()

    assert seen == {1, 8}
