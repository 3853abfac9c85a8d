from __future__ import annotations

from typing import cast

import pytest

from andock.catalogue import load_catalogue
from andock.errors import CatalogueError, UnknownOperationError
from andock.operation import Desk
from andock.operations.help.guidance import CanIParams, HelpParams, refuse_to_run, show_help
from andock.ports.records import Guide, Records
from andock.ports.votes import Votes
from bot.guide import CatalogueGuide


class ManyOperations:
    def overview(self) -> tuple[tuple[str, str], ...]:
        verbs = tuple((f"vm verb-{index} NAME", "Does it.") for index in range(40))
        return (*verbs, ("halt [SCOPE]", "Stops."))


def desk(guide: Guide) -> Desk:
    return Desk(
        records=cast("Records", None), guide=guide, votes=cast("Votes", None), user="U1", name="ann", now=0.0
    )


def everything() -> Desk:
    return desk(CatalogueGuide(load_catalogue(), lambda _: True))


def test_overview_has_only_what_the_person_may_use() -> None:
    guide = CatalogueGuide(load_catalogue(), lambda operation: operation.name.startswith("request "))
    outcome = show_help(HelpParams(), desk(guide))
    _, *lines = outcome.summary.split("\n")
    usages = [line.split("` ")[0] for line in lines]
    assert {"`request list", "`request show ID"} <= set(usages)
    assert all(usage.startswith("`request ") for usage in usages)


def test_one_operation_with_its_parameters() -> None:
    outcome = show_help(HelpParams(topic=("Request", "list")), everything())
    assert "request list [--all] [--limit N]" in outcome.summary
    assert ("`--limit N`", "How many, newest first. Left out: `10`.") in outcome.fields
    assert any("`request list --all --limit 20`" in note for note in outcome.notes)


def test_one_noun() -> None:
    outcome = show_help(HelpParams(topic=("request",)), everything())
    assert all(line.startswith("`request ") for line in outcome.summary.split("\n")[1:])
    assert "`request show ID`" in outcome.summary


def test_an_operation_without_parameters_or_with_one_word() -> None:
    assert "halt [SCOPE]" in show_help(HelpParams(topic=("halt",)), everything()).summary


def test_what_is_not_allowed_is_explained_and_marked() -> None:
    guide = CatalogueGuide(load_catalogue(), lambda _: False)
    for topic in (("halt",), ("request",)):
        outcome = show_help(HelpParams(topic=topic), desk(guide))
        assert any("Policy" in note for note in outcome.notes)


def test_an_unknown_topic_names_the_nearest() -> None:
    with pytest.raises(UnknownOperationError) as caught:
        show_help(HelpParams(topic=("request", "lsit")), everything())
    assert "request list" in caught.value.similar
    with pytest.raises(UnknownOperationError):
        show_help(HelpParams(topic=("quux",)), everything())


def test_many_operations_are_shown_by_noun() -> None:
    outcome = show_help(HelpParams(), desk(cast("Guide", ManyOperations())))
    assert outcome.fields[0][0] == "vm"
    assert [offer.command for offer in outcome.offers] == ["help vm"]


def test_can_i_is_never_run() -> None:
    with pytest.raises(CatalogueError):
        refuse_to_run(CanIParams(command=("vm", "list")), everything())
