"""Checks Block Kit as Slack's servers do: limits, required and unknown keys, which block may stand where."""

from sandbox.slack.blockkit.problems import Problem, Problems
from sandbox.slack.blockkit.surfaces import check_message, check_view

__all__ = ["Problem", "Problems", "check_message", "check_view"]
