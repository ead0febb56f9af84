-- name: reached
-- A condition on the item i in the grid labelled l, put into other statements: one of the grants in $1 reaches it.
EXISTS (
    SELECT FROM {grants}
    WHERE i.type = ANY(g.types)
        AND (g.grid_id IS NULL OR g.grid_id = i.grid_id)
        AND (g.author_id IS NULL OR g.author_id = i.author_id)
        AND (g.division_prefix IS NULL OR starts_with(l.code, g.division_prefix))
        AND (g.department IS NULL OR EXISTS (
            SELECT FROM cases h JOIN organisation o ON o.id = h.organisation_id OR o.id = ANY(h.assisting)
            WHERE h.item_id = i.id AND o.department = g.department AND starts_with(o.division, g.organisation_prefix)
        ))
)

-- name: grants
-- What the condition looks at, row by row.
jsonb_to_recordset($1) AS g (
    types text[], grid_id uuid, division_prefix text, author_id uuid, department text, organisation_prefix text
)

-- name: near
-- Put beside the condition where the grants are for a small part of the city, so that only that part is looked at: in
-- the grids of the grants (of more than a street only their types), by their author, held by their organisations.
i.id IN (
    SELECT n.id
    FROM jsonb_to_recordset($1) AS g (types text[], grid_id uuid, division_prefix text)
    JOIN grid_label p ON p.to_version IS NULL AND (p.grid_id = g.grid_id OR starts_with(p.code, g.division_prefix))
    JOIN item n ON n.grid_id = p.grid_id AND (length(g.division_prefix) < 9 IS NOT TRUE OR n.type = ANY(g.types))
    UNION ALL
    SELECT n.id FROM item n WHERE n.author_id IN (SELECT g.author_id FROM jsonb_to_recordset($1) AS g (author_id uuid))
    UNION ALL
    SELECT h.item_id
    FROM jsonb_to_recordset($1) AS g (department text, organisation_prefix text)
    JOIN organisation o ON o.department = g.department AND starts_with(o.division, g.organisation_prefix)
    JOIN cases h ON h.organisation_id = o.id OR (h.assisting <> '{}' AND h.assisting @> ARRAY[o.id])
)

-- name: within
-- Put into the statement below: ids of items, among which are all that the grants reach in the places whose codes begin
-- with {place}. Nothing is read that is not handed on, so that whoever wants a few has them at once.
SELECT n.id AS item_id
FROM given g
JOIN grid_label p ON p.to_version IS NULL AND (p.grid_id = g.grid_id OR starts_with(p.code, g.division_prefix))
    AND starts_with(p.code, coalesce({place}, ''))
CROSS JOIN LATERAL (SELECT i.id FROM item i WHERE i.grid_id = p.grid_id AND i.type = ANY(g.types) OFFSET 0) n
UNION ALL
SELECT n.id
FROM given g
CROSS JOIN LATERAL (SELECT i.id FROM item i WHERE i.author_id = g.author_id AND i.type = ANY(g.types) OFFSET 0) n
WHERE g.author_id IS NOT NULL
UNION ALL
SELECT n.id
FROM given g
JOIN organisation o ON o.department = g.department AND starts_with(o.division, g.organisation_prefix)
CROSS JOIN LATERAL (
    SELECT c.item_id FROM cases c WHERE c.organisation_id = o.id
    UNION ALL
    SELECT c.item_id FROM cases c WHERE c.assisting <> '{}' AND c.assisting @> ARRAY[o.id]
    OFFSET 0
) c
CROSS JOIN LATERAL (SELECT i.id FROM item i WHERE i.id = c.item_id AND i.type = ANY(g.types) OFFSET 0) n;

-- name: candidates
-- Put at the beginning of the statements of lists. Where there are few items that may be in the list, because the reader
-- reaches few (near) or few are as they are asked for (narrowed), all of them are looked up and put in order. Where there
-- are many, a page is soon full if one goes through everything in the order of the list. What is not done costs nothing.
WITH given AS MATERIALIZED (
    SELECT * FROM {grants}
), near AS MATERIALIZED (
    SELECT w.item_id FROM ({within}) w LIMIT 2001
), narrowed AS MATERIALIZED (
    SELECT w.item_id FROM ({narrowed}) w LIMIT 2001
), few AS MATERIALIZED (
    SELECT item_id FROM near WHERE (SELECT count(*) FROM near) <= 2000
    UNION
    SELECT item_id FROM narrowed
    WHERE (SELECT count(*) FROM near) > 2000 AND (SELECT count(*) FROM narrowed) <= 2000
)

-- name: many
((SELECT count(*) FROM near) > 2000 AND (SELECT count(*) FROM narrowed) > 2000)

-- name: seen
-- Put into the statements of lists, item by item: the code of its grid where it is there, the grants in $1 reach it and
-- that code begins with {place}.
SELECT l.code
FROM item i
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
WHERE i.id = {item} AND NOT i.deleted AND {reached} AND ({place} IS NULL OR starts_with(l.code, {place}))
OFFSET 0

-- name: readable_items
SELECT i.id
FROM item i
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
WHERE i.id = ANY($2::uuid[]) AND NOT i.deleted AND {reached};

-- Deleted and erased ones included.
-- name: items_within
SELECT i.id
FROM item i
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
WHERE i.id = ANY($2::uuid[]) AND {reached};

-- name: list_items
{candidates}, page AS MATERIALIZED (
    SELECT q.id, one.code
    FROM (SELECT f.item_id AS id FROM few f) q
    {wanted}
    UNION ALL
    (SELECT q.id, one.code FROM item q {wanted} AND {many} ORDER BY q.id DESC LIMIT $6)
    ORDER BY id DESC
    LIMIT $6
)
SELECT
    i.id, i.type, i.urgency, i.grid_id, p.code, i.author_id, u.name AS author_name, i.version, i.received_at,
    i.updated_at, r.state AS review_state, c.state AS case_state
FROM page p
JOIN item i ON i.id = p.id
JOIN users u ON u.id = i.author_id
LEFT JOIN review r ON r.item_id = i.id
LEFT JOIN cases c ON c.item_id = i.id
ORDER BY i.id DESC;

-- name: list_items_wanted
CROSS JOIN LATERAL ({seen}) one
WHERE q.id < $2
    AND ($4::text IS NULL OR EXISTS (SELECT FROM review r WHERE r.item_id = q.id AND r.state = $4 OFFSET 0))
    AND ($5::text IS NULL OR EXISTS (SELECT FROM cases c WHERE c.item_id = q.id AND c.state = $5 OFFSET 0));

-- name: items_in_case_state
SELECT c.item_id FROM cases c WHERE c.state = $5;

-- name: items_under_review
SELECT r.item_id FROM review r WHERE r.state <> 'approved' AND r.state = $4;

-- name: history_of_item
SELECT
    v.version, v.rev, v.op, v.author_id, u.name AS author_name, v.device_id, v.fields, v.clear, v.sealed, v.reason,
    v.captured_at, v.received_at, v.skew, l.code
FROM revision v
LEFT JOIN users u ON u.id = v.author_id
LEFT JOIN grid_label l ON l.grid_id = v.grid_id AND l.to_version IS NULL
WHERE v.item_id = $1
ORDER BY v.version;

-- name: names_of_users
SELECT id, name FROM users WHERE id = ANY($1::uuid[]);

-- name: review_steps_of_item
SELECT s.*, u.name AS actor_name
FROM review_steps s
LEFT JOIN users u ON u.id = s.actor_id
WHERE s.item_id = $1
ORDER BY s.seq;

-- name: case_steps_of_item
SELECT s.*, u.name AS actor_name, o.name_zh AS organisation_zh, o.name_en AS organisation_en
FROM case_steps s
LEFT JOIN users u ON u.id = s.actor_id
LEFT JOIN organisation o ON o.id = s.organisation_id
WHERE s.item_id = $1
ORDER BY s.seq;

-- name: items_with_keys
SELECT i.*, k.wrapped
FROM item i JOIN item_key k ON k.item_id = i.id
WHERE i.id = ANY($1::uuid[]) AND NOT i.deleted
ORDER BY i.id;

-- Read through in the order of ids, so that all pages together look at each item once.
-- name: export_items
SELECT
    i.*, k.wrapped, l.code, l.name AS grid_name, l.synthetic, d.name_zh AS community_zh, d.name_en AS community_en,
    r.state AS review_state, r.approved_version, c.state AS case_state
FROM item i
JOIN item_key k ON k.item_id = i.id
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
LEFT JOIN division d ON d.code = l.community
LEFT JOIN review r ON r.item_id = i.id
LEFT JOIN cases c ON c.item_id = i.id
WHERE NOT i.deleted AND i.type = $3 AND {near} AND {reached}
    AND ($2::uuid IS NULL OR i.id > $2)
    AND ($4::text IS NULL OR starts_with(l.code, $4))
    AND ($5::timestamptz IS NULL OR i.received_at >= $5)
    AND ($6::timestamptz IS NULL OR i.received_at < $6)
    AND (r.approved_version IS NOT NULL OR NOT $7::boolean)
ORDER BY i.id
LIMIT $8;
