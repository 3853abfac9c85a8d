"""Sees policy.yaml change while the bot runs, and tells operators when it is broken and when it is mended."""

from __future__ import annotations

import asyncio
import hashlib
import time

import structlog
from redis.exceptions import RedisError

from andock.audit import AuditRecord, Event, Journal
from andock.messages import Notice
from andock.outbox import Outbox
from andock.rendering.mrkdwn import prose
from config.live_policy import LOOK, LivePolicy
from config.sites import Sites

log = structlog.get_logger()
LONGEST = 2000  # characters of a fault that are told


class PolicyWatch:
    """Of several bots that see the same file, one tells; each records what counts for it."""

    def __init__(self, policy: LivePolicy, journal: Journal, sites: Sites) -> None:
        self._policy = policy
        self._outbox = Outbox(journal.ledger)
        self._journal = journal
        self._sites = sites
        self._known = policy.edition
        self._told = ""  # the fault that operators know of

    async def keep(self) -> None:
        """Look until cancelled; Redis may go away and come back."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK)

    def look(self) -> None:
        """Let the policy be read again if it changed, and tell and record what is new about it."""
        self._policy.current()
        edition, fault = self._policy.edition, self._policy.fault
        if edition == self._known:
            return
        try:
            if fault != self._told:
                self._tell(edition, fault)
                self._told = fault
            self._journal.write(
                AuditRecord(event=Event.POLICY, name="bot", result="refused" if fault else "read", text=fault)
            )
        except RedisError as error:
            log.warning("policy_change_not_told", error=type(error).__name__)
            return  # told at the next look
        self._known = edition

    def _tell(self, edition: str, fault: str) -> None:
        if not self._sites.admin:
            return
        broken = "⚠️ policy.yaml is broken, and the policy before it counts until it is mended:\n"
        mended = "✅ policy.yaml is mended, and counts as it is now."
        named = hashlib.sha256(f"{edition} {fault}".encode()).hexdigest()
        notice = Notice(
            id=f"policy{named[:32]}",
            instance=self._sites.instance,
            channel=self._sites.admin,
            text=broken + prose(fault, LONGEST) if fault else mended,
            at=time.time(),
        )
        self._outbox.tell(notice, self._journal.signer)
