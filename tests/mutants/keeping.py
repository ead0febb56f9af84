"""Mutants of what becomes of change sets: durable, once, in order, none blocked, and again after a restore."""

from __future__ import annotations

from tests.mutants.mutant import INTEGRATION, PROTOCOL, UNIT, Killer, Mutant

KEEPING = (
    Mutant(
        "commit-not-flushed",
        "I1",
        "A receipt leaves before its commit is on the disk: a power cut loses what was receipted.",
        (
            Killer(
                f"{INTEGRATION}/test_durable.py::test_the_commit_of_a_receipt_waits_for_the_disk",
                'fetch("SELECT setting FROM noted")] == ["on"]',
            ),
        ),
    ),
    Mutant(
        "receipt-outside-the-transaction",
        "I1",
        "The receipt and the counter are kept after the commit of the effects, in a transaction of their own.",
        (
            Killer(
                f"{INTEGRATION}/test_durable.py::test_where_the_commit_fails_there_is_neither_receipt_nor_effect",
                "assert await counts(truth) == dict.fromkeys(STANDING, 0)",
            ),
        ),
        (f"{INTEGRATION}/test_exchange.py::test_a_set_delivered_twice_at_once_has_one_effect",),
    ),
    Mutant(
        "replay-not-looked-up",
        "I2",
        "A number that was decided before is decided again.",
        (
            Killer(
                f"{INTEGRATION}/test_exchange.py::test_an_edit_that_is_sent_again_is_not_decided_again_over_what_others_wrote_since",
                'assert answers[0].receipts == decode_answer(lost.content, "json").receipts',
            ),
        ),
        (
            f"{INTEGRATION}/test_exchange.py::test_a_number_used_for_other_bytes_is_kept_apart",
            f"{PROTOCOL}/test_poison.py::test_the_seventh_set_holds_nul",
        ),
    ),
    Mutant(
        "bad-change-blocks-its-set",
        "I9",
        "One change that cannot be read takes all others of its set with it.",
        (
            Killer(
                f"{PROTOCOL}/test_bad_sets.py::test_one_bad_change_is_refused_alone",
                'assert (receipt["status"], receipt["hash"]) == ("decided", sha256(raw).hexdigest())',
            ),
        ),
    ),
    Mutant(
        "rejection-not-counted",
        "I9",
        "A set that is rejected does not use its number up, so the device sends it for ever.",
        (
            Killer(
                f"{PROTOCOL}/test_poison.py::test_the_seventh_set_cannot_be_read",
                'assert [receipt["no"] for receipt in receipts] == list(range(1, SETS + 1))',
            ),
        ),
        (f"{PROTOCOL}/test_bad_sets.py::test_a_set_that_cannot_be_read_is_rejected_alone",),
    ),
    Mutant(
        "failure-wedges-the-device",
        "I9",
        "A set over which the server fails is refused again and again, and nothing after it is taken.",
        (
            Killer(
                f"{PROTOCOL}/test_poison.py::test_the_server_itself_fails_over_the_seventh_set",
                "phone.exchange(*sets, first=1)",
            ),
        ),
        (f"{INTEGRATION}/test_unsaid.py",),
    ),
    Mutant(
        "notified-inside-the-transaction",
        "I9",
        "Nudges are said inside the writing transaction: one slow commit holds up those of the whole city.",
        (
            Killer(
                f"{INTEGRATION}/test_city_lock.py::test_pushes_inside_their_commit_hold_up_nobody",
                "await everything_else_goes_on(city)",
            ),
        ),
    ),
    Mutant(
        "order-of-sets-ignored",
        "I10",
        "A set is decided before those with lower numbers.",
        (
            Killer(
                f"{PROTOCOL}/test_bad_sets.py::test_numbers_beyond_the_next_are_not_looked_at",
                'assert "receipts" not in answer',
            ),
        ),
    ),
    Mutant(
        "own-edit-conflicts",
        "I10",
        "An edit conflicts with an earlier one of the same device, which it was built upon.",
        (
            Killer(
                f"{UNIT}/test_decide.py::test_a_device_never_conflicts_with_itself",
                'assert decision.outcome == "applied"',
            ),
        ),
        (f"{UNIT}/test_merge.py", f"{PROTOCOL}/test_deciding.py::test_ones_own_unsent_edits_are_not_changes_of_others"),
    ),
    Mutant(
        "base-without-rev",
        "I12",
        "A version of a lost life of the database is taken for the one that now has its number.",
        (
            Killer(
                f"{PROTOCOL}/test_deciding.py::test_a_base_that_never_was_is_never_taken_as_current",
                'assert parked["outcome"] == "parked"',
            ),
        ),
        (
            f"{UNIT}/test_merge.py::test_a_base_of_the_same_number_and_another_rev_is_not_known",
            f"{INTEGRATION}/test_two_timelines.py",
        ),
    ),
    Mutant(
        "salvage-not-kept",
        "I12",
        "What a phone uploads of a lost life of the database is not kept.",
        (
            Killer(
                f"{INTEGRATION}/test_salvage.py::test_it_is_kept_before_the_answer_and_whatever_epoch_the_phone_names",
                "assert len(await kept(truth)) == 1",
            ),
        ),
        (f"{INTEGRATION}/test_two_timelines.py",),
    ),
    Mutant(
        "salvage-not-sent",
        "I12",
        "A phone lets go of what the restored server lacks without uploading it.",
        (
            Killer(
                f"{UNIT}/test_device_restore.py::test_an_item_that_the_server_lacks_goes_only_after_it_was_salvaged",
                "assert device.visible(ITEM)",
            ),
        ),
        (
            f"{INTEGRATION}/test_repair.py::test_what_the_restored_database_lacks_comes_back_by_its_numbers_or_as_salvage",
        ),
    ),
    Mutant(
        "witness-ignored",
        "I12",
        "A database that went back to an earlier state starts in the epoch that it was in.",
        (
            Killer(
                f"{INTEGRATION}/test_epochs.py::test_fewer_positions_or_numbers_than_were_seen_begin_an_epoch",
                'assert await face(services) == "behind"',
            ),
        ),
        (
            f"{INTEGRATION}/test_epochs.py::test_another_database_under_the_same_epoch_begins_one",
            f"{INTEGRATION}/test_two_timelines.py",
        ),
    ),
)
