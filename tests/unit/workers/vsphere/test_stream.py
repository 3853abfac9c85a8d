from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from xml.parsers.expat import ExpatError

import pytest
from pyVmomi import vim

from workers.vsphere.sightings import Node, Sighting
from workers.vsphere.stream import AnswerReader, read_pages

# as vCenter writes it; the simulator calls the prefix otherwise
ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
    "<soapenv:Body>\n{}\n</soapenv:Body>\n</soapenv:Envelope>"
)


def answer(method: str, inner: str) -> bytes:
    body = f'<{method}Response xmlns="urn:vim25"><returnval>{inner}</returnval></{method}Response>'
    return ENVELOPE.format(body).encode()


def vm(number: int, *more: str) -> str:
    return (
        f'<objects><obj type="VirtualMachine">vm-{number}</obj>'
        f'<propSet><name>name</name><val xsi:type="xsd:string">web-{number}</val></propSet>'
        f"{''.join(more)}</objects>"
    )


def prop(name: str, value: str) -> str:
    return f"<propSet><name>{name}</name>{value}</propSet>"


def page(inner: str) -> bytes:
    return answer("RetrievePropertiesEx", inner)


def read_all(*pages: bytes) -> list[Sighting]:
    left = iter(pages)
    return list(read_pages(lambda _: iter((next(left),))))


def test_values_come_as_what_they_are() -> None:
    (row,) = read_all(
        page(
            vm(
                1,
                prop("config.template", '<val xsi:type="xsd:boolean">false</val>'),
                prop("config.hardware.numCPU", '<val xsi:type="xsd:int">4</val>'),
                prop("runtime.powerState", '<val xsi:type="VirtualMachinePowerState">poweredOn</val>'),
                prop("runtime.host", '<val type="HostSystem" xsi:type="ManagedObjectReference">host-9</val>'),
                prop("runtime.bootTime", '<val xsi:type="xsd:dateTime">2026-11-24T10:00:00.123456789Z</val>'),
                prop("config.annotation", '<val xsi:type="xsd:string"> &lt;kept&gt;\n as it is </val>'),
            )
        )
    )
    assert (row.kind, row.id, row.change) == ("VirtualMachine", "vm-1", "")
    assert row.values == {
        "name": "web-1",
        "config.template": False,
        "config.hardware.numCPU": 4,
        "runtime.powerState": "poweredOn",
        "runtime.host": "host-9",
        "runtime.bootTime": datetime(2026, 11, 24, 10, 0, 0, 123456, tzinfo=UTC),
        "config.annotation": " <kept>\n as it is ",
    }


def test_lists_and_objects_come_as_nodes() -> None:
    net = (
        '<val xsi:type="ArrayOfGuestNicInfo"><GuestNicInfo><network>VM Network</network>'
        "<ipAddress>10.0.0.1</ipAddress><ipAddress>fe80::1</ipAddress><deviceConfigId>4000</deviceConfigId>"
        "<ipConfig><ipAddress><ipAddress>10.0.0.1</ipAddress></ipAddress></ipConfig></GuestNicInfo></val>"
    )
    stores = (
        '<val xsi:type="ArrayOfManagedObjectReference">'
        '<ManagedObjectReference type="Datastore">datastore-1</ManagedObjectReference></val>'
    )
    empty = '<val xsi:type="ArrayOfAlarmState"></val>'
    (row,) = read_all(
        page(vm(1, prop("guest.net", net), prop("datastore", stores), prop("triggeredAlarmState", empty)))
    )
    (card,) = row.get("guest.net").all("GuestNicInfo")
    assert [node.text for node in card.all("ipAddress")] == ["10.0.0.1", "fe80::1"]
    assert (card.first("deviceConfigId"), card.first("nothing")) == ("4000", "")
    assert [node.text for node in row.get("datastore").nodes] == ["datastore-1"]
    assert row.get("triggeredAlarmState") == Node("val", "ArrayOfAlarmState")


def test_a_word_of_a_newer_vcenter_is_a_word() -> None:
    (row,) = read_all(page(vm(1, prop("config.flavour", '<val xsi:type="FlavourOf2031">mint</val>'))))
    assert row.get("config.flavour") == "mint"


def test_pages_are_followed_by_their_tokens_to_the_last() -> None:
    asked: list[str] = []
    pages = {
        "": page(f"<token>7</token>{vm(1)}{vm(2)}"),
        "7": answer("ContinueRetrievePropertiesEx", f"<token>8</token>{vm(3)}"),
        "8": answer("ContinueRetrievePropertiesEx", vm(4)),
    }

    def ask(token: str) -> Iterator[bytes]:
        asked.append(token)
        yield pages[token]

    assert [row.id for row in read_pages(ask)] == ["vm-1", "vm-2", "vm-3", "vm-4"]
    assert asked == ["", "7", "8"]


def test_an_answer_without_objects_is_no_page_more() -> None:
    assert read_all(answer("RetrievePropertiesEx", "")) == []


def test_objects_come_as_soon_as_they_are_complete_however_the_bytes_are_cut() -> None:
    whole = page(vm(1) + vm(2, prop("config.annotation", '<val xsi:type="xsd:string">späť</val>')))
    for size in (1, 7, 100):
        reader = AnswerReader()
        rows = [row for at in range(0, len(whole), size) for row in reader.feed(whole[at : at + size])]
        reader.close()
        assert [row.values for row in rows] == [
            {"name": "web-1"},
            {"name": "web-2", "config.annotation": "späť"},
        ]
    reader = AnswerReader()
    assert [row.id for row in reader.feed(whole[: whole.index(b"vm-2")])] == ["vm-1"]


def test_plain_properties_and_others_belong_to_their_own_object() -> None:
    nets = [f'<val xsi:type="ArrayOfString"><string>net-{number}</string></val>' for number in range(3)]
    notes = '<val xsi:type="xsd:string">a &amp; b</val>'
    whole = page("".join(vm(at, prop("network", net), prop("note", notes)) for at, net in enumerate(nets)))
    for at in range(len(whole)):
        reader = AnswerReader()
        rows = [*reader.feed(whole[:at]), *reader.feed(whole[at:])]
        reader.close()
        read = [
            (row.id, row.get("name"), row.get("note"), row.get("network").first("string")) for row in rows
        ]
        assert read == [(f"vm-{at}", f"web-{at}", "a & b", f"net-{at}") for at in range(3)]


@pytest.mark.parametrize(("begin", "end"), [("<![CDATA[", "]]>"), ("<!--", "-->")])
def test_what_only_looks_like_a_property_is_none(begin: str, end: str) -> None:
    forged = prop("runtime.powerState", '<val xsi:type="VirtualMachinePowerState">poweredOff</val>')
    note = f'<val xsi:type="xsd:string">{begin}{forged}{end}</val>'
    (row,) = read_all(page(vm(1, prop("config.annotation", note))))
    assert row.values == {"name": "web-1", "config.annotation": forged if "CDATA" in begin else ""}


def test_a_text_is_read_by_the_rules_of_xml() -> None:
    (row,) = read_all(page(vm(1, prop("note", '<val xsi:type="xsd:string">one\r\ntwo</val>'))))
    assert row.get("note") == "one\ntwo"
    for forbidden in ("\x01", "\x1b"):
        with pytest.raises(ExpatError):
            read_all(page(vm(1, prop("note", f'<val xsi:type="xsd:string">{forbidden}</val>'))))


def test_an_answer_that_ends_too_early_is_an_error() -> None:
    with pytest.raises(ExpatError):
        read_all(page(vm(1))[:-20])


def test_a_value_that_is_not_what_it_says_is_an_error() -> None:
    with pytest.raises(ExpatError, match="cannot be read"):
        read_all(page(vm(1, prop("config.hardware.numCPU", '<val xsi:type="xsd:int">many</val>'))))


def missing(fault: str) -> str:
    return (
        "<missingSet><path>config.uuid</path><fault>"
        f'<fault xsi:type="{fault}"><privilegeId>System.Read</privilegeId></fault>'
        "<localizedMessage>no</localizedMessage></fault></missingSet>"
    )


def test_what_may_not_be_read_is_left_out() -> None:
    (row,) = read_all(page(vm(1, missing("NoPermission"))))
    assert row.values == {"name": "web-1"}


def test_a_session_that_is_over_is_said_even_if_only_properties_say_it() -> None:
    with pytest.raises(vim.fault.NotAuthenticated):
        read_all(page(vm(1, missing("NotAuthenticated"))))


def change(kind: str, number: int, *sets: str) -> str:
    head = f'<objectSet><kind>{kind}</kind><obj type="VirtualMachine">vm-{number}</obj>'
    return f"{head}{''.join(sets)}</objectSet>"


def changed(name: str, operation: str, value: str = "") -> str:
    return f"<changeSet><name>{name}</name><op>{operation}</op>{value}</changeSet>"


def test_an_update_says_what_came_what_changed_and_what_went() -> None:
    reader = AnswerReader()
    inner = (
        '<version>12</version><filterSet><filter type="PropertyFilter">f-1</filter>'
        + change("enter", 1, changed("name", "assign", '<val xsi:type="xsd:string">web-1</val>'))
        + change(
            "modify",
            2,
            changed("snapshot", "indirectRemove"),
            changed("runtime.bootTime", "assign"),
            changed("runtime.question", "assign", '<val xsi:nil="true"></val>'),
        )
        + change("leave", 3)
        + "</filterSet><truncated>true</truncated>"
    )
    rows = reader.feed(answer("WaitForUpdatesEx", inner))
    reader.close()
    assert [(row.change, row.id, row.values) for row in rows] == [
        ("enter", "vm-1", {"name": "web-1"}),
        ("modify", "vm-2", {"snapshot": None, "runtime.bootTime": None, "runtime.question": None}),
        ("leave", "vm-3", {}),
    ]
    assert (reader.version, reader.truncated) == ("12", True)


def test_no_news_is_an_answer_without_a_version() -> None:
    reader = AnswerReader()
    assert reader.feed(answer("WaitForUpdatesEx", "").replace(b"<returnval></returnval>", b"")) == []
    reader.close()
    assert (reader.version, reader.truncated) == ("", False)
