"""The peer of the recorder: reads the same stream, writes each line and syncs it, and says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import cast

from redis import Redis

from andock.receipts import Answer


def main() -> None:
    """Until the process is stopped."""
    url, stream, answers, path = sys.argv[1:]
    redis = Redis.from_url(url)
    descriptor = os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    place = "0-0"
    print("ready", flush=True)
    while True:
        answer = cast("list[tuple[bytes, list[Answer]]]", redis.xread({stream: place}, count=500, block=1000))
        for _, entries in answer:
            for entry, fields in entries:
                os.write(descriptor, fields[b"sealed"] + b"\n")
                os.fsync(descriptor)
                redis.xadd(answers, {"entry": entry})
                place = entry.decode()


if __name__ == "__main__":
    main()
