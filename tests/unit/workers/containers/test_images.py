"""What an image's history tells, and what it does not."""

from __future__ import annotations

import pytest

from workers.containers.images import hide_values


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("ENV TOKEN=s3cret", "ENV TOKEN=…"),
        ("ENV A=s3 cret B=x", "ENV A=… B=…"),
        ("ARG TOKEN=s3cret", "ARG TOKEN=…"),
        ("ARG TOKEN", "ARG TOKEN"),
        ("|1 TOKEN=s3cret /bin/sh -c make all A=b", "|1 TOKEN=… /bin/sh -c make all A=b"),
        (
            "RUN |2 A=s3 cret B=x /bin/bash -ec make # buildkit",
            "RUN |2 A=… B=… /bin/bash -ec make # buildkit",
        ),
        ("|1 KEY=-----BEGIN\nabc\n----- /bin/sh -c make", "|1 KEY=… /bin/sh -c make"),
        ('CMD ["httpd" "-f"]', 'CMD ["httpd" "-f"]'),
        ("mkdir /www && echo A=b", "mkdir /www && echo A=b"),
    ],
)
def test_values_of_variables_that_a_build_was_given_are_hidden(command: str, shown: str) -> None:
    assert hide_values(command) == shown
