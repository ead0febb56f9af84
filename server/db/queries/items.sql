-- An erased item has no key; whoever waited here for its erasing sees `erased_at`, and must go by that.
-- name: lock_items
SELECT i.*, k.wrapped
FROM item i LEFT JOIN item_key k ON k.item_id = i.id
WHERE i.id = ANY($1::uuid[])
ORDER BY i.id
FOR NO KEY UPDATE OF i;

-- A deletion or a change of territory must also keep out those who are about to refer to the item.
-- name: lock_items_wholly
SELECT i.*, k.wrapped
FROM item i LEFT JOIN item_key k ON k.item_id = i.id
WHERE i.id = ANY($1::uuid[])
ORDER BY i.id
FOR UPDATE OF i;

-- name: share_references
SELECT id, type, grid_id, deleted FROM item WHERE id = ANY($1::uuid[]) ORDER BY id FOR KEY SHARE;

-- name: past_of_items
SELECT item_id, version, rev, device_id, fields, clear, sealed
FROM revision
WHERE item_id = ANY($1::uuid[])
ORDER BY item_id, version;

-- name: insert_item_keys
INSERT INTO item_key (item_id, wrapped)
SELECT r.item_id, r.wrapped FROM jsonb_to_recordset($1) AS r (item_id uuid, wrapped bytea);

-- name: insert_items
INSERT INTO item (
    id, type, grid_id, stream_class, author_id, in_own_stream, version, rev, touch, deleted, urgency, clear, sealed,
    captured_at, received_at, updated_at
)
SELECT
    r.id, r.type, r.grid_id, r.stream_class, r.author_id, r.in_own_stream, r.version, r.rev, r.touch, r.deleted,
    r.urgency, r.clear, r.sealed, r.captured_at, r.received_at, r.updated_at
FROM jsonb_to_recordset($1) AS r (
    id uuid, type text, grid_id uuid, stream_class text, author_id uuid, in_own_stream boolean, version integer,
    rev bigint, touch bigint, deleted boolean, urgency text, clear jsonb, sealed bytea, captured_at timestamptz,
    received_at timestamptz, updated_at timestamptz
);

-- name: update_items
UPDATE item i SET
    grid_id = r.grid_id, in_own_stream = r.in_own_stream, version = r.version, rev = r.rev, deleted = r.deleted,
    urgency = r.urgency, clear = r.clear, sealed = r.sealed, updated_at = r.updated_at
FROM jsonb_to_recordset($1) AS r (
    id uuid, grid_id uuid, in_own_stream boolean, version integer, rev bigint, deleted boolean, urgency text,
    clear jsonb, sealed bytea, updated_at timestamptz
)
WHERE i.id = r.id;

-- name: insert_revisions
INSERT INTO revision (
    item_id, version, rev, op, author_id, device_id, epoch, set_no, set_index, base_version, fields, clear, sealed,
    grid_id, derivation, reason, catalogue, registry, captured_at, received_at, skew
)
SELECT
    r.item_id, r.version, r.rev, r.op, r.author_id, r.device_id, r.epoch, r.set_no, r.set_index, r.base_version,
    r.fields, r.clear, r.sealed, r.grid_id, r.derivation, r.reason, r.catalogue, r.registry, r.captured_at,
    r.received_at, r.skew
FROM jsonb_to_recordset($1) AS r (
    item_id uuid, version integer, rev bigint, op text, author_id uuid, device_id uuid, epoch text, set_no bigint,
    set_index integer, base_version integer, fields text[], clear jsonb, sealed bytea, grid_id uuid, derivation jsonb,
    reason text, catalogue text, registry integer, captured_at timestamptz, received_at timestamptz, skew bigint
);

-- name: touch_items
UPDATE item SET touch = greatest(touch + 1, {life_floor}) WHERE id = ANY($1::uuid[])
RETURNING *;
