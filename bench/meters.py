"""What a process has cost so far, as the kernel counts it."""

from __future__ import annotations

import os
from pathlib import Path

MIB = 1024.0  # in the kernel's kB
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads; exact to a tick of 10 ms."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()  # the name may hold blanks
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid: int) -> float:
    """VmRSS."""
    return _sum_kb(Path(f"/proc/{pid}/status"), "VmRSS:") / MIB


def most_resident_mib(pid: int) -> float:
    """VmHWM: the most that it ever had."""
    return _sum_kb(Path(f"/proc/{pid}/status"), "VmHWM:") / MIB


def proportional_mib(pid: int) -> float:
    """PSS: shared pages count by the share."""
    return _sum_kb(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / MIB


def private_mib(pid: int) -> float:
    """What nobody shares with it: of a fork, all that it has above its parent."""
    return _sum_kb(Path(f"/proc/{pid}/smaps_rollup"), "Private_Clean:", "Private_Dirty:") / MIB


def _sum_kb(path: Path, *names: str) -> int:
    return sum(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(names))
