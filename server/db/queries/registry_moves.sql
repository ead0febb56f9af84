-- Items that follow their grids when the registry changes, and what a plan counts beforehand.

-- name: grids_to_leave
-- Grids that a registry version ended or redrew, as they were before it.
SELECT l.grid_id AS id, l.code, l.community, l.kind, l.name, l.outline
FROM grid_label l
WHERE l.to_version = $1 AND l.grid_id IN (
    SELECT unnest(s.predecessors) FROM lineage s WHERE s.version = $1
)
ORDER BY l.code;

-- name: steps_of_version
SELECT version, kind, predecessors, successors FROM lineage WHERE version = $1 ORDER BY seq;

-- The next items of a grid, deleted ones too, for they may be restored; of erased ones there is nothing left to follow.
-- What this registry version ($5) has just brought here from a grid that it redrew has been looked at there.
-- name: items_to_follow
SELECT i.id FROM item i
WHERE i.grid_id = $1 AND i.type = ANY($2::text[]) AND ($3::uuid IS NULL OR i.id > $3) AND i.erased_at IS NULL
    AND NOT EXISTS (
        SELECT FROM revision r
        WHERE r.item_id = i.id AND r.version = i.version AND r.op = 'move' AND r.registry = $5
    )
ORDER BY i.id
LIMIT $4;

-- What came into a grid that has ended from whoever had not heard of it yet.
-- name: items_left_behind
SELECT i.id FROM item i
WHERE i.grid_id = ANY($1::uuid[]) AND NOT i.deleted AND i.erased_at IS NULL
ORDER BY i.id
LIMIT $2;

-- name: count_items_of_grids
SELECT count(*) FROM item WHERE grid_id = ANY($1::uuid[]) AND erased_at IS NULL;

-- name: rows_to_follow
SELECT i.id, i.type, i.grid_id, i.stream_class, i.author_id, i.in_own_stream, i.deleted, i.clear, i.sealed, k.wrapped,
    octet_length(i.clear::text) + coalesce(octet_length(i.sealed), 0) AS size
FROM item i JOIN item_key k ON k.item_id = i.id
WHERE i.grid_id = $1 AND i.type = ANY($2::text[]) AND ($3::uuid IS NULL OR i.id > $3) AND i.erased_at IS NULL
ORDER BY i.id
LIMIT $4;

-- The grids of what items refer to, and from which grid this registry version ($2) took each of them, if it did.
-- name: referred_grids
SELECT i.id, i.grid_id, (
    SELECT (r.derivation ->> 'from')::uuid FROM revision r
    WHERE r.item_id = i.id AND r.op = 'move' AND r.registry = $2 AND NOT i.deleted
    ORDER BY r.version DESC LIMIT 1
) AS taken_from
FROM unnest($1::uuid[]) AS w (id)
CROSS JOIN LATERAL (SELECT i.id, i.grid_id, i.deleted FROM item i WHERE i.id = w.id OFFSET 0) i;

-- name: first_revisions
SELECT r.item_id, r.sealed FROM revision r WHERE r.item_id = ANY($1::uuid[]) AND r.version = 1;

-- name: move_items
UPDATE item i SET
    grid_id = r.grid_id, in_own_stream = r.in_own_stream, version = r.version, rev = r.rev, updated_at = r.updated_at
FROM jsonb_to_recordset($1) AS r (
    id uuid, grid_id uuid, in_own_stream boolean, version integer, rev bigint, updated_at timestamptz
)
WHERE i.id = r.id;

-- A revision that only moved an item is reviewed as the one before it was: nothing that anybody wrote has changed.
-- name: carry_reviews
UPDATE review r SET
    version = CASE WHEN (r.version, r.rev) = (m.version - 1, m.old_rev) THEN m.version ELSE r.version END,
    rev = CASE WHEN (r.version, r.rev) = (m.version - 1, m.old_rev) THEN m.rev ELSE r.rev END,
    approved_version = CASE
        WHEN (r.approved_version, r.approved_rev) = (m.version - 1, m.old_rev) THEN m.version ELSE r.approved_version
    END,
    approved_rev = CASE
        WHEN (r.approved_version, r.approved_rev) = (m.version - 1, m.old_rev) THEN m.rev ELSE r.approved_rev
    END
FROM jsonb_to_recordset($1) AS m (id uuid, version integer, rev bigint, old_rev bigint)
WHERE r.item_id = m.id;

-- A new id is greater than all that were given out; the end of a snapshot is not, where the last of them are at work.
-- name: writers_begun
SELECT pg_current_xact_id()::text::bigint;

-- name: writers_ended
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint;

-- name: begin_move
INSERT INTO registry_move (version, predicted, total) VALUES ($1, $2, $3);

-- name: lock_move
SELECT version, total, looked, moved, unplaced, rank, grid_id, after_id, finished_at
FROM registry_move WHERE version = $1 FOR UPDATE;

-- name: note_move
UPDATE registry_move SET
    looked = looked + $2, moved = moved + $3, unplaced = unplaced + $4, rank = $5, grid_id = $6, after_id = $7
WHERE version = $1;

-- name: count_moves
INSERT INTO registry_move_count (version, from_grid, to_grid, type, items)
SELECT $1, r.from_grid, r.to_grid, r.type, r.items
FROM jsonb_to_recordset($2) AS r (from_grid uuid, to_grid uuid, type text, items integer)
ON CONFLICT (version, from_grid, to_grid, type) DO UPDATE SET items = registry_move_count.items + excluded.items;

-- name: counted_moves
SELECT from_grid, to_grid, type, items FROM registry_move_count WHERE version = $1
ORDER BY from_grid, to_grid, type;

-- name: finish_move
UPDATE registry_move SET actual = $2, finished_at = coalesce(finished_at, now()) WHERE version = $1;

-- name: unfinished_move
SELECT version FROM registry_move WHERE finished_at IS NULL;

-- Moves that a job has work to do for: one that is under way, and those behind which something came in. That may be
-- years later, for what was deleted in a grid without a successor stays there, and may be restored.
-- name: moves_to_run
SELECT m.version FROM registry_move m
WHERE m.finished_at IS NULL OR EXISTS (
    SELECT FROM lineage s JOIN item i ON i.grid_id = ANY(s.predecessors) AND NOT i.deleted AND i.erased_at IS NULL
    WHERE s.version = m.version AND s.kind IN ('split', 'merge', 'retire')
)
ORDER BY m.version;

-- name: reason_of_version
SELECT note FROM registry_version WHERE version = $1;

-- name: move_report
SELECT version, predicted, actual, total, looked, moved, unplaced, began_at, finished_at
FROM registry_move WHERE version = $1;

-- name: crosswalk_of_grids
SELECT id, department, legacy_code, valid_from, valid_to, sense, note, grid_id
FROM crosswalk WHERE to_version IS NULL AND grid_id = ANY($1::uuid[])
ORDER BY id;

-- Assignments ---------------------------------------------------------------------------------------------

-- name: teams_of_grids
SELECT a.id, a.user_id, u.name, a.role, a.grid_id, a.valid_from, a.valid_to
FROM assignment a JOIN users u ON u.id = a.user_id AND u.left_at IS NULL
WHERE a.grid_id = ANY($1::uuid[]) AND (a.valid_to IS NULL OR a.valid_to > now())
ORDER BY a.id;

-- name: devices_of_users
SELECT d.id, d.user_id, d.name, d.registry, d.last_exchange_at, d.unsent
FROM device d
WHERE d.user_id = ANY($1::uuid[]) AND d.revoked_at IS NULL
ORDER BY d.user_id, d.id;

-- name: end_assignments_of_grids
UPDATE assignment SET valid_to = greatest(now(), valid_from)
WHERE grid_id = ANY($1::uuid[]) AND (valid_to IS NULL OR valid_to > now())
RETURNING id, user_id, role, grid_id;

-- name: count_open_conflicts
SELECT count(*) FROM conflict c JOIN item i ON i.id = c.item_id
WHERE c.state = 'open' AND i.grid_id = ANY($1::uuid[]);
