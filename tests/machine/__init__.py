"""Many phones, a real server and everything that may happen between them; what must hold is looked up from outside.

    python -m tests.machine --steps 10000 --seed 7

Rules (`RULES`) do one thing each: write, send, lose an answer, reassign, restore, and so on. Now and then all come to
rest, and `invariants` compares three accounts: what the workers wrote (the ledger, kept outside of what is tested),
what the database holds by plain SQL and opened with its keys, and what a fresh phone pulls. A message begins with the
invariant that fell, as `I5: …`.
"""
