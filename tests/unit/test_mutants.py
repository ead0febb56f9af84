"""The catalogue of mutants: every patch still fits, and no invariant is without one. Running them is another matter."""

from __future__ import annotations

import ast
import re

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import PATCHES, Mutant
from tests.mutants.patching import Hunk, StaleError, patched, read
from tests.mutants.tree import ROOT

INVARIANTS = [f"I{number}" for number in range(1, 15)]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_patch_fits_and_changes_what_is_run(mutant: Mutant) -> None:
    for file, text in patched(ROOT, read(mutant.patch.read_text("utf-8"))):
        assert text != file.read_text("utf-8")
        assert file.relative_to(ROOT).parts[0] in ("sync", "server", "schemas", "migrations")
        if file.suffix == ".py":
            ast.parse(text)


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_an_invariant_has_a_mutant(invariant: str) -> None:
    assert [mutant.name for mutant in MUTANTS if mutant.invariant == invariant]


def test_names_patches_and_tests_belong_together() -> None:
    assert sorted(PATCHES.iterdir()) == sorted(mutant.patch for mutant in MUTANTS)
    assert {mutant.invariant for mutant in MUTANTS} <= set(INVARIANTS)
    for test in {test for mutant in MUTANTS for test in mutant.tests}:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text("utf-8")
        assert not name or re.search(rf"^(async )?def {name.partition('[')[0]}\(", text, re.MULTILINE), test


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_assertion_stands_in_its_tests_file(mutant: Mutant) -> None:
    for killer in mutant.killers:
        assert killer.assertion in (ROOT / killer.test.partition("::")[0]).read_text("utf-8")


HUNK = "--- a/{0}\n+++ b/{0}\n@@ -{1} +{1} @@\n-b\n+--- c\n"


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [("a\nb\n", 2, "a\n--- c\n"), ("a\na\nb\n", 2, "a\na\n--- c\n"), ("b\nb\n", 2, "b\n--- c\n")],
    ids=["where it says", "moved", "one of two"],
)
def test_a_hunk_is_found_by_its_lines(tmp_path, text: str, line: int, expected: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text(text)
    assert [told for _, told in patched(tmp_path, read(HUNK.format("file", line)))] == [expected]


@pytest.mark.parametrize(
    ("text", "told"), [("a\nc\n", "stand nowhere"), ("b\na\nb\n", "stand in 2 places")], ids=["gone", "doubtful"]
)
def test_what_does_not_fit_is_told(tmp_path, text: str, told: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text(text)
    with pytest.raises(StaleError, match=told):
        list(patched(tmp_path, read(HUNK.format("file", 2))))
    with pytest.raises(StaleError, match="is not there any more"):
        list(patched(tmp_path, {"gone": [Hunk(1, ["a"], ["b"])]}))


@pytest.mark.parametrize("text", ["", "no diff", "+++ b/file\n", "+++ b/file\n@@ -1,3 +1 @@\n-a\n"])
def test_what_is_no_patch_is_told(text: str) -> None:
    with pytest.raises(StaleError):
        read(text)
