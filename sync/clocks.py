"""Dating of captures: three clocks that lie in different ways, and the bounds that the server knows.

The result is only ever used to judge punctuality and write authority, never to order changes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas.wire import Capture, Clock


def estimate_capture(capture: Capture, sent: Clock, received_at: datetime, drained_at: datetime) -> datetime:
    """When a change was written, in server time.

    Within one boot the monotonic clock tells how long before sending it was; across boots the wall clocks' difference
    has to do. The estimate is clamped between the device's last exchange that left nothing unsent and the receipt: sets
    of one offline spell may need several exchanges. A wall clock without a sane distance (or without an offset) falls
    to the nearer bound.
    """
    age = _age(capture, sent)
    try:
        estimate = received_at - age
    except OverflowError:
        estimate = drained_at if age > timedelta() else received_at
    return min(max(estimate, drained_at), received_at)


def _age(capture: Capture, sent: Clock) -> timedelta:
    if capture.boot == sent.boot and capture.boot and sent.mono >= capture.mono:
        # A phone does not run for a thousand years; a larger number is noise and must not overflow.
        return timedelta(milliseconds=min(sent.mono - capture.mono, 31_536_000_000_000))
    if (capture.wall.tzinfo is None) == (sent.wall.tzinfo is None):
        return sent.wall - capture.wall
    return timedelta()
