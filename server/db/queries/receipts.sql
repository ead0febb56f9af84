-- name: counters_to_prune
SELECT device_id, epoch FROM counter
WHERE acknowledged > pruned AND ($1::uuid IS NULL OR (device_id, epoch) > ($1, $2::text))
ORDER BY device_id, epoch
LIMIT $3;

-- name: lock_counter_to_prune
SELECT pruned, acknowledged FROM counter
WHERE device_id = $1 AND epoch = $2 AND acknowledged > pruned
FOR UPDATE SKIP LOCKED;

-- name: receipts_between
SELECT no, receipt FROM change_set
WHERE device_id = $1 AND epoch = $2 AND no > $3 AND no <= $4
ORDER BY no
LIMIT $5;

-- name: store_pruned
UPDATE change_set s SET receipt = r.receipt
FROM jsonb_to_recordset($3) AS r (no bigint, receipt jsonb)
WHERE s.device_id = $1 AND s.epoch = $2 AND s.no = r.no;

-- name: note_pruned
UPDATE counter SET pruned = coalesce($3, acknowledged) WHERE device_id = $1 AND epoch = $2;
