"""Proofs of sync that take longer than a test may, or a whole server: `python -m tests.proof.crash`, `…city_lock`."""
