"""Sessions with vCenters: logged in by a worker's parent process, spoken in by its horses."""

from __future__ import annotations

import difflib
import mmap
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog
from pydantic import SecretStr
from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter

from andock.errors import BackendRejectedError, DeadlineError, OpsError, UnknownSiteError
from andock.ports.watch import Watch
from config.sites import Vcenter
from workers.vsphere.connection import TRUSTED_FOR, make_context
from workers.vsphere.faults import VENDOR_ERRORS, is_lost, translate, translate_change
from workers.vsphere.login import Account, Login, is_alive, log_in, log_out, speak
from workers.vsphere.patience import Patience
from workers.vsphere.references import id_of, refer

log = structlog.get_logger()
T = TypeVar("T")
PROBE_AFTER = 300.0  # seconds; vCenter ends sessions that were idle for 30 minutes
TRY_AGAIN_AFTER = 30.0  # seconds that the parent leaves a vCenter alone that it could not log in to
AWAY_FOR = 5.0  # seconds in which a horse believes its parent that a vCenter is away
REFUSED_FOR = 60.0  # seconds in which nobody tries a refused password again: accounts get locked


class _Flag:
    """One bit that a horse can set and its parent sees: memory shared across the fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._memory[0] = 1

    def take(self) -> bool:
        """Whether it was set; it no longer is."""
        found = self._memory[0] == 1
        self._memory[0] = 0
        return found


@dataclass
class _Slot:
    """What a process knows of one vCenter. A horse has a copy of its parent's, all but the flag."""

    account: Account
    login: Login | None = None
    checked: float = 0.0  # monotonic, which parent and horse share
    failure: OpsError | None = None
    failed: float = 0.0
    suspect: _Flag = field(default_factory=_Flag)

    def raise_known_failure(self) -> None:
        """Spare a horse what its parent has just tried in vain."""
        age = time.monotonic() - self.failed
        if self.failure is not None and age < (REFUSED_FOR if _refused(self.failure) else AWAY_FOR):
            raise self.failure


class Sessions:
    """All vCenters of a worker. The parent keeps a session with each, `ensure`d before each fork.

    A horse never touches a connection of its parent: it opens a fresh one and speaks in the parent's
    session, so that a job costs no login. When the session has died, the horse logs in for itself and
    flags that to the parent, which looks before the next fork.
    """

    def __init__(
        self, vcenters: Mapping[str, Vcenter], passwords: Mapping[str, SecretStr], base: Path
    ) -> None:
        """Prepare the vCenters; nothing is connected yet.

        Raises:
            ConfigError: a CA file cannot be read.
        """
        self._slots = {
            name: _Slot(Account(name, vcenter, passwords[name], make_context(vcenter, name=name, base=base)))
            for name, vcenter in vcenters.items()
        }
        self._spare: dict[str, Session] = {}  # opened before there was a job

    @property
    def edition(self) -> object:
        """What a horse inherits that may change: it compares unequal then."""
        return tuple((slot.login, slot.failure) for slot in self._slots.values())

    def sites(self) -> tuple[str, ...]:
        """Names of the vCenters, in the order of sites.yaml."""
        return tuple(self._slots)

    def vcenter(self, site: str) -> Vcenter:
        """One vCenter's entry in sites.yaml; raises UnknownSiteError."""
        return self.account(site).vcenter

    def account(self, site: str) -> Account:
        """How Andock logs in to this vCenter; raises UnknownSiteError."""
        return self._slot(site).account

    def prepare(self) -> None:
        """`ensure` for all vCenters at a time: however many are away, it takes as long as one.

        Its threads have ended when it returns, so that the parent may fork.
        """
        if len(self._slots) == 1:
            self.ensure(next(iter(self._slots)))
        elif self._slots:
            with ThreadPoolExecutor(max_workers=len(self._slots)) as threads:
                list(threads.map(self.ensure, self._slots))

    def ensure(self, site: str) -> None:
        """In the parent: log in, or look whether the session holds when that is due. Never raises ours.

        What fails here is left to the horses, which say it to the person who asks.
        """
        slot = self._slot(site)
        now = time.monotonic()
        suspected = slot.suspect.take()
        if slot.login is not None and not suspected and now - slot.checked < PROBE_AFTER:
            return
        if slot.failure is not None and now - slot.failed < (
            REFUSED_FOR if _refused(slot.failure) else TRY_AGAIN_AFTER
        ):
            return
        try:
            if slot.login is None or not is_alive(slot.account, slot.login):
                slot.login = None
                slot.login = log_in(slot.account)
            slot.checked, slot.failure = time.monotonic(), None
        except OpsError as error:
            slot.failure, slot.failed = error, time.monotonic()
            log.warning("vcenter_not_ready", site=site, error=error.sentence)

    def open(self, site: str, watch: Watch | None = None) -> Session:
        """In a horse: a session to speak in; it must be closed. Its reads end when `watch` says so.

        Raises:
            UnknownSiteError: no vCenter has that name.
        """
        spare = self._spare.pop(site, None)
        if spare is None:
            return Session(self._slot(site), watch)
        spare.patience.heed(watch)
        return spare

    def warm_up(self, enough: Callable[[], bool], rehearse: Callable[[Session, Vcenter], None]) -> None:
        """In a horse that has no job yet: connect to the vCenters that answered its parent, until `enough`.

        The first session is given to `rehearse` before that. Raises pyVmomi's own errors.
        """
        for site, slot in self._slots.items():
            if enough():
                return
            if slot.login is not None and slot.failure is None:
                session = Session(slot)
                if not self._spare:
                    rehearse(session, slot.account.vcenter)
                session.connect()
                self._spare[site] = session

    def close(self) -> None:
        """In the parent, at its end: log out of every session."""
        for slot in self._slots.values():
            if slot.login is not None:
                log_out(slot.account, slot.login)
                slot.login = None

    def _slot(self, site: str) -> _Slot:
        if site not in self._slots:
            raise UnknownSiteError(site, similar=difflib.get_close_matches(site, self._slots, n=2))
        return self._slots[site]


class Session:
    """One process' way to speak with one vCenter: its own stub, its own property collector."""

    def __init__(self, slot: _Slot, watch: Watch | None = None) -> None:
        self._slot = slot
        self._own: Login | None = None  # a login of this process', to be ended by it
        self._inherited_is_dead = False
        self._stub: SoapStubAdapter | None = None
        self._collector: vmodl.query.PropertyCollector | None = None
        self._answered = 0.0  # when the last answer came, monotonic
        self.site = slot.account.site
        self.patience = Patience(self.site, watch)

    @property
    def login(self) -> Login:
        """The session spoken in; logs in if there is none.

        Raises:
            BackendUnavailableError, BackendRejectedError: there is none and none can be had.
        """
        known = None if self._inherited_is_dead else self._slot.login
        if self._own is None:  # also when there is a session: its vCenter may be known to be away
            self._slot.raise_known_failure()
        if self._own is None and known is None:
            try:
                self._own = log_in(self._slot.account, self.patience)
            except DeadlineError:
                raise
            except OpsError as error:
                self.patience.left()  # that there was no time says nothing of the vCenter
                self._slot.failure, self._slot.failed = error, time.monotonic()
                raise
        login = self._own or known
        if login is None:  # one of the two is set; for the type checker
            raise BackendRejectedError(self.site, "no login")
        return login

    @property
    def stub(self) -> SoapStubAdapter:
        """This process' own stub."""
        if self._stub is None:
            self._stub = speak(self._slot.account, self.login, self.patience)
        return self._stub

    def connect(self) -> None:
        """Open the connection that the next call takes; nothing is sent on it yet."""
        connection = self.stub.GetConnection()  # type: ignore[no-untyped-call]  # pyVmomi
        connection.opened_ahead()
        self.stub.ReturnConnection(connection)  # type: ignore[no-untyped-call]  # pyVmomi

    @property
    def collector(self) -> vmodl.query.PropertyCollector:
        """This process' own property collector: the session's default one is shared with other jobs."""
        if self._collector is None:
            shared = refer(vmodl.query.PropertyCollector, self.login.collector, self.stub)
            self._collector = shared.CreatePropertyCollector()
        return self._collector

    @property
    def retriever(self) -> vmodl.query.PropertyCollector:
        """The session's own property collector, for retrievals only: they leave nothing behind in it."""
        return refer(vmodl.query.PropertyCollector, self.login.collector, self.stub)

    def read(self, call: Callable[[Session], T], *, target: str = "") -> T:
        """Make a call that changes nothing; once more after a lost session or connection.

        `call` does nothing but speak with vCenter, and starts from this session each time.

        Raises:
            BackendUnavailableError, BackendRejectedError, TargetNotFoundError, TargetStateError
            DeadlineError: the job's time limit passed before the answer came; nothing was changed.
        """
        with self.patience.reading():
            try:
                return self._heed(call)
            except VENDOR_ERRORS as error:
                if not self._recover(error):
                    raise translate(error, site=self.site, target=target) from error
            try:
                return self._heed(call)
            except VENDOR_ERRORS as error:
                raise translate(error, site=self.site, target=target) from error

    def change(self, call: Callable[[Session], T], *, target: str, what: str) -> T:
        """Make a call that changes something, at most once.

        It goes out on a new connection, unless the last answer came just now: an older one may be dead at the
        other end, which would look like an answer lost. NotAuthenticated is vCenter's word that it did
        nothing, so the call goes out again after a login; nothing else is repeated.

        Raises:
            BackendUnavailableError: nothing was sent.
            OutcomeUnknownError: it was sent, and no answer came.
            BackendRejectedError, TargetNotFoundError, TargetStateError: vCenter refused.
        """
        stub = self.stub
        if time.monotonic() - self._answered > TRUSTED_FOR:
            stub.DropConnections()  # type: ignore[no-untyped-call]  # pyVmomi
        try:
            return self._heed(call)
        except vim.fault.NotAuthenticated:
            self._forget_login()
        except VENDOR_ERRORS as error:
            raise translate_change(error, site=self.site, target=target, what=what) from error
        try:
            return self._heed(call)
        except VENDOR_ERRORS as error:
            raise translate_change(error, site=self.site, target=target, what=what) from error

    def _heed(self, call: Callable[[Session], T]) -> T:
        """Make a call, and note when its answer came."""
        answer = call(self)
        self._answered = time.monotonic()
        return answer

    def close(self) -> None:
        """Give back what this process made: its collector, and its login if it had to make one."""
        if self._collector is not None:
            try:
                self._collector.DestroyPropertyCollector()
            except VENDOR_ERRORS as error:
                log.info("collector_left_behind", site=self.site, error=type(error).__name__)
            self._collector = None
        if self._stub is not None:
            self._stub.DropConnections()  # type: ignore[no-untyped-call]  # pyVmomi
            self._stub = None
        if self._own is not None:
            log_out(self._slot.account, self._own)
            self._own = None

    def _recover(self, error: BaseException) -> bool:
        """Make a second try sensible, or say that it is not."""
        if isinstance(error, vim.fault.NotAuthenticated) or self._misses_collector(error):
            self._forget_login()
            return True
        return is_lost(error)  # the stub has dropped its connections itself

    def _misses_collector(self, error: BaseException) -> bool:
        """Whether our own collector is gone: it went with its session."""
        return (
            isinstance(error, vmodl.fault.ManagedObjectNotFound)
            and self._collector is not None
            and id_of(error.obj) == id_of(self._collector)
        )

    def _forget_login(self) -> None:
        """Forget a dead session, and what vCenter dropped with it; the next call logs in."""
        if self._own is None:
            self._inherited_is_dead = True
            self._slot.suspect.set()
        self._own = self._stub = self._collector = None


def _refused(failure: OpsError) -> bool:
    return isinstance(failure, BackendRejectedError)
