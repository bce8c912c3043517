"""A local server that speaks Polygon's REST API: a seeded market with labelled anomalies, or recorded bars replayed.

The official client talks to it when only its ``base`` changes. ``python -m include.polygon_simulator --help``.
"""
