"""Benchmarks of the whole platform on one machine: ``python -m tests.benchmarks.platform`` (``make bench``)."""
