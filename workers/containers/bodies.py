"""The body of an engine's long answer, in large pieces.

An engine sends each line of a log as an HTTP chunk of its own. urllib3 reads chunks one by one, and takes
longer for a log of 50,000 lines than the engine does; here all that has arrived is taken apart at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import requests

_PIECE = 64 * 1024
_LONGEST_HEAD = 1024  # bytes in front of a chunk: its length, and extensions that no engine sends
_ENDS = b"\r\n"


def read_body(response: requests.Response) -> Iterator[bytes]:
    """What has arrived of an answer that was asked for with `stream=True`, until it ends.

    Raises:
        requests.ReadTimeout: nothing came for as long as the connection waits.
        requests.ConnectionError: it broke off.
    """
    raw: Any = response.raw
    if not raw.chunked:
        yield from response.iter_content(_PIECE)
        return
    try:
        # below urllib3's reader, which has nothing public that gives more than one chunk
        yield from join_chunks(iter(partial(raw._fp.fp.read1, _PIECE), b""))  # noqa: SLF001
    except TimeoutError as error:
        raise requests.ReadTimeout(error) from error
    except (OSError, ValueError) as error:
        raise requests.ConnectionError(error) from error


def join_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes in HTTP's chunked coding (RFC 9112, 7.1), those of each piece together.

    Raises:
        ValueError: it is another coding, or ends before its last chunk.
    """
    buffer = _ENDS  # stands behind each chunk, and so before the next
    left = 0
    for piece in pieces:
        buffer += piece
        at, end = 0, len(buffer)
        found = []
        while at < end:
            if left:
                said = buffer[at : at + left]
                at += len(said)
                left -= len(said)
                found.append(said)
                continue
            behind = buffer.find(_ENDS, at + len(_ENDS))
            if behind < 0:
                break
            left = int(buffer[at + len(_ENDS) : behind].partition(b";")[0], 16)
            at = behind + len(_ENDS)
            if left < 0:
                raise ValueError("a chunk of less than nothing")
            if not left:
                yield b"".join(found)
                return
        buffer = buffer[at:]
        if not left and len(buffer) > _LONGEST_HEAD:
            raise ValueError("no length of a chunk")
        yield b"".join(found)
    raise ValueError("the last chunk did not come")
