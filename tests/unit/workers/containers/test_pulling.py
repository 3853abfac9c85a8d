"""How far a pull is, out of an engine's lines, and what its failures are called."""

from __future__ import annotations

from workers.containers.pulling import Progress

LINES = (
    {"status": "Pulling from team/web", "id": "sha256:1"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "a"},
    {"status": "Pulling fs layer", "progressDetail": {}, "id": "b"},
    {"status": "Downloading", "progressDetail": {"current": 100, "total": 400}, "id": "a"},
    {"status": "Downloading", "progressDetail": {"current": 100, "total": 100}, "id": "b"},
    {"status": "Extracting", "progressDetail": {"current": 10, "total": 900}, "id": "b"},
    {"status": "Pull complete", "progressDetail": {}, "id": "b"},
    {"status": "Download complete", "progressDetail": {}, "id": "a"},
    {"status": "Pull complete", "progressDetail": {}, "id": "a"},
    {"status": "Digest: sha256:1"},
)


def test_progress_is_what_is_fetched_of_what_is_known() -> None:
    progress = Progress()
    seen = []
    for line in LINES:
        progress.take(line)
        seen.append((progress.percent, progress.text))
    assert seen == [
        (None, "asking the registry"),
        (None, "0 of 1 layers"),
        (None, "0 of 2 layers"),
        (25, "0 of 2 layers"),
        (40, "0 of 2 layers"),
        (40, "0 of 2 layers"),
        (40, "1 of 2 layers"),
        (99, "1 of 2 layers"),
        (99, "2 of 2 layers"),
        (99, "2 of 2 layers"),
    ]


def test_an_image_that_is_there_already_has_nothing_to_fetch() -> None:
    progress = Progress()
    progress.take({"status": "Already exists", "progressDetail": {}, "id": "a"})
    assert (progress.percent, progress.text) == (None, "1 of 1 layers")
