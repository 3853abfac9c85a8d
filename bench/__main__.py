"""`python -m bench`: measures, prints a table and writes bench/results.json."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bench import (
    approvals,
    audit,
    containers,
    deployments,
    intake,
    memory,
    policy,
    selectors,
    vm_info,
    vsphere_listing,
)
from bench.lab import DisagreementError, Effort, Lab
from bench.rows import Row, format_table, write_rows

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results.json"

# A new family of rows is one module with `measure(lab) -> list[Row]`, and a line here. They run in order.
FAMILIES: Mapping[str, Callable[[Lab], list[Row]]] = {
    "intake": intake.measure,
    "vm-info": vm_info.measure,
    "memory": memory.measure,
    "selectors": selectors.measure,
    "vsphere-listing": vsphere_listing.measure,
    "audit": audit.measure,
    "approvals": approvals.measure,
    "policy": policy.measure,
    "containers": containers.measure,
    "deployments": deployments.measure,
}


def main() -> None:
    """Run the benchmarks; exit code 1 if something failed or ended in another state than its peer.

    A row that falls short of its goal says so, and is no failure.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", choices=FAMILIES, action="append", help="measure only this; may be repeated"
    )
    parser.add_argument(
        "--rounds", type=int, default=Effort.rounds, help="rounds of ours and peer (default 5)"
    )
    parser.add_argument("--state", type=Path, default=ROOT / ".sandbox" / "bench", help="for logs and data")
    options = parser.parse_args()
    effort = replace(Effort(), rounds=options.rounds)
    rows: list[Row] = []
    failed = False
    with Lab(options.state, effort, _tell) as lab:
        for name in options.only or FAMILIES:
            _tell(f"{name}, load {os.getloadavg()[0]:.2f}")
            try:
                rows += FAMILIES[name](lab)
            except DisagreementError as error:
                failed = True
                print(f"{name} FAILED: {error}", file=sys.stderr)
    print(format_table(rows))
    write_rows(RESULTS, rows)
    sys.exit(1 if failed else 0)


def _tell(line: str) -> None:
    print(f"... {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
