"""Every mutant: which invariant it breaks, how, and which tests must tell, each by one assertion.

The patches stand beside it, `patches/<name>.patch`. To add one: break the code in a clone, `git diff` into a patch,
name the test that turns red and a piece of the failing line; `python -m tests.mutants --only NAME` says whether it is
so.
"""

from __future__ import annotations

from tests.mutants.keeping import KEEPING
from tests.mutants.settling import SETTLING
from tests.mutants.telling import TELLING

MUTANTS = tuple(sorted((*KEEPING, *TELLING, *SETTLING), key=lambda mutant: int(mutant.invariant[1:])))
