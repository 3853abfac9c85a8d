from __future__ import annotations

import pytest

from andock.catalogue import load_catalogue
from andock.errors import UnknownOperationError
from andock.ports.records import Guide
from bot.guide import CatalogueGuide


def test_every_operation_and_noun_can_be_explained() -> None:
    catalogue = load_catalogue()
    guide: Guide = CatalogueGuide(catalogue, lambda _: True)
    assert len(guide.overview()) == len(catalogue)
    for operation in catalogue:
        explained = guide.explain(operation.name)
        assert explained.operations[0][1] == operation.summary
        assert explained.examples == operation.examples
    for noun in catalogue.nouns:
        assert len(guide.explain(noun).operations) == len(catalogue.of_noun(noun))


def test_a_noun_shows_what_the_person_may_use() -> None:
    guide = CatalogueGuide(load_catalogue(), lambda operation: operation.name == "request list")
    assert len(guide.explain("request").operations) == 1
    assert guide.explain("request").notes == ()


def test_an_unknown_topic_without_a_near_name_lists_the_nouns() -> None:
    guide = CatalogueGuide(load_catalogue(), lambda _: True)
    with pytest.raises(UnknownOperationError) as caught:
        guide.explain("zzzzzz")
    assert "request" in load_catalogue().nouns
    assert set(caught.value.similar) <= set(load_catalogue().nouns)
