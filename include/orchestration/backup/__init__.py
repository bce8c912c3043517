"""Copies everything that the platform cannot make again into a folder, and restores it into an empty platform."""
