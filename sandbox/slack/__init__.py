"""A Slack workspace of our own: Web API, Socket Mode, signed HTTP, people to act as, and a page to look at.

It is strict where Slack is strict, so that a message that works here works there. It knows nothing of the
program under test: both meet only over HTTP and WebSockets, as they do in production.
"""
