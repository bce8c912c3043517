"""Reads recorded bars and what goes with them from files, and writes results to files."""
