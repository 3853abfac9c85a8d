"""The audit record on disk: files of lines, each bound to the one before it. No Redis in here."""
