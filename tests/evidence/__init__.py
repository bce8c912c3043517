"""Alerts reproduced from the warehouse alone."""
