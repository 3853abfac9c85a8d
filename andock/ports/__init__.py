"""Protocols that operations speak to, and the frozen records they get back."""
