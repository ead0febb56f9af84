"""Answers what devices ask to compare: three statements, however many streams and entries there are.

    places of the streams asked about -> what differs -> its hashes;  hashes wanted -> their entries

Whoever calls has decided that the streams are in scope, and reads in one snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.wire import Repair, Repaired
from server.db import feed
from server.db.database import Connection
from server.services import Services
from server.usecases.entries import EncodedEntry, encoded_entries, fitting, size_of
from sync.feed import from_hex, signed64, unsigned64
from sync.framing import Form
from sync.repair import Difference, Place, compare, pack_hashes, places_behind

_NOTHING = Difference({}, [])


async def answer_repairs(
    connection: Connection, services: Services, asked: Mapping[int, Repair], form: Form, left: int
) -> dict[int, Repaired]:
    """By stream id what is told of it, in about `left` bytes; what does not fit is asked for again."""
    differences = await _differences(connection, asked)
    hashes = await _hashes(connection, differences)
    entries = await _wanted(connection, services, asked, form)
    answers: dict[int, Repaired] = {}
    for stream_id in asked:
        if left <= 0:
            break
        listed = _fitting(hashes.get(stream_id, {}), left)
        finer = _fitting(differences.get(stream_id, _NOTHING).finer, left)
        left -= sum(map(len, [*listed.values(), *finer.values()]))
        given = fitting(entries.get(stream_id, []), max(left, 1))
        left -= size_of(given)
        bodies: Any = [entry.raw for entry in given]
        answers[stream_id] = Repaired(finer, listed, bodies)
    return answers


async def _differences(connection: Connection, asked: Mapping[int, Repair]) -> dict[int, Difference]:
    comparing = [stream_id for stream_id, ask in asked.items() if ask.buckets or ask.finer]
    places: dict[int, dict[int, Place]] = {stream_id: {} for stream_id in comparing}
    for row in await feed.places_of_streams(connection, comparing) if comparing else []:
        places[row["stream_id"]][row["place"]] = Place(unsigned64(row["digest"]), row["entries"])
    return {stream_id: compare(asked[stream_id], places[stream_id]) for stream_id in comparing}


async def _hashes(connection: Connection, differences: Mapping[int, Difference]) -> dict[int, dict[int, bytes]]:
    """By stream id and key of `Repaired.hashes` the hashes there, of nothing too."""
    places = [
        (stream_id, place)
        for stream_id, difference in differences.items()
        for key in difference.listed
        for place in places_behind(key)
    ]
    found: dict[tuple[int, int], list[int]] = {}
    for row in await feed.hashes_at_places(connection, places) if places else []:
        found.setdefault((row["stream_id"], row["place"]), []).append(unsigned64(row["hash"]))
    return {
        stream_id: {
            key: pack_hashes([hashed for place in places_behind(key) for hashed in found.get((stream_id, place), [])])
            for key in difference.listed
        }
        for stream_id, difference in differences.items()
    }


async def _wanted(
    connection: Connection, services: Services, asked: Mapping[int, Repair], form: Form
) -> dict[int, list[EncodedEntry]]:
    """By stream id the entries that are wanted and there, in the order in which they were asked for."""
    order = {
        (stream_id, signed64(from_hex(hashed))): place
        for stream_id, ask in asked.items()
        for place, hashed in enumerate(ask.want)
    }
    rows = await feed.entries_with_hashes(connection, list(order)) if order else []
    rows = sorted(rows, key=lambda row: order[row["stream_id"], row["hash"]])
    entries: dict[int, list[EncodedEntry]] = {}
    for entry in await encoded_entries(connection, services, rows, form):
        entries.setdefault(entry.stream_id, []).append(entry)
    return entries


def _fitting(told: Mapping[int, bytes], left: int) -> dict[int, bytes]:
    """The first of them, while anything fits."""
    taken: dict[int, bytes] = {}
    for key, packed in told.items():
        if left <= 0:
            break
        taken[key] = packed
        left -= len(packed)
    return taken
