"""Values to Slack messages and to plain text. The only code that knows Block Kit."""
