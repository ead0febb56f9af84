"""Feed arithmetic against independently made values and the laws that digests and marks must keep."""

import hashlib
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from sync import feed

WORDS = st.integers(0, 2**64 - 1)
POSITIONS = st.dictionaries(st.text("abc/", min_size=1, max_size=5), st.integers(0, 2**40), max_size=5)


def test_an_entry_hash_follows_its_definition() -> None:
    id_hex = "0123456789abcdef0123456789abcdef"
    layout = bytes.fromhex(id_hex + "0000000000000002" + "00000000000000ff" + "0000000000000003")
    expected = int(hashlib.sha256(layout).hexdigest()[:16], 16)
    assert feed.entry_hash(UUID(id_hex), 2, 255, 3) == expected


@given(st.lists(WORDS), st.randoms(use_true_random=False))
def test_a_digest_knows_no_order_and_forgets_what_is_taken_out(hashes: list[int], random: object) -> None:
    shuffled = sorted(hashes, key=lambda _: random.random())  # pyright: ignore[reportAttributeAccessIssue]
    assert feed.digest(shuffled) == feed.digest(hashes)
    assert feed.digest(hashes + hashes) == 0


@given(WORDS)
def test_every_spelling_of_a_word_comes_back(value: int) -> None:
    assert feed.unsigned64(feed.signed64(value)) == value
    assert -(2**63) <= feed.signed64(value) < 2**63
    assert feed.from_hex(feed.to_hex(value)) == value
    assert len(feed.to_hex(value)) == 16


@given(POSITIONS, st.data())
def test_a_mark_changes_with_any_position_stream_catalogue_or_epoch(
    positions: dict[str, int], data: st.DataObject
) -> None:
    mark = feed.make_mark("e1", "2024.2", positions)
    assert len(mark) == 27
    assert feed.make_mark("e1", "2024.2", dict(reversed(positions.items()))) == mark
    assert feed.make_mark("e2", "2024.2", positions) != mark
    assert feed.make_mark("e1", "2024.3", positions) != mark
    assert feed.make_mark("e1", "2024.2", {**positions, "new": 0}) != mark
    if positions:
        key = data.draw(st.sampled_from(sorted(positions)))
        assert feed.make_mark("e1", "2024.2", {**positions, key: positions[key] + 1}) != mark
