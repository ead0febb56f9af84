-- name: open_conflicts_of_items
SELECT id, kind, item_id, device_id, fields, clear, sealed FROM conflict
WHERE item_id = ANY($1::uuid[]) AND state = 'open'
ORDER BY opened_at, id;

-- name: insert_conflicts
INSERT INTO conflict (
    id, kind, item_id, author_id, device_id, epoch, set_no, set_index, fields, base_version, server_version, clear,
    sealed, captured_at, opened_at
)
SELECT
    r.id, r.kind, r.item_id, r.author_id, r.device_id, r.epoch, r.set_no, r.set_index, r.fields, r.base_version,
    r.server_version, r.clear, r.sealed, r.captured_at, r.opened_at
FROM jsonb_to_recordset($1) AS r (
    id uuid, kind text, item_id uuid, author_id uuid, device_id uuid, epoch text, set_no bigint, set_index integer,
    fields text[], base_version integer, server_version integer, clear jsonb, sealed bytea, captured_at timestamptz,
    opened_at timestamptz
);

-- name: rewrite_conflicts
UPDATE conflict c SET fields = r.fields, clear = r.clear, sealed = r.sealed, version = c.version + 1
FROM jsonb_to_recordset($1) AS r (id uuid, fields text[], clear jsonb, sealed bytea)
WHERE c.id = r.id;

-- name: upsert_notices
INSERT INTO notice (id, user_id, kind, code, item_id, conflict_id, open, created_at)
SELECT r.id, r.user_id, r.kind, r.code, r.item_id, r.conflict_id, r.open, r.created_at
FROM jsonb_to_recordset($1) AS r (
    id uuid, user_id uuid, kind text, code text, item_id uuid, conflict_id uuid, open boolean,
    created_at timestamptz
)
ON CONFLICT (id) DO UPDATE SET version = notice.version + 1, open = excluded.open
RETURNING id, user_id, kind, version, open;
