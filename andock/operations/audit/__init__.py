"""The audit record, as far as chat may read it."""
