-- What a rehearsal sets and looks at in a database of its own.

-- name: set_devices_back
-- As if these devices had been enrolled, and heard of last, so long ago.
UPDATE device SET enrolled_at = $2, drained_at = $2, last_exchange_at = $2 WHERE id = ANY($1::uuid[]);

-- name: count_moved_items
SELECT count(DISTINCT item_id) FROM revision WHERE op = 'move' AND registry = $2 AND item_id = ANY($1::uuid[]);

-- name: count_items_in_grids
SELECT count(*) FROM item WHERE id = ANY($1::uuid[]) AND grid_id = ANY($2::uuid[]);

-- name: count_conflicts_of_items
SELECT count(*) FROM conflict WHERE item_id = ANY($1::uuid[]);

-- name: lock_waits
-- Who waits for a lock now, since when, and for how many seconds.
SELECT pid, waitstart, extract(epoch FROM clock_timestamp() - waitstart)::float8 AS seconds
FROM pg_locks
WHERE NOT granted AND waitstart IS NOT NULL;
