-- name: quarantine_in_sight
-- A condition on a row q of the quarantine, put into other statements: its device is of somebody who has or had a post in
-- a division of $2, or $1: everything is in sight.
($1 OR EXISTS (
    SELECT FROM device d
    JOIN assignment a ON a.user_id = d.user_id
    LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
    WHERE d.id = q.device_id AND coalesce(l.community, a.division) LIKE ANY($2::text[])
))

-- name: list_quarantine
SELECT q.id, q.device_id, q.epoch, q.set_no, q.set_index, q.item_id, q.author_id, q.outcome, q.code, q.state, q.received_at,
    u.name AS holder_name, i.type AS item_type
FROM quarantine q
JOIN device h ON h.id = q.device_id
JOIN users u ON u.id = h.user_id
LEFT JOIN item i ON i.id = q.item_id
WHERE {quarantine_in_sight}
    AND ($3::uuid IS NULL OR q.id BETWEEN $3 AND $4::uuid)
    AND ($5::text IS NULL OR q.state = $5)
    AND ($6::text IS NULL OR q.outcome = $6)
    AND ($7::text IS NULL OR q.code = $7)
    AND ($8::uuid IS NULL OR q.device_id BETWEEN $8 AND $9::uuid)
    AND ($10::uuid IS NULL OR q.item_id = $10)
    AND (q.received_at, q.id) > ($11::timestamptz, $12::uuid)
ORDER BY q.received_at, q.id
LIMIT $13;

-- name: lock_quarantine
SELECT state FROM quarantine WHERE id = $1 FOR UPDATE;

-- name: settle_quarantine
UPDATE quarantine SET state = $2, sealed = NULL, wrapped = NULL WHERE id = $1;

-- name: bytes_of_set
SELECT hash, sealed, wrapped FROM change_set WHERE device_id = $1 AND epoch = $2 AND no = $3;

-- name: bytes_of_forks
SELECT hash, sealed, wrapped FROM forked_set WHERE device_id = $1 AND epoch = $2 AND no = $3;

-- name: bytes_of_salvage
SELECT sealed, wrapped FROM quarantine WHERE id = $1;

-- name: what_became_of_quarantine
SELECT a.at, a.actor_id, u.name AS actor_name, a.action, a.reason
FROM audit a LEFT JOIN users u ON u.id = a.actor_id
WHERE a.subject_kind = 'quarantine' AND a.subject_id = $1
ORDER BY a.id;

-- name: places_of_items
SELECT id, type, grid_id, author_id FROM item WHERE id = ANY($1::uuid[]) AND erased_at IS NULL;
