"""Measurements of the exchange: what phones push and pull, beside a ceiling in the same run (docs/benchmark.md)."""
