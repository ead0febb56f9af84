-- Reading a city from outside, for checks: nothing here is used to serve anybody.

-- name: inspect_epoch
SELECT e.id, now() AS at FROM epoch e ORDER BY e.seq DESC LIMIT 1;

-- Items that are named, that lie in these grids, or that these people wrote.
-- name: inspect_items
SELECT i.*, k.wrapped
FROM item i JOIN item_key k ON k.item_id = i.id
WHERE i.id = ANY($1::uuid[]) OR i.grid_id = ANY($2::uuid[]) OR i.author_id = ANY($3::uuid[]);

-- name: inspect_revisions
SELECT item_id, version, op, device_id, epoch, set_no, set_index, fields, clear, sealed
FROM revision
WHERE item_id = ANY($1::uuid[])
ORDER BY item_id, version;

-- name: inspect_conflicts
-- A duplicate holds no value: what its change brought is in the item.
SELECT id, item_id, device_id, set_no, set_index, clear, sealed FROM conflict
WHERE item_id = ANY($1::uuid[]) AND kind <> 'duplicate';

-- name: inspect_quarantine
SELECT device_id, set_no, set_index FROM quarantine
WHERE device_id = ANY($1::uuid[]) AND epoch = $2 AND outcome <> 'forked' AND state <> 'discarded';

-- name: inspect_sets
SELECT device_id, no, hash, receipt ->> 'status' AS status FROM change_set WHERE device_id = ANY($1::uuid[]) AND epoch = $2;

-- name: inspect_forked_sets
SELECT device_id, no, hash FROM forked_set WHERE device_id = ANY($1::uuid[]) AND epoch = $2;

-- name: inspect_lonely_duplicates
SELECT c.item_id FROM conflict c
WHERE c.item_id = ANY($1::uuid[]) AND c.kind = 'duplicate' AND c.state = 'open' AND NOT EXISTS (
    SELECT FROM unique_hint u JOIN item i ON i.id = u.item_id
    WHERE u.claim = c.hint AND u.item_id <> c.item_id AND NOT i.deleted
);

-- name: inspect_raw_sets
SELECT s.device_id, s.no, s.epoch, s.sealed, s.wrapped
FROM change_set s
WHERE s.epoch = $2 AND s.device_id = ANY($1::uuid[]) AND s.wrapped IS NOT NULL AND EXISTS (
    SELECT FROM quarantine q WHERE q.device_id = s.device_id AND q.epoch = s.epoch AND q.set_no = s.no
);

-- name: inspect_assignments
SELECT user_id, role, grid_id, division, department, valid_from, valid_to
FROM assignment
WHERE user_id = ANY($1::uuid[]) AND valid_from <= now() AND (valid_to IS NULL OR now() < valid_to);

-- name: inspect_streams
SELECT key, digest FROM stream WHERE key = ANY($1::text[]);

-- name: inspect_notices
SELECT user_id, id, version FROM notice WHERE user_id = ANY($1::uuid[]) AND open;
