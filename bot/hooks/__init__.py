"""How other systems ask over HTTP: signed calls of the hooks in hooks.yaml."""
