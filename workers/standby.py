"""A process that was forked before its job came, so that nobody who asks waits for the fork."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import structlog
from setproctitle import getproctitle, setproctitle

log = structlog.get_logger()
TITLE = "standing-by"  # a word of its title for as long as it waits


@dataclass(frozen=True, slots=True)
class Call:
    """In the process that stands by: what it is called with."""

    descriptor: int
    title: str  # of the process once it was called

    @property
    def came(self) -> bool:
        """Whether there is no time left to get ready."""
        return bool(select.select([self.descriptor], [], [], 0)[0])

    def wait(self) -> tuple[str, ...]:
        """The words of the call; none when the worker has ended or wants another in its place."""
        words = os.read(self.descriptor, select.PIPE_BUF)  # as much is written at once
        setproctitle(self.title)
        return tuple(words.decode("ascii").split())


@dataclass(frozen=True, slots=True)
class Standby:
    """In the worker: the process that stands by.

    It ends with its worker, whatever ends that: then the other end of its pipe is closed.
    """

    pid: int
    edition: object  # what it knows, as it was when it was forked; see `HorseWorker.before_fork`
    _descriptor: int

    @classmethod
    def fork(cls, edition: object, run: Callable[[Call], None]) -> Self:
        """Fork it off, in a group of its own; its end is the end of `run`."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(writer)
                os.setpgrp()
                title = getproctitle()
                setproctitle(f"{title} {TITLE}")
                run(Call(reader, title))
                status = 0
            except Exception as error:  # noqa: BLE001  the process' own boundary; its worker sees how it ended
                log.error("standby_failed", error=type(error).__name__)  # noqa: TRY400  no secret in the log
            finally:
                os._exit(status)
        os.close(reader)
        return cls(pid, edition, writer)

    def call(self, *words: str) -> bool:
        """Let it do its job; False when it has died while it stood by."""
        try:
            os.write(self._descriptor, f"{' '.join(words)}\n".encode("ascii"))
        except BrokenPipeError:
            return False
        finally:
            os.close(self._descriptor)
        return True

    def dismiss(self) -> None:
        """Let it go; it has done nothing yet."""
        os.close(self._descriptor)
        self.bury()

    def bury(self) -> None:
        """End it if it has not ended, so that nothing of it is left."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return
