-- name: current_epoch
SELECT id FROM epoch ORDER BY seq DESC LIMIT 1;

-- name: ensure_counter
INSERT INTO counter (device_id, epoch) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- The counter's row is the device's lock: whoever holds it decides the device's next change set.
-- name: lock_counter
SELECT last_no FROM counter WHERE device_id = $1 AND epoch = $2 FOR UPDATE;

-- name: read_counter
SELECT last_no, safe_no FROM counter WHERE device_id = $1 AND epoch = $2;

-- name: advance_counter
UPDATE counter SET last_no = $3 WHERE device_id = $1 AND epoch = $2;

-- name: note_exchange
WITH seen AS (
    UPDATE device SET
        last_exchange_at = $2, unsent = $3, app = $4, drained_at = CASE WHEN $3 = 0 THEN $2 ELSE drained_at END
    WHERE id = $1
)
UPDATE counter SET acknowledged = greatest(acknowledged, least($6, last_no)) WHERE device_id = $1 AND epoch = $5;

-- name: device_holder
SELECT
    d.user_id, d.revoked_at IS NOT NULL OR u.left_at IS NOT NULL AS revoked,
    coalesce(d.drained_at, d.enrolled_at) AS drained_at
FROM device d JOIN users u ON u.id = d.user_id
WHERE d.id = $1;

-- name: assignments_ever
SELECT role, grid_id, division, department, valid_from, valid_to FROM assignment WHERE user_id = $1;

-- name: stored_set
SELECT hash, receipt FROM change_set WHERE device_id = $1 AND epoch = $2 AND no = $3;

-- name: insert_change_set
INSERT INTO change_set (device_id, epoch, no, hash, sealed, wrapped, size, receipt, received_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: insert_forked_set
INSERT INTO forked_set (device_id, epoch, no, hash, sealed, wrapped, received_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING;

-- name: insert_quarantine
INSERT INTO quarantine (id, device_id, epoch, set_no, set_index, item_id, author_id, outcome, code, received_at)
SELECT r.id, r.device_id, r.epoch, r.set_no, r.set_index, r.item_id, r.author_id, r.outcome, r.code, r.received_at
FROM jsonb_to_recordset($1) AS r (
    id uuid, device_id uuid, epoch text, set_no bigint, set_index integer, item_id uuid, author_id uuid,
    outcome text, code text, received_at timestamptz
)
ON CONFLICT (id) DO NOTHING;
