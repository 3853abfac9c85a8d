"""What an audit record can say happened."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """What one record says."""

    ASKED = "asked"
    DECIDED = "decided"
    APPROVED = "approved"  # one vote
    DENIED = "denied"  # a person's No to a plan
    WITHDRAWN = "withdrawn"  # by its asker, before anything was done
    PAUSED = "paused"  # stopped halfway; a person is asked whether to go on or to put everything back
    ANSWERED = "answered"  # that person's word
    EXPIRED = "expired"
    STARTED = "started"  # a change begins; nothing is touched before this is on disk
    TASK = "task"  # a backend's task was started; `text` is its id
    CONCLUDED = "concluded"
    SAID = "said"  # the result stands in Slack; `text` is where
    BROKE_GLASS = "broke_glass"  # went ahead without approval, for a reason
    REVIEWED = "reviewed"  # somebody looked at it afterwards
    REFUSED = "refused"  # forged, altered or replayed
    FREEZE = "freeze"  # added or ended
    LOCK = "lock"  # taken or released
    MUTE = "mute"  # alarms muted or told again
    HALT = "halt"  # begun or lifted
    POLICY = "policy"  # read anew, or refused because it is broken
    HEAD = "head"  # the chain's head was given to a channel; `text` is SEQ:HASH
    MENDED = "mended"  # the record itself was found cut or short, and what was done about it
