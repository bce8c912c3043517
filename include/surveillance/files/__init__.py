"""Recorded bars and what goes with them, read from files and written to files."""
