from __future__ import annotations

from typing import Any

import pytest

from andock.errors import (
    AmbiguousTargetError,
    BackendUnavailableError,
    InvalidParamsError,
    TargetNotFoundError,
    UnknownSiteError,
)
from andock.operations.vm.targets import resolve_all, resolve_one, target_of


def test_one_of_a_name_is_taken_and_carries_what_policy_needs(bench: Any) -> None:
    vm = bench.vsphere.add("prod-1", "web-01", folder="prod/shop")
    (found,) = resolve_all(["WEB-01"], bench.reader)
    target = target_of(found)
    assert (target.key, target.environment, target.path) == (
        f"vm:prod-1/{vm}",
        "prod",
        "/DC0/vm/prod/shop/web-01",
    )
    assert (target.parents, target.uuid) == (("host:prod-1/host-1",), f"uuid-{vm}")


def test_the_same_vm_by_two_names_is_one(bench: Any) -> None:
    vm = bench.vsphere.add("lab", "web-01")
    assert [found.id for found in resolve_all(["web-01", vm, "/DC0/vm/web-01"], bench.reader)] == [vm]


def test_every_candidate_can_be_typed_back(bench: Any) -> None:
    bench.vsphere.add("lab", "db", folder="a")
    bench.vsphere.add("lab", "db", folder="b")
    bench.vsphere.add("prod-1", "db", folder="a")
    with pytest.raises(AmbiguousTargetError) as several:
        resolve_all(["db"], bench.reader)
    assert several.value.candidates == ("lab:/DC0/vm/a/db", "lab:/DC0/vm/b/db", "prod-1:/DC0/vm/a/db")
    for candidate in several.value.candidates:
        (found,) = resolve_all([candidate], bench.reader)
        assert f"{found.site}:{found.path}" == candidate


def test_a_change_is_refused_for_a_twin_too_new_to_be_in_the_index_and_a_read_is_not(bench: Any) -> None:
    known = bench.vsphere.add("lab", "db", folder="a")
    new = bench.vsphere.add("lab", "db", folder="b")
    bench.vsphere.unseen = frozenset({("lab", new)})
    assert resolve_one("db", bench.reader)[0].id == known
    with pytest.raises(AmbiguousTargetError):
        resolve_all(["db"], bench.reader)


def test_two_of_one_path_are_told_apart_by_id(bench: Any) -> None:
    first, second = bench.vsphere.add("lab", "db"), bench.vsphere.add("lab", "db")
    with pytest.raises(AmbiguousTargetError) as several:
        resolve_all(["db"], bench.reader)
    assert several.value.candidates == (f"lab:{first}", f"lab:{second}")
    assert resolve_all([f"lab:{first}"], bench.reader)[0].id == first


def test_the_named_site_is_the_only_one_asked(bench: Any) -> None:
    bench.vsphere.add("lab", "db")
    mine = bench.vsphere.add("prod-1", "db")
    bench.site = "prod-1"
    assert [vm.id for vm in resolve_all(["db"], bench.reader)] == [mine]
    with pytest.raises(InvalidParamsError, match="`lab:db` is on lab, and `--site prod-1` says otherwise"):
        resolve_all(["lab:db"], bench.reader)
    bench.site = "labb"
    with pytest.raises(UnknownSiteError, match="Did you mean `lab`"):
        resolve_all(["db"], bench.reader)


def test_a_colon_that_is_no_site_belongs_to_the_name(bench: Any) -> None:
    vm = bench.vsphere.add("lab", "odd:name")
    assert [found.id for found in resolve_all(["odd:name"], bench.reader)] == [vm]


def test_an_unknown_name_gets_the_nearest_and_where_it_was_looked_for(bench: Any) -> None:
    bench.vsphere.add("lab", "web-01")
    with pytest.raises(TargetNotFoundError) as missing:
        resolve_all(["wbe-01"], bench.reader)
    assert missing.value.sentence == "No VM `wbe-01` on `lab`, `prod-1`. Did you mean `web-01`?"


def test_what_is_changed_must_be_the_only_one_everywhere(bench: Any) -> None:
    vm = bench.vsphere.add("lab", "web-01")
    bench.vsphere.away["prod-1"] = "connection refused"
    with pytest.raises(BackendUnavailableError, match="say `lab:web-01`"):
        resolve_all(["web-01"], bench.reader)
    assert [found.id for found in resolve_all(["lab:web-01"], bench.reader)] == [vm]
    found, away = resolve_one("web-01", bench.reader)
    assert (found.id, [one.site for one in away]) == (vm, ["prod-1"])


def test_a_name_that_may_be_on_a_site_that_is_away_is_not_called_missing(bench: Any) -> None:
    bench.vsphere.away["prod-1"] = "connection refused"
    with pytest.raises(BackendUnavailableError, match="connection refused, and no `web-01` on lab"):
        resolve_one("web-01", bench.reader)
