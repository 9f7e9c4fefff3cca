"""Readers: files, folders, tables and texts become crystals, and a report says what did not."""
