"""Mutants of what phones and people are told: no gap, nothing out of scope, and both sides agree."""

from __future__ import annotations

from tests.mutants.mutant import INTEGRATION, PROTOCOL, UNIT, Killer, Mutant

TELLING = (
    Mutant(
        "positions-from-a-sequence",
        "I3",
        "Positions come from a plain sequence before the stream is locked, and commit in another order.",
        (
            Killer(
                f"{INTEGRATION}/test_between_statements.py::test_wherever_a_writer_stands_nobody_reads_past_its_position",
                "assert sorted([*seen, *later]) == sorted([slow, fast])",
            ),
        ),
    ),
    Mutant(
        "pull-in-two-steps",
        "I3",
        "Heads, digests and entries of an answer are read one after the other, each as of its own instant.",
        (
            Killer(
                f"{INTEGRATION}/test_between_statements.py::test_what_commits_within_a_pull_is_in_the_next_one",
                "assert reader.device.apply_answer(outgoing.serial, answer).repaired == []",
            ),
        ),
    ),
    Mutant(
        "floor-without-fill-start",
        "I3",
        "A cursor is too old as soon as the floor has passed its position, although its fill began above it.",
        (
            Killer(
                f"{INTEGRATION}/test_compaction.py::test_a_first_fill_goes_on_while_the_feed_is_compacted",
                "assert resets.count(True) == 0",
            ),
        ),
        (f"{INTEGRATION}/test_open_transactions.py::test_a_first_fill_goes_on_while_its_stream_is_compacted",),
    ),
    Mutant(
        "floor-not-raised",
        "I3",
        "Absences that a phone still needs are removed and nobody is told to compare.",
        (
            Killer(
                f"{INTEGRATION}/test_compaction.py::test_who_was_away_for_longer_is_told_to_compare",
                "assert [page.reset for page in answer.streams if page.stream == STREAM] == [True]",
            ),
        ),
        (f"{INTEGRATION}/test_compaction.py::test_old_absences_go_and_the_floor_rises",),
    ),
    Mutant(
        "older-replaces-newer",
        "I3",
        "A phone takes an older body for a newer one that it holds by another stream.",
        (
            Killer(
                f"{UNIT}/test_device.py::test_an_older_body_never_replaces_a_newer_one_but_is_a_member",
                'assert fields_of(device) == {"a": 3}',
            ),
        ),
        (f"{UNIT}/test_repair.py", f"{UNIT}/test_device_restore.py"),
    ),
    Mutant(
        "memory-outlives-its-connection",
        "I3",
        'A server goes on saying "nothing new" from memory when it no longer hears of the database.',
        (
            Killer(
                f"{INTEGRATION}/test_nothing_new.py::test_the_end_of_its_connection_empties_it_at_once",
                "await until(lambda: not one.services.memory.fresh)",
            ),
        ),
        (f"{INTEGRATION}/test_nothing_new.py::test_nothing_is_said_from_memory_while_its_connection_is_gone",),
    ),
    Mutant(
        "revocation-not-swept",
        "I4",
        "A device that was revoked, or whose holder lost a grid, goes on being answered from memory.",
        (
            Killer(
                f"{INTEGRATION}/test_nothing_new.py::test_no_process_says_nothing_new_for_long_after"
                "[the device is revoked]",
                "until_answered_otherwise(one, phone, mark)",
            ),
        ),
    ),
    Mutant(
        "revoked-device-pulls",
        "I4",
        "A revoked device still has a scope and pulls it.",
        (
            Killer(
                f"{INTEGRATION}/test_exchange.py::test_a_revoked_phone_is_answered_its_work_is_kept_and_it_is_given_nothing",
                "assert (answer.streams, answer.mark) == ([], None)",
            ),
        ),
        (f"{PROTOCOL}/test_deciding.py::test_a_revoked_device_is_answered_and_given_nothing",),
    ),
    Mutant(
        "conflict-without-scope",
        "I4",
        "Conflicts are shown to whoever settles conflicts anywhere.",
        (
            Killer(
                f"{INTEGRATION}/test_conflict_views.py::test_readers_see_their_area_and_nobody_else_sees_anything",
                "assert ids(await listed(scene, by=HANDLER)) == []",
            ),
            Killer(
                f"{INTEGRATION}/test_conflicts.py::test_another_areas_office_is_not_told_that_it_exists",
                "await refusal(scene.resolve(conflict, stranger, SERVER))",
            ),
        ),
    ),
    Mutant(
        "twin-shown",
        "I4",
        "A duplicate names its twin to somebody who may not read it.",
        (
            Killer(
                f"{INTEGRATION}/test_duplicates.py::test_a_twin_elsewhere_is_known_to_be_there_and_not_which",
                "assert (detail.related.items, detail.related.others) == ([], True)",
            ),
        ),
    ),
    Mutant(
        "digest-mid-page",
        "I6",
        "The digest of a stream is given although more of it is to come.",
        (
            Killer(
                f"{PROTOCOL}/test_streams.py::test_pages_are_cut_by_bytes_and_add_up",
                'assert ("digest" in page) is not page.get("more", False)',
            ),
            Killer(
                f"{INTEGRATION}/test_exchange.py::test_a_fill_in_small_pages_equals_one_in_a_single_page",
                "small.apply(",
            ),
        ),
    ),
    Mutant(
        "digest-without-rev",
        "I6",
        "Two histories that reach the same version with other content have the same digest.",
        (
            Killer(
                f"{UNIT}/test_feed.py::test_an_entry_hash_follows_its_definition",
                "assert feed.entry_hash(UUID(id_hex), 2, 255, 3) == expected",
            ),
        ),
        (
            f"{UNIT}/test_repair.py",
            f"{UNIT}/test_device_restore.py",
            f"{PROTOCOL}/test_streams.py::test_the_digest_is_computed_as_written",
        ),
    ),
    Mutant(
        "absence-in-the-digest",
        "I6",
        "What has left a stream still counts in its digest, which no phone can agree with.",
        (
            Killer(
                f"{INTEGRATION}/test_feed.py::test_an_absence_takes_the_object_out_of_the_digest",
                'assert unsigned64(row["digest"]) == expected',
            ),
        ),
        (f"{INTEGRATION}/test_exchange.py::test_a_deleted_record_leaves_every_phone",),
    ),
)
