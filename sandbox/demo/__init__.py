"""The demonstration: a tour of the whole installation as three people, and a prompt to talk to it."""
