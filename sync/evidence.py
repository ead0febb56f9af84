"""What is decided about photos without looking at their bytes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from sync.coordinates import LonLat, distance_m

State = Literal["declared", "uploading", "stored", "verified", "refused"]
Flag = Literal["no_exif", "exif_time_differs", "exif_place_differs"]

OF_CONTENT: Final = frozenset({"photo_type_unknown", "photo_undecodable", "photo_too_many_pixels"})
"""The refusals of what the bytes themselves are: to send them again changes nothing. Any other is of how they came."""

TIME_TOLERANCE: Final = timedelta(hours=12)
"""A photo of the same shift; one that is older was not taken for this report."""

PLACE_TOLERANCE_M: Final = 500.0
"""Beyond the accuracy of the claim: a phone indoors may give the place of its last good fix."""


class Claim(Struct, frozen=True):
    """When and where an item says it was written; `place` in WGS-84, `accuracy_m` in metres."""

    at: datetime
    place: LonLat | None = None
    accuracy_m: float = 0.0


def compare_claim(taken_at: datetime | None, place: LonLat | None, claim: Claim) -> list[Flag]:
    """What a reviewer should look at: the camera's own time and place against the item's; none refuses a photo."""
    if taken_at is None and place is None:
        return ["no_exif"]
    flags: list[Flag] = []
    if taken_at is not None and abs(taken_at - claim.at) > TIME_TOLERANCE:
        flags.append("exif_time_differs")
    if place is not None and claim.place is not None and _apart(place, claim.place, claim.accuracy_m):
        flags.append("exif_place_differs")
    return flags


def shown_state(state: State) -> State:
    """A photo's state as the readers of its items are told it.

    They learn what came of a photo, not how its bytes travel: each change that they see moves a feed entry on every
    device that holds the item.
    """
    return state if state in ("verified", "refused") else "declared"


def is_hopeless(state: State, refusal: str | None) -> bool:
    """Whether a photo can never be taken, so that it is not asked for again; `refusal`: the code of the last one."""
    return state == "refused" and refusal in OF_CONTENT


def state_after_refusal(other_uploads: set[str]) -> State:
    """A photo's state once one upload of it was refused, given the states of those still under way.

    Where none has arrived it is refused even while others are open: a device that was told to wait for the refused one
    must learn that it is to send the photo itself.
    """
    return "stored" if "stored" in other_uploads else "refused"


def _apart(place: LonLat, claimed: LonLat, accuracy_m: float) -> bool:
    return distance_m(*place, *claimed) > PLACE_TOLERANCE_M + accuracy_m
