"""vCenters: reached, trusted, logged in to, and with the right time."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from andock.errors import BackendRejectedError, BackendUnavailableError, OpsError
from andock.privileges import EXTENSION, WATCHING_FIX, privileges_for, say_blind
from config.credentials import read_secret
from config.sites import Vcenter
from workers.doctor.clocks import compare_clock
from workers.doctor.configuration import check_secret_file
from workers.doctor.findings import Finding, fail, fail_with, ok, warn
from workers.vsphere import NoTagsError, PyVmomiVSphere, Sessions, TagService, read_tags
from workers.vsphere.connection import VcenterConnection, make_context
from workers.vsphere.extension import is_registered
from workers.vsphere.faults import translate
from workers.vsphere.permissions import lacks_at_root, own_privileges

_ABOUT = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>
<RetrieveServiceContent xmlns="urn:vim25">
<_this type="ServiceInstance">ServiceInstance</_this></RetrieveServiceContent>
</soapenv:Body></soapenv:Envelope>"""
_FULL_NAME = re.compile(rb"<fullName>([^<]{1,200})</fullName>")
_LONGEST = 100_000  # bytes of an answer that are read


def check_vcenter(
    name: str,
    vcenter: Vcenter,
    base: Path,
    instance: str,
    allowed: Sequence[str] | None = None,
    told: Sequence[str] = (),
) -> tuple[Finding, ...]:
    """One vCenter; a wrong password is tried once, since it locks accounts.

    `instance` is the name under which Andock may be registered there. `allowed` are the operations that
    policy allows there; None when policy is not known. `told` is what of it is told in a channel: `alarms`,
    `events`.
    """
    what = f"vcenter {name}"
    found = [*_check_trust(what, vcenter, base)]
    try:
        password = read_secret(vcenter.password, of=f"vcenters.{name}", base=base)
        context = make_context(vcenter, name=name, base=base)
        said = _read_about(name, vcenter, context)
        sessions = Sessions({name: vcenter}, {name: password}, base)
        vsphere = PyVmomiVSphere(sessions)
        try:
            vsphere.server_time(name)  # logs in, so that the answer below comes at once
            clock = compare_clock(f"{what} clock", lambda: vsphere.server_time(name).timestamp())
        finally:
            vsphere.close()
    except OpsError as error:
        return (fail_with(what, error, _fix(name, error)), *found)
    found += _check_privileges(name, sessions, instance, allowed)
    found += [_check_sight(name, sessions, " and ".join(told))] if told else []
    found += _check_tags(what, vcenter, TagService(sessions.account(name)))
    return (ok(what, f"{said}, logged in as {vcenter.user}"), clock, *found)


def _check_trust(what: str, vcenter: Vcenter, base: Path) -> tuple[Finding, ...]:
    found = []
    if not vcenter.tls.verify:
        fix = "name its CA under tls.ca and leave tls.verify out."
        detail = "its certificate is not checked: whoever stands between gets the password"
        found.append(warn(f"{what} tls", detail, fix))
    if vcenter.password.file is not None:
        open_file = check_secret_file(f"{what} password", base / vcenter.password.file)
        found += [open_file] if open_file is not None else []
    return tuple(found)


def _check_privileges(
    name: str, sessions: Sessions, instance: str, allowed: Sequence[str] | None
) -> Iterator[Finding]:
    """Whether the account may do what policy lets people ask for, and show who asked where it is to."""
    what = f"vcenter {name} privileges"
    session = sessions.open(name)
    try:
        held = own_privileges(session)
        shows = is_registered(session, instance)
    except OpsError as error:
        yield warn(what, error.sentence, "compare the account's role with docs/vsphere-role.md.")
        return
    finally:
        session.close()
    if allowed is not None:
        yield _compare(what, held, allowed)
    if shows:
        yield _compare_extension(f"vcenter {name} extension", held)


def _compare_extension(what: str, held: Collection[str]) -> Finding:
    """Whether vCenter's own log can say who asked."""
    fix = "add them to the account's role in vCenter, or run `andock vcenter unregister`."
    missing = [one for one in EXTENSION if one not in held]
    if missing:
        lacks = f"the account lacks {len(missing)} of {len(EXTENSION)}: {', '.join(missing)}"
        return warn(what, f"Andock is registered, but {lacks}", fix)
    return ok(what, "Andock is registered and may show there who asked")


def _compare(what: str, held: Collection[str], allowed: Sequence[str]) -> Finding:
    """Whether what is held is enough for these operations."""
    fix = "add them to the account's role in vCenter, or allow less in policy.yaml; see docs/vsphere-role.md."
    needed: dict[str, list[str]] = {}
    for operation in allowed:
        for privilege in privileges_for(operation):
            needed.setdefault(privilege, []).append(operation)
    missing = [f"{one} ({', '.join(needed[one])})" for one in sorted(needed.keys() - set(held))]
    if missing:
        return warn(what, f"the account lacks {len(missing)} of {len(needed)}: {'; '.join(missing)}", fix)
    return ok(what, f"all {len(needed)} that policy's operations need" if needed else "policy needs none")


def _check_sight(name: str, sessions: Sessions, told: str) -> Finding:
    """Whether the alarms and events that are to be told can be seen."""
    what = f"vcenter {name} {told}"
    session = sessions.open(name)
    try:
        missing = session.read(lacks_at_root)
    except OpsError as error:
        return fail_with(what, error, WATCHING_FIX)
    finally:
        session.close()
    return fail(what, say_blind(told, missing), WATCHING_FIX) if missing else ok(what, "they can be seen")


def _check_tags(what: str, vcenter: Vcenter, service: TagService) -> tuple[Finding, ...]:
    """Whether tags can be read, where environments go by them."""
    tags = [rule.tag for rule in vcenter.environments if rule.tag is not None]
    if not tags:
        return ()
    what = f"{what} tags"
    fix = "see that vCenter's vAPI endpoint runs, or use folder: instead of tag: in environments."
    try:
        read_tags(service, lambda service: service.tags_of(("vm-0",)))
    except NoTagsError:
        return (fail(what, f"vCenter offers none, and the rule on {tags[0]} asks for them", fix),)
    except OpsError as error:
        return (fail_with(what, error, fix),)
    finally:
        service.close()
    return (ok(what, "they can be read"),)


def _read_about(name: str, vcenter: Vcenter, context: ssl.SSLContext) -> str:
    """Product and version; vCenter tells them before a login.

    Raises:
        BackendUnavailableError: not reached, or no vCenter.
    """
    connection = VcenterConnection(vcenter.host, vcenter.port, context=context)
    try:
        connection.request("POST", "/sdk", _ABOUT, {"Content-Type": "text/xml", "SOAPAction": "urn:vim25"})
        answer = connection.getresponse().read(_LONGEST)
    except (OSError, http.client.HTTPException) as error:
        raise translate(error, site=name) from error
    finally:
        connection.close()
    found = _FULL_NAME.search(answer)
    if found is None:
        raise BackendUnavailableError(name, f"what answers at {vcenter.host}:{vcenter.port} is no vCenter")
    return found[1].decode(errors="replace")


def _fix(name: str, error: OpsError) -> str:
    place = f"vcenters.{name}"
    if isinstance(error, BackendRejectedError):
        return f"check user and password of {place}; a locked account opens again after a while."
    if "certificate" in error.sentence:
        return f"name the CA under {place}.tls.ca, and the host as the certificate names it."
    return f"check host, port and firewall of {place}."
