"""The connection to a running workspace: starting it, stopping it, asking its control API."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.slack.wire import Json

START_SECONDS = 20.0
REFUSED = 409


class Refused(Exception):  # noqa: N818 reads as what the workspace did
    """The control API said no; `error` is its name for it, the message explains."""

    def __init__(self, error: str, explanation: str) -> None:
        """Both come from the workspace."""
        super().__init__(f"{error}: {explanation}")
        self.error = error
        self.explanation = explanation


class WaitTimeout(Refused):
    """Nothing matched in time; the message shows what is in the channel instead."""


class Remote:
    """One running workspace."""

    def __init__(self, ready: Json, process: "subprocess.Popen[str] | None" = None) -> None:
        """From the ready line; without a process it is somebody else's to stop."""
        self.url = str(ready["url"])
        self.api_url = str(ready["api_url"])
        self.control_url = str(ready["control_url"])
        self.bot_token = str(ready["bot_token"])
        self.app_token = str(ready["app_token"])
        self.signing_secret = str(ready["signing_secret"])
        self.team_id = str(ready["team_id"])
        self.bot_user = str(ready["bot_user"])
        self.bot_id = str(ready["bot_id"])
        self._process = process
        # Proxies of the environment must not get between two loopback processes.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @classmethod
    def start(cls, state_dir: Path, *arguments: str) -> Self:
        """Start a workspace; `arguments` as on its command line. Its log goes to `state_dir`."""
        state_dir.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "sandbox.slack",
            "--state-file",
            str(state_dir / "slack.json"),
            *arguments,
        ]
        with (state_dir / "slack.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=_find_root()
            )
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            process.wait(START_SECONDS)
            raise RuntimeError(f"the workspace did not start, see {state_dir / 'slack.log'}")
        return cls(json.loads(line), process)

    @classmethod
    def attach(cls, state_file: Path) -> Self:
        """A workspace that runs already, by the file that it wrote."""
        return cls(json.loads(state_file.read_text()))

    def stop(self) -> None:
        """Stop the process that `start` started."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    def version(self) -> int:
        """A number that rises with every change."""
        return int(self.control("change", {"after": -1})["version"])

    def control(self, name: str, body: Mapping[str, object], *, timeout: float = 60.0) -> Json:
        """One control call, for what has no method of its own.

        Raises:
            Refused: with the workspace's reason.
        """
        data = json.dumps(dict(body)).encode()
        request = urllib.request.Request(
            f"{self.control_url}/{name}", data, {"Content-Type": "application/json"}
        )
        try:
            with self.opener.open(request, timeout=timeout) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as failure:
            with failure:
                text = failure.read().decode()
            if failure.code != REFUSED:
                raise RuntimeError(f"{name}: HTTP {failure.code}: {text[:500]}") from None
            refusal = json.loads(text)
            kind = WaitTimeout if refusal["error"] == "timeout" else Refused
            raise kind(refusal["error"], refusal["explanation"]) from None

    def sleep_until_changed(self, version: int, deadline: float) -> bool:
        """Wait for a version newer than this; False when `deadline` (monotonic seconds) passed first."""
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        return (
            int(self.control("change", {"after": version, "timeout": left}, timeout=left + 10)["version"])
            > version
        )


def _find_root() -> Path:
    """Where `python -m sandbox.slack` finds the package."""
    return Path(__file__).resolve().parents[2]
