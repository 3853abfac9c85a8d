"""What was asked of Andock, and what became of it."""
