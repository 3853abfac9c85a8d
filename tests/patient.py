"""A process that looks at policy.yaml once an hour, or when it is told to: `python -m tests.patient bot`."""

from __future__ import annotations

import runpy
import sys

from config import live_policy

if __name__ == "__main__":
    live_policy.LOOK = 3_600.0
    module, *arguments = sys.argv[1:] or ["bot"]
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
