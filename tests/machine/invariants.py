"""What must hold at rest, each by the name of the invariant that falls if it does not."""

from __future__ import annotations

from tests.machine import feeds, lives, places, values
from tests.machine.city import City
from tests.machine.opened import open_all
from tests.machine.remapping import the_registry_is_what_was_planned

AWAITED = "taken by itself"


async def check(city: City) -> None:
    """Raises Broken for the first that does not hold."""
    city.counts.checks += 1
    await note_kinds(city)
    await feeds.the_feed_says_what_the_items_say(city)
    await feeds.streams_add_up(city)
    await feeds.phones_agree_with_the_server(city)
    await feeds.phones_hold_what_a_fresh_pull_gives(city)
    await lives.receipts_are_there(city)
    await lives.sets_have_one_effect_in_order(city)
    await lives.conflicts_are_there(city)
    await lives.no_step_waits_for_what_is_there(city)
    await lives.notices_are_of_what_is_open(city)
    await lives.links_are_those_that_were_made(city)
    await the_registry_is_what_was_planned(city)
    await places.every_item_has_a_place(city)
    await places.every_recode_is_told(city)
    await lives.acts_are_audited(city)
    await lives.epochs_are_told(city)
    opened = await open_all(city)
    values.heads_follow_from_history(opened)
    values.nothing_written_is_lost(city, opened)
    await values.what_phones_held_is_there(city, opened)
    values.poison_is_kept(city, opened)
    await values.nothing_marked_is_in_the_clear(city)


async def note_kinds(city: City) -> None:
    """Each conflict once, by its kind, and once more when it is a step that was taken by itself."""
    for row in await city.rows("SELECT id, kind, take FROM conflict"):
        if row["id"] not in city.kinds_seen:
            city.kinds_seen[row["id"]] = row["kind"]
            city.counts.kinds[row["kind"]] += 1
        if row["take"] == "taken" and row["id"] not in city.awaited_seen:
            city.awaited_seen.add(row["id"])
            city.counts.kinds[AWAITED] += 1
