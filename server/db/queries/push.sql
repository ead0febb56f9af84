-- name: current_epoch
SELECT id FROM epoch ORDER BY seq DESC LIMIT 1;

-- In a new epoch a device's numbers go on where the former ones ended, as far as this database knows.
-- name: ensure_counter
INSERT INTO counter (device_id, epoch, last_no, acknowledged, safe_no)
SELECT
    $1::uuid, e.id, coalesce(max(former.last_no), 0), coalesce(max(former.acknowledged), 0), coalesce(max(former.safe_no), 0)
FROM (SELECT id FROM epoch ORDER BY seq DESC LIMIT 1) e
LEFT JOIN counter former ON former.device_id = $1
WHERE e.id = $2
GROUP BY e.id
ON CONFLICT DO NOTHING;

-- The counter's row is the device's lock: whoever holds it decides the device's next change set. There is none in an
-- epoch that is over. Whoever had to wait for it finds the number as it is now, and the holder as he was when he asked.
-- name: lock_counter
SELECT
    c.last_no, d.user_id, d.revoked_at IS NOT NULL AS revoked, coalesce(d.drained_at, d.enrolled_at) AS drained_at,
    ARRAY(
        SELECT ROW(a.role, a.grid_id, a.division, a.department, a.valid_from, a.valid_to)
        FROM assignment a
        WHERE a.user_id = d.user_id
    ) AS assignments
FROM counter c JOIN device d ON d.id = c.device_id
WHERE c.device_id = $1 AND c.epoch = $2 AND c.epoch = (SELECT id FROM epoch ORDER BY seq DESC LIMIT 1)
FOR UPDATE OF c;

-- name: read_counter
SELECT coalesce(max(last_no), 0) AS last_no, coalesce(max(safe_no), 0) AS safe_no FROM counter WHERE device_id = $1;

-- What a phone says of itself is lost without harm, so nobody waits until the disk has it. The rest belongs to one
-- snapshot: what the device hears of, where its numbers stand, and the heads of the streams that it names.
-- name: note_exchange
WITH loosely AS (
    SELECT set_config('synchronous_commit', 'off', true)
), seen AS (
    UPDATE device SET
        last_exchange_at = $2, unsent = $3, app = $4, registry = $6,
        drained_at = CASE WHEN $3 = 0 THEN $2 ELSE drained_at END, catalogue = coalesce($7, catalogue)
    FROM loosely
    WHERE id = $1
), acknowledged AS (
    UPDATE counter SET acknowledged = greatest(acknowledged, least($5, last_no))
    WHERE device_id = $1 AND epoch = (SELECT id FROM epoch ORDER BY seq DESC LIMIT 1)
)
SELECT
    h.user_id, h.shut_out, h.directives, h.assignments, (SELECT id FROM epoch ORDER BY seq DESC LIMIT 1) AS epoch,
    c.last_no, c.safe_no, ARRAY(SELECT ROW(s.key, s.head) FROM stream s WHERE s.key = ANY($8::text[])) AS heads
FROM ({hear_device}) h
CROSS JOIN ({read_counter}) c;

-- name: assignments_ever
SELECT role, grid_id, division, department, valid_from, valid_to FROM assignment WHERE user_id = $1;

-- Numbers go on from epoch to epoch, so a device has each of them once.
-- name: stored_set
SELECT hash, receipt FROM change_set s JOIN epoch e ON e.id = s.epoch
WHERE s.device_id = $1 AND s.no = $2
ORDER BY e.seq DESC LIMIT 1;

-- The set and its receipt are kept, and with them the number is used up; the counter is locked.
-- name: keep_change_set
WITH used AS (
    UPDATE counter SET last_no = $3 WHERE device_id = $1 AND epoch = $2
)
INSERT INTO change_set (device_id, epoch, no, hash, sealed, wrapped, size, receipt, received_at, traced)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

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
