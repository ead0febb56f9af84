"""Mutants of what is decided about values, places, photos and words, and what is on record of it."""

from __future__ import annotations

from tests.mutants.mutant import INTEGRATION, PROTOCOL, UNIT, Killer, Mutant

SETTLING = (
    Mutant(
        "overlap-overwritten",
        "I5",
        "Two edits of one field: the later one overwrites the other without a word.",
        (
            Killer(
                f"{UNIT}/test_decide.py::test_overlapping_edits_park_and_the_rest_of_the_change_goes_on",
                'assert decision.outcome == "parked"',
            ),
            Killer(
                f"{INTEGRATION}/test_exchange.py::test_an_overlap_parks_keeps_both_values_and_shows_it_to_its_author",
                'assert outcomes(await mate.sync()) == ["parked"]',
            ),
        ),
        (f"{UNIT}/test_merge.py", f"{PROTOCOL}/test_deciding.py::test_manual_parks_that_field_and_applies_the_others"),
    ),
    Mutant(
        "removed-before-drained",
        "I5",
        "A phone that loses a stream drops its items with the edits that were not sent yet.",
        (
            Killer(
                f"{UNIT}/test_device.py::test_a_lost_stream_keeps_what_is_not_drained_and_no_more",
                "device.memberships()) == ([ITEM], {})",
            ),
        ),
        (
            "tests/property/test_device.py::test_devices_end_as_a_fresh_full_pull_and_lose_nothing",
            f"{UNIT}/test_device.py::test_an_item_out_of_scope_stays_until_its_photos_are_sent",
        ),
    ),
    Mutant(
        "moved-item-in-two-grids",
        "I7",
        "An item that moves to another grid stays in the stream of the one that it left.",
        (
            Killer(
                f"{INTEGRATION}/test_exchange.py::test_a_moved_record_leaves_an_absence_behind",
                "assert mate.device.visible(item) is None",
            ),
        ),
    ),
    Mutant(
        "grid-without-derivation",
        "I7",
        "An item is given a grid, and nothing says how.",
        (
            Killer(
                f"{UNIT}/test_decide.py::test_a_created_record_belongs_to_the_grid_of_its_point",
                'assert decision.revision.derivation["source"] == "point"',
            ),
        ),
    ),
    Mutant(
        "split-guessed",
        "I7",
        "A code whose grid was split gives the first part, wherever the item lies.",
        (
            Killer(
                f"{UNIT}/test_rebase_small_cases.py::test_every_change_gets_its_grid_or_none",
                "assert one.territory.grid_id == (uuid(wanted) if wanted else None)",
            ),
        ),
        (f"{INTEGRATION}/test_rebase.py::test_an_edit_that_tells_the_place_ends_the_conflict",),
    ),
    Mutant(
        "registry-outrun-unseen",
        "I7",
        "A server that has not heard of a version goes on placing items by the one before.",
        (
            Killer(
                f"{INTEGRATION}/test_registry_outrun.py::"
                "test_a_server_that_has_not_heard_of_a_version_does_not_place_by_the_one_before",
                'assert [one.outcome for one in receipt.outcomes] == ["rebased"]',
            ),
        ),
    ),
    Mutant(
        "earlier-writers-not-waited-for",
        "I7",
        "The items of a version are moved while others who have not heard of it are about to commit.",
        (
            Killer(
                f"{INTEGRATION}/test_registry_outrun.py::"
                "test_what_was_placed_by_the_version_before_and_commits_behind_it_is_moved",
                "assert ended == {looking}",
            ),
        ),
    ),
    Mutant(
        "approved-unverified",
        "I8",
        "A submission is approved before its photos were verified.",
        (
            Killer(
                f"{UNIT}/test_review.py::test_approval_waits_for_needed_photos_and_returning_does_not",
                '"evidence_not_verified"',
            ),
            Killer(f"{INTEGRATION}/test_reviews.py::test_approval_waits_for_needed_photos", '"evidence_not_verified"'),
        ),
    ),
    Mutant(
        "photo-verified-unread",
        "I8",
        "A photo is verified although its bytes are others than those that were declared.",
        (
            Killer(
                f"{INTEGRATION}/test_evidence.py::test_another_photo_of_the_same_size_under_the_right_name_is_refused",
                'assert await state_of(truth, data) == ("refused", "photo_hash_differs")',
            ),
        ),
        (f"{INTEGRATION}/test_evidence.py::test_other_bytes_under_the_right_name_are_refused_and_asked_for_again",),
    ),
    Mutant(
        "old-catalogue-refused",
        "I11",
        "What an app of the last catalogue version wrote is kept and not applied.",
        (
            Killer(
                f"{UNIT}/test_upcasting.py::test_two_previous_versions_are_taken",
                "assert version_refusal(version, catalogue_of_three()) == refusal",
            ),
            Killer(
                f"{INTEGRATION}/test_old_apps.py::test_an_app_of_the_last_version_reports_as_it_always_did",
                'assert only(receipt).outcome == "applied", receipt',
            ),
        ),
    ),
    Mutant(
        "resolution-without-audit",
        "I13",
        "Somebody settles a conflict, and no record says who and why.",
        (
            Killer(
                f"{INTEGRATION}/test_conflicts.py::test_every_act_is_audited_without_values",
                'assert [(row["actor_id"], row["action"], row["reason"]) for row in rows] == [',
            ),
        ),
    ),
    Mutant(
        "field-left-unsealed",
        "I14",
        "One marked field is stored in the clear.",
        (
            Killer(
                f"{INTEGRATION}/test_exchange.py::test_marked_values_are_in_no_clear_column",
                'assert "欧阳" not in row["line"], table',
            ),
        ),
        (f"{INTEGRATION}/test_conflicts.py::test_no_personal_value_is_stored_in_the_clear",),
    ),
    Mutant(
        "value-in-a-log-line",
        "I14",
        "The message of an unexpected error, which may quote a value, is logged.",
        (
            Killer(
                f"{INTEGRATION}/test_unsaid.py::test_a_set_that_the_server_fails_over_leaves_no_value_in_a_log",
                '["ValueError"]',
            ),
        ),
    ),
    Mutant(
        "erased-absence-compacted",
        "I14",
        "The last trace of an erased item is removed, so that phones that were away never forget it.",
        (
            Killer(
                f"{INTEGRATION}/test_compaction.py::test_what_is_left_of_an_erased_item_stays",
                "assert await compact(services) == 2",
            ),
        ),
    ),
)
