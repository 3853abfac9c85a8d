"""The core: what can be done, who may, what was decided, what happened. No vendor SDK, no Slack SDK."""

__version__ = "0.1.0"  # as pyproject.toml has it
