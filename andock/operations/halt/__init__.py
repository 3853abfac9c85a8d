"""Stopping and resuming all changes."""
