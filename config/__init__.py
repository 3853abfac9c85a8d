"""Settings and the files that an operator edits, each with a schema and an example."""
