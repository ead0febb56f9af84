-- name: open_conflicts_of_items
SELECT
    c.id, c.kind, c.op, c.item_id, c.device_id, c.fields, c.clear, c.sealed,
    c.group_id IS NOT NULL AND NOT EXISTS (SELECT FROM conflict p WHERE p.id = c.group_id) AS atomic
FROM conflict c
WHERE c.item_id = ANY($1::uuid[]) AND c.state = 'open'
ORDER BY c.opened_at, c.id;

-- name: insert_conflicts
INSERT INTO conflict (
    id, kind, op, item_id, author_id, device_id, epoch, set_no, set_index, fields, base_version, base_unknown,
    server_version, clear, sealed, claim, group_id, hint, step, note, linked_from, captured_at, opened_at
)
SELECT
    r.id, r.kind, r.op, r.item_id, r.author_id, r.device_id, r.epoch, r.set_no, r.set_index, r.fields, r.base_version,
    coalesce(r.base_unknown, false), r.server_version, r.clear, r.sealed, r.claim, r.group_id, r.hint, r.step, r.note,
    r.linked_from, r.captured_at, r.opened_at
FROM jsonb_to_recordset($1) AS r (
    id uuid, kind text, op text, item_id uuid, author_id uuid, device_id uuid, epoch text, set_no bigint,
    set_index integer, fields text[], base_version integer, base_unknown boolean, server_version integer, clear jsonb,
    sealed bytea, claim jsonb, group_id uuid, hint bytea, step jsonb, note bytea, linked_from uuid,
    captured_at timestamptz, opened_at timestamptz
);

-- name: rewrite_conflicts
UPDATE conflict c SET
    fields = r.fields, clear = r.clear, sealed = r.sealed, version = c.version + 1,
    linked_from = coalesce(c.linked_from, r.linked_from)
FROM jsonb_to_recordset($1) AS r (id uuid, fields text[], clear jsonb, sealed bytea, linked_from uuid)
WHERE c.id = r.id;

-- name: upsert_notices
INSERT INTO notice (id, user_id, kind, code, item_id, conflict_id, version, open, created_at)
SELECT r.id, r.user_id, r.kind, r.code, r.item_id, r.conflict_id, greatest(1, {life_floor}), r.open, r.created_at
FROM jsonb_to_recordset($1) AS r (
    id uuid, user_id uuid, kind text, code text, item_id uuid, conflict_id uuid, open boolean,
    created_at timestamptz
)
ON CONFLICT (id) DO UPDATE SET
    version = greatest(notice.version + 1, excluded.version), open = excluded.open,
    created_at = CASE WHEN excluded.open THEN excluded.created_at ELSE notice.created_at END
RETURNING id, user_id, kind, version, open;

-- name: wanted_conflicts
-- A condition on the conflict c of an item i in the grid labelled l, put into other statements: it is asked for, and the
-- grants in $1 reach it.
c.id BETWEEN $2 AND $3
    AND ($4::text IS NULL OR c.state = $4)
    AND ($5::text IS NULL OR c.kind = $5)
    AND ($6::text IS NULL OR i.type = $6)
    AND ($7::text IS NULL OR starts_with(l.code, $7) OR (i.grid_id IS NULL AND {claim_within}))
    AND ($8::timestamptz IS NULL OR c.opened_at < $8)
    AND ($9::uuid[] IS NULL OR c.author_id = ANY($9))
    AND ({reached} OR {claim_reached})

-- The conflicts that a person may see, oldest first, after a place in that order ($10, $11).
-- name: select_conflicts
{candidates}, page AS MATERIALIZED (
    SELECT c.id, c.opened_at
    FROM few f
    CROSS JOIN LATERAL (SELECT * FROM conflict c WHERE c.item_id = f.item_id OFFSET 0) c
    {wanted}
    UNION ALL
    (SELECT c.id, c.opened_at FROM conflict c {wanted} AND {many} ORDER BY c.opened_at, c.id LIMIT $12)
    ORDER BY opened_at, id
    LIMIT $12
)
SELECT
    c.*, i.type, i.version AS item_version, i.deleted, i.grid_id, l.code AS grid_code, k.wrapped, a.name AS author_name,
    coalesce(d.name, '') AS device_name, s.name AS settler_name
FROM page p
JOIN conflict c ON c.id = p.id
JOIN item i ON i.id = c.item_id
JOIN item_key k ON k.item_id = i.id
JOIN users a ON a.id = c.author_id
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
LEFT JOIN device d ON d.id = c.device_id
LEFT JOIN users s ON s.id = c.resolved_by
ORDER BY c.opened_at, c.id;

-- name: select_conflicts_wanted
CROSS JOIN LATERAL (
    SELECT FROM item i
    JOIN item_key k ON k.item_id = i.id
    LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
    WHERE i.id = c.item_id
        AND ($6::text IS NULL OR i.type = $6)
        AND ($7::text IS NULL OR starts_with(l.code, $7) OR (i.grid_id IS NULL AND {claim_within}))
        AND ({reached} OR {claim_reached})
    OFFSET 0
) one
WHERE c.id BETWEEN $2 AND $3
    AND ($4::text IS NULL OR c.state = $4)
    AND ($5::text IS NULL OR c.kind = $5)
    AND ($8::timestamptz IS NULL OR c.opened_at < $8)
    AND ($9::uuid[] IS NULL OR c.author_id = ANY($9))
    AND (c.opened_at, c.id) > ($10::timestamptz, $11::uuid);

-- name: within_or_nowhere
{within}
UNION ALL
SELECT i.id FROM item i WHERE i.grid_id IS NULL;

-- name: items_of_open_conflicts
SELECT c.item_id FROM conflict c WHERE c.state = 'open';

-- name: items_of_conflicts_between
SELECT c.item_id FROM conflict c WHERE c.id BETWEEN $2 AND $3;

-- Whether the conflicts with an id in a range are about erased items, whose keys are gone, that the grants in $1 reach.
-- name: conflict_of_erased
SELECT count(*) > 0 AND bool_and(i.erased_at IS NOT NULL)
FROM conflict c
JOIN item i ON i.id = c.item_id
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
WHERE c.id BETWEEN $2 AND $3 AND {reached};

-- How many there are: by each thing that is counted by, and in all (`grouped` 31). Ages are counted at an instant ($10)
-- between bounds in seconds ($11).
-- name: count_conflicts
WITH seen AS (
    SELECT
        c.kind, i.type, l.community, c.take, c.opened_at,
        width_bucket(extract(epoch FROM $10::timestamptz - c.opened_at)::float8, $11::float8[]) AS age
    FROM conflict c
    JOIN item i ON i.id = c.item_id
    JOIN item_key k ON k.item_id = i.id
    LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
    WHERE {wanted}
)
SELECT
    grouping(kind, type, community, age, take) AS grouped, kind, type, community, age, take, count(*) AS count,
    min(opened_at) AS oldest
FROM seen
GROUP BY GROUPING SETS ((kind), (type), (community), (age), (take), ())
ORDER BY grouped, count DESC, kind, type, community, age, take;

-- name: count_all_conflicts
SELECT count(*)
FROM conflict c
JOIN item i ON i.id = c.item_id
JOIN item_key k ON k.item_id = i.id
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
WHERE {wanted};

-- name: people_named
SELECT id FROM users WHERE id = $1 OR phone_index = $2 OR name = $3;

-- name: heirs
-- Put into the two below: the grids that the candidates of a claim were, and all that came out of them since.
(
    WITH RECURSIVE heir (grid) AS (
        SELECT w.grid::uuid FROM jsonb_array_elements_text(c.claim -> 'candidates') AS w (grid)
        UNION
        SELECT unnest(s.successors)
        FROM heir h JOIN lineage s ON s.predecessors @> ARRAY[h.grid] AND s.kind IN ('split', 'merge')
    )
    SELECT heir.grid FROM heir
)

-- name: claim_within
-- Put into the statement above: the code of an item without a grid may stand for one with this prefix ($7).
EXISTS (
    SELECT FROM {heirs} AS e (grid)
    JOIN grid_label q ON q.grid_id = e.grid AND q.to_version IS NULL
    WHERE starts_with(q.code, $7)
    UNION ALL
    SELECT FROM jsonb_array_elements_text(c.claim -> 'counties') AS e (county) WHERE starts_with(e.county, $7)
)

-- name: claim_reached
-- A condition on the conflict c of an item i without a grid, put into the statement above: grants in $1 reach every grid
-- that its code may stand for, or, while none of these is current, all counties that its author worked in.
(i.grid_id IS NULL AND c.claim IS NOT NULL AND NOT EXISTS (
    WITH candidate AS (
        SELECT q.grid_id, q.code FROM {heirs} AS e (grid)
        JOIN grid_label q ON q.grid_id = e.grid AND q.to_version IS NULL
    )
    SELECT FROM (
        SELECT p.grid_id, p.code FROM candidate p
        UNION ALL
        SELECT NULL, e.county FROM jsonb_array_elements_text(c.claim -> 'counties') AS e (county)
        WHERE NOT EXISTS (SELECT FROM candidate)
    ) place
    WHERE NOT EXISTS (
        SELECT FROM jsonb_to_recordset($1) AS g (types text[], grid_id uuid, division_prefix text)
        WHERE i.type = ANY(g.types) AND (g.grid_id = place.grid_id OR starts_with(place.code, g.division_prefix))
    )
))

-- name: group_of_conflict
-- What is settled together: the conflicts of a group, or one alone, in the order of their changes.
SELECT id, item_id, state, resolved_at, resolution_version FROM conflict
WHERE id = $1 OR group_id = $1
ORDER BY opened_at, set_no, set_index, id;

-- name: lock_conflicts
SELECT id FROM conflict WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE;

-- name: history_of_conflict_item
SELECT r.*, coalesce(u.name, '系统 system') AS author_name, coalesce(d.name, '') AS device_name
FROM revision r
LEFT JOIN users u ON u.id = r.author_id
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

-- What a person settled once and opened again (its version tells) is left to people, and so are fields in conflict and
-- what is settled together with others.
-- name: parked_steps
SELECT id, item_id, author_id, step, note, linked_from FROM conflict
WHERE item_id = ANY($1::uuid[]) AND state = 'open' AND kind = 'late_transition' AND version = 1 AND fields = '{}'
    AND group_id IS NULL
ORDER BY opened_at, set_no, set_index, id;

-- name: end_conflicts
UPDATE conflict c SET
    state = 'resolved', version = c.version + 1, resolved_at = $2, take = r.take, resolution_version = r.version
FROM jsonb_to_recordset($1) AS r (id uuid, take text, version integer)
WHERE c.id = r.id;

-- name: restate_steps
UPDATE conflict c SET step = r.step FROM jsonb_to_recordset($1) AS r (id uuid, step jsonb) WHERE c.id = r.id;
