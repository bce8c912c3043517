"""How fast detection is, on this machine: ``python -m tests.benchmarks``."""
