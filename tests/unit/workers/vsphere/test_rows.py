"""Rows out of the property collector's own words: which addresses are a VM's, and how its Tools are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from config.sites import SecretReference, Vcenter
from workers.vsphere.rows import addresses_of, condense, row_of
from workers.vsphere.sightings import Sighting
from workers.vsphere.stream import AnswerReader

VCENTER = Vcenter(host="vc", user="u", password=SecretReference(env="UNUSED"), environment="dev")
HEAD = '<e:Envelope xmlns:e="urn:e" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
# as Docker in the guest has them: none of them is a card of the VM's
BRIDGES = (
    (-1, ("172.17.0.1",)),
    (-1, ("172.18.0.1", "10.88.0.1")),
    (0, ("192.168.122.1",)),
    (3999, ("10.0.0.9",)),
)


def read_vm(*properties: str) -> Sighting:
    inner = f'<objects><obj type="VirtualMachine">vm-1</obj>{"".join(properties)}</objects>'
    reader = AnswerReader()
    (seen,) = reader.feed(f"{HEAD}<returnval>{inner}</returnval></e:Envelope>".encode())
    reader.close()
    return condense(seen)


def net(*cards: tuple[int, Sequence[str]]) -> str:
    shown = "".join(
        f"<GuestNicInfo>{''.join(f'<ipAddress>{one}</ipAddress>' for one in addresses)}"
        f"<deviceConfigId>{key}</deviceConfigId></GuestNicInfo>"
        for key, addresses in cards
    )
    return f'<propSet><name>guest.net</name><val xsi:type="ArrayOfGuestNicInfo">{shown}</val></propSet>'


def tools(status: str) -> str:
    return (
        f'<propSet><name>guest.toolsVersionStatus2</name><val xsi:type="xsd:string">{status}</val></propSet>'
    )


def test_addresses_are_those_of_the_vms_own_cards_and_not_of_its_guests_bridges() -> None:
    vm = read_vm(net(*BRIDGES, (4000, ("10.0.3.7",)), (4001, ("10.1.3.7",))))
    assert addresses_of(vm) == ("10.0.3.7", "10.1.3.7")
    assert row_of("lab", VCENTER, vm, {}, {}).ip == "10.0.3.7"


def test_of_an_own_card_what_leads_nowhere_is_left_out_and_ipv4_comes_first() -> None:
    card = (4000, ("fe80::1%eth0", "2001:db8::7", "169.254.3.4", "172.17.0.2", "no address", "172.18.0.7"))
    assert addresses_of(read_vm(net(card))) == ("172.18.0.7", "2001:db8::7")


def test_a_guest_with_nothing_but_bridges_has_no_address() -> None:
    vm = read_vm(net(*BRIDGES))
    assert addresses_of(vm) == ()
    assert row_of("lab", VCENTER, vm, {}, {}).ip == ""


@pytest.mark.parametrize(
    ("status", "known"),
    [
        ("guestToolsNotInstalled", "none"),
        ("guestToolsTooOld", "old"),
        ("guestToolsSupportedOld", "old"),
        ("guestToolsNeedUpgrade", "old"),
        ("guestToolsBlacklisted", "old"),
        ("guestToolsCurrent", "current"),
        ("guestToolsSupportedNew", "current"),
        ("guestToolsTooNew", "current"),
        ("guestToolsUnmanaged", "current"),
        ("guestToolsOfAnotherDay", ""),
    ],
)
def test_what_vcenter_says_of_the_tools_version(status: str, known: str) -> None:
    assert row_of("lab", VCENTER, read_vm(tools(status)), {}, {}).tools_version == known
