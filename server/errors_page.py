"""`python -m server.errors_page`: the page of all error codes, made from the catalogues that the server answers by."""

from __future__ import annotations

import sys

from schemas.forms import FAULT_TEXTS
from server.errors import CATALOGUE

_HEAD = """# Error codes

Made from `server/errors.py` and `schemas/forms/faults.py`; a test compares it. A code is stable for ever, its words may
be bettered. Codes with a status are answers of their own (RFC 9457 problem documents); those with 422 and those of
forms stand in receipts, beside the change or the change set they are about.
"""


def page() -> str:
    """The page in Markdown."""
    problems = [f"| `{code}` | {kind.status} | {kind.zh} | {kind.en} |" for code, kind in CATALOGUE.items()]
    faults = [f"| `{code}` | {texts[0]} | {texts[1]} |" for code, texts in sorted(FAULT_TEXTS.items())]
    return "\n".join(
        [
            _HEAD,
            "## Refusals",
            "",
            "| code | status | 中文 | English |",
            "|---|---|---|---|",
            *problems,
            "",
            "## Faults of a form",
            "",
            "`{zh}` and `{en}` stand for the field's label, `{limit}` for what the catalogue allows.",
            "",
            "| code | 中文 | English |",
            "|---|---|---|",
            *faults,
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(page())
