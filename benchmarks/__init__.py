"""Benchmarks of the SDK against hand-written clients: `python -m benchmarks`."""
