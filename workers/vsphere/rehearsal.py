"""A look at a VM that is nowhere, in a process that has no job yet, so that its first real one is quick.

A forked process copies each page of its parent's memory the first time that it touches it, so what a job
does first takes twice as long as it would again. Nothing goes over the wire here.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any, cast

from config.sites import Vcenter
from workers.vsphere.connection import VcenterConnection
from workers.vsphere.inventory import read_vms
from workers.vsphere.session import Session

VM = "vm-0"
_OBJECTS = """
<objects><obj type="VirtualMachine">vm-0</obj>
<propSet><name>config.annotation</name><val xsi:type="xsd:string"></val></propSet>
<propSet><name>config.hardware.memoryMB</name><val xsi:type="xsd:int">1024</val></propSet>
<propSet><name>config.hardware.numCPU</name><val xsi:type="xsd:int">1</val></propSet>
<propSet><name>config.uuid</name><val xsi:type="xsd:string">00000000</val></propSet>
<propSet><name>datastore</name><val xsi:type="ArrayOfManagedObjectReference">
<ManagedObjectReference type="Datastore">datastore-0</ManagedObjectReference></val></propSet>
<propSet><name>guest.ipAddress</name><val xsi:type="xsd:string">192.0.2.1</val></propSet>
<propSet><name>name</name><val xsi:type="xsd:string">rehearsal</val></propSet>
<propSet><name>parent</name><val type="Folder" xsi:type="ManagedObjectReference">group-v0</val></propSet>
<propSet><name>runtime.bootTime</name><val xsi:type="xsd:dateTime">2026-01-01T00:00:00Z</val></propSet>
<propSet><name>runtime.host</name>
<val type="HostSystem" xsi:type="ManagedObjectReference">host-0</val></propSet>
<propSet><name>runtime.powerState</name><val xsi:type="VirtualMachinePowerState">poweredOn</val></propSet>
</objects>
<objects><obj type="HostSystem">host-0</obj>
<propSet><name>name</name><val xsi:type="xsd:string">rehearsal</val></propSet></objects>
"""
_BODY = f"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soapenv:Body><RetrievePropertiesExResponse xmlns="urn:vim25"><returnval>{_OBJECTS}</returnval>
</RetrievePropertiesExResponse></soapenv:Body></soapenv:Envelope>""".encode()
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


class _Wire:
    """Stands for a socket on which the answer has come."""

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(_ANSWER)


class _ScriptedConnection(VcenterConnection):
    """Takes each question and gives the same answer."""

    def request(self, *_what: Any, **_how: Any) -> None:
        """Send nothing."""

    def getresponse(self) -> http.client.HTTPResponse:
        """The answer."""
        response = http.client.HTTPResponse(cast("socket.socket", _Wire()))
        response.begin()
        return response


def rehearse(session: Session, vcenter: Vcenter) -> None:
    """Ask for a VM and read the answer, as `vm info` does, in a session that has no connection yet."""
    stub = session.stub
    real, stub.scheme = stub.scheme, _ScriptedConnection  # type: ignore[assignment]  # guessed from its first use
    try:
        read_vms(session, vcenter, (VM,))
    finally:
        stub.scheme = real
        stub.DropConnections()  # type: ignore[no-untyped-call]  # pyVmomi
