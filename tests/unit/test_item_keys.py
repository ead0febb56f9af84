"""Keys of new items, values sealed with them, and tags: nothing random is used twice, nothing tells what it is of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.forms import packaged
from schemas.wire import Capture
from server.bench.sealing import Load, measure
from server.sealing import Keyring, Unsealable, unseal, unseal_values
from server.usecases.sealed_items import Vault
from sync.items import ItemState

KEYRING = Keyring(b"r" * 32)
FIELDS: dict[str, Any] = {"name": "琅琊百货", "manager": "王五", "employees": 3}


def item(fields: dict[str, Any], item_id: UUID | None = None) -> ItemState:
    now = datetime(2024, 6, 1, tzinfo=UTC)
    return ItemState(
        id=item_id or uuid4(),
        type="0103",
        grid_id=None,
        stream_class="grid",
        author_id=uuid4(),
        in_own_stream=False,
        version=1,
        rev=1,
        touch=0,
        deleted=False,
        urgency="normal",
        fields=fields,
        captured_at=now,
        received_at=now,
        updated_at=now,
    )


def test_every_key_and_nonce_is_drawn_anew() -> None:
    owners = [uuid4().bytes for _ in range(50)]
    keys = KEYRING.new_keys(owners)
    sealed = [key.seal(owner, b"x") for key, owner in zip(keys, owners, strict=True) for _ in range(4)]
    nonces = [one[:12] for one in (*sealed, *(key.wrapped for key in keys))]
    assert len(set(nonces)) == 250
    assert len({key.secret for key in keys}) == 50
    assert all(KEYRING.open_key(owner, key.wrapped) == key.secret for key, owner in zip(keys, owners, strict=True))


def test_a_value_opens_for_its_own_item_alone() -> None:
    (key,) = KEYRING.new_keys([b"a"])
    sealed = key.seal(b"a", b"value")
    assert unseal(key.secret, b"a", sealed) == b"value"
    for owner, other in ((b"b", sealed), (b"a", sealed[:-1]), (b"a", b""), (b"a", sealed[:13] + b"\0" + sealed[14:])):
        with pytest.raises(Unsealable):
            unseal(key.secret, owner, other)


def test_what_is_marked_is_sealed_and_the_rest_stays_clear() -> None:
    vault, new = Vault(KEYRING, packaged()), item(FIELDS)
    secret = vault.new_keys([new.id])[new.id].secret
    capture = Capture(datetime(2024, 6, 1, 8, tzinfo=UTC), 5, "boot")
    clear, head = vault.close_fields(new, secret)
    assert clear == {"name": "琅琊百货", "employees": 3}
    assert unseal_values(secret, new.id.bytes, head) == {"manager": "王五"}
    clear, revision = vault.close_revision(new, {"manager": "赵六", "name": "店"}, capture, secret)
    opened = unseal_values(secret, new.id.bytes, revision)
    assert (clear, opened["fields"], opened["capture"]["mono"]) == ({"name": "店"}, {"manager": "赵六"}, 5)
    assert vault.close_fields(item({"name": "店"}, new.id), secret) == ({"name": "店"}, None)


def test_two_items_of_one_set_keep_their_values_apart() -> None:
    vault = Vault(KEYRING, packaged())
    one, other = item({"manager": "王五"}), item({"manager": "赵六"})
    keys = vault.new_keys([one.id, other.id])
    heads = [vault.close_fields(each, keys[each.id].secret)[1] for each in (one, other)]
    revisions = [vault.close_revision(each, each.fields, None, keys[each.id].secret)[1] for each in (one, other)]
    for each, head, revision in zip((one, other), heads, revisions, strict=True):
        secret = keys[each.id].secret
        assert unseal_values(secret, each.id.bytes, head) == each.fields
        assert unseal_values(secret, each.id.bytes, revision) == {"fields": each.fields}


def test_a_new_item_is_closed_as_its_head_and_its_first_revision() -> None:
    vault, capture = Vault(KEYRING, packaged()), Capture(datetime(2024, 6, 1, 8, tzinfo=UTC), 5, "boot")
    new, bare = item(FIELDS), item({"name": "店"})
    keys = vault.new_keys([new.id, bare.id])
    clear, head, revision = vault.close_new(new, keys[new.id], capture)
    secret, owner = keys[new.id].secret, new.id.bytes
    assert clear == {"name": "琅琊百货", "employees": 3}
    assert unseal_values(secret, owner, head) == {"manager": "王五"}
    opened = unseal_values(secret, owner, revision)
    assert (opened["fields"], opened["capture"]["mono"]) == ({"manager": "王五"}, 5)
    assert len({head[:12], revision[:12], keys[new.id].wrapped[:12]}) == 3, "no nonce is used twice"
    assert vault.close_new(bare, keys[bare.id], None) == ({"name": "店"}, b"", b"")


def test_tags_differ_by_value_purpose_and_root() -> None:
    made = {
        *KEYRING.tags("search", ["a", "b"], ""),
        *KEYRING.tags("other", ["a"], ""),
        *Keyring(b"o" * 32).tags("search", ["a"], ""),
        KEYRING.index("search", "a").hex()[:24],
    }
    assert len(made) == 5
    assert {len(one) for one in made} == {24}
    assert KEYRING.tags("search", ["a", "a"], "# ")[0] == KEYRING.tags("search", ["a"], "# ")[0]


def test_the_cost_of_sealing_is_told_by_step() -> None:
    figures = {one.name: one.value for one in measure(Load(change_sets=2, records=3, rounds=1)).figures}
    steps = [value for name, value in figures.items() if name not in ("sealing", "sealing.records_per_change_set")]
    assert len(steps) == 3
    assert figures["sealing"] == pytest.approx(sum(steps), abs=0.05)
    assert all(value > 0 for value in steps)
