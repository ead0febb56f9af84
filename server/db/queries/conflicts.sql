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

-- The conflicts that a person may see, by his grants ($1), oldest first, after a place in that order ($9, $10).
-- name: select_conflicts
SELECT
    c.*, i.type, i.version AS item_version, i.deleted, i.grid_id, l.code AS grid_code, k.wrapped, a.name AS author_name,
    coalesce(d.name, '') AS device_name, s.name AS settler_name
FROM conflict c
JOIN item i ON i.id = c.item_id
JOIN item_key k ON k.item_id = i.id
JOIN users a ON a.id = c.author_id
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
LEFT JOIN device d ON d.id = c.device_id
LEFT JOIN users s ON s.id = c.resolved_by
WHERE c.id BETWEEN $2 AND $3
    AND ($4::text IS NULL OR c.state = $4)
    AND ($5::text IS NULL OR c.kind = $5)
    AND ($6::text IS NULL OR i.type = $6)
    AND ($7::text IS NULL OR starts_with(l.code, $7))
    AND ($8::timestamptz IS NULL OR c.opened_at < $8)
    AND ($9::timestamptz IS NULL OR (c.opened_at, c.id) > ($9, $10::uuid))
    AND {reached}
ORDER BY c.opened_at, c.id
LIMIT $11;

-- name: lock_conflict
SELECT id FROM conflict WHERE id = $1 FOR UPDATE;

-- name: history_of_conflict_item
SELECT r.*, u.name AS author_name, coalesce(d.name, '') AS device_name
FROM revision r
JOIN users u ON u.id = r.author_id
LEFT JOIN device d ON d.id = r.device_id
WHERE r.item_id = $1
ORDER BY r.version;

-- name: close_conflict
UPDATE conflict SET
    state = 'resolved', version = version + 1, resolved_at = $2, resolved_by = $3, take = $4, resolution_version = $5,
    reason = $6
WHERE id = $1;

-- name: reopen_conflict
UPDATE conflict SET
    state = 'open', version = version + 1, resolved_at = NULL, resolved_by = NULL, take = NULL,
    resolution_version = NULL, reason = NULL
WHERE id = $1;
