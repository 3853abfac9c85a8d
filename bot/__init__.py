"""Slack in: verify, dedupe, parse, decide provisionally, record, ring the doorbell, answer within 3 s."""
