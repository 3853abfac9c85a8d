"""docs/vsphere-role.md, made from the catalogue: `python -m config.role docs/vsphere-role.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from andock.catalogue import Catalogue, load_catalogue
from andock.operation import Backend
from andock.privileges import CANCEL, EXTENSION, NEEDED, privileges_for

_HEAD = """# Andock's role in vCenter

The least that Andock's account needs. This page is made from the catalogue by `make docs`; change it in
`andock/privileges.py`.

Make a role with the privileges of the operations that your policy.yaml allows, and give it to the account on
the root folder, propagated. `andock doctor` compares the two and names what is missing, with the operations
that need it.

## Every account

`System.View` and `System.Read`, which every role has. All reads, the inventory index, alarms and events make
do with them. The account must have a role on the root folder, with Propagate to children: alarms and events
are seen only from there.
"""


def describe_role(catalogue: Catalogue) -> str:
    """The whole page."""
    changes = [one for one in catalogue if one.backend is Backend.VSPHERE and one.name in NEEDED]
    rows = [
        f"| `{one.name}` | {', '.join(f'`{name}`' for name in privileges_for(one.name) if name != CANCEL)} |"
        for one in changes
    ]
    every = sorted({name for one in changes for name in privileges_for(one.name)})
    shown = ", ".join(f"`{name}`" for name in EXTENSION)
    return "\n".join(
        [
            _HEAD,
            "## By operation\n",
            f"Besides, `{CANCEL}` for the Cancel button of each.\n",
            "| operation | privileges |",
            "|---|---|",
            *rows,
            "\n## For vCenter's own log\n",
            f"`andock vcenter register`, and showing there who asked: {shown}.\n",
            "## All operations together\n",
            "```",
            *every,
            "```\n",
        ]
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(describe_role(load_catalogue()), encoding="utf-8")
