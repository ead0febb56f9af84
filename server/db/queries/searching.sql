-- A row whose terms stay as they are is left alone, so that an edit of other fields costs the index nothing.
-- name: upsert_terms
WITH given AS MATERIALIZED (
    SELECT r.item_id, r.terms FROM jsonb_to_recordset($1) AS r (item_id uuid, terms text[])
), gone AS (
    DELETE FROM item_search s USING given g WHERE s.item_id = g.item_id AND g.terms IS NULL
)
INSERT INTO item_search AS s (item_id, terms)
SELECT g.item_id, g.terms FROM given g WHERE g.terms IS NOT NULL
ON CONFLICT (item_id) DO UPDATE SET terms = EXCLUDED.terms WHERE s.terms <> EXCLUDED.terms;

-- What is found is few, or is left as soon as the page is full: items are looked up one by one in the order of the
-- page, since the planner cannot know how few a reader reaches and would else read them all.
-- name: search_items
WITH found AS MATERIALIZED (
    SELECT s.item_id FROM item_search s
    WHERE s.terms @> $5::text[] AND ($2::uuid IS NULL OR s.item_id < $2)
    ORDER BY s.item_id DESC
), page AS MATERIALIZED (
    SELECT f.item_id, one.code
    FROM found f
    CROSS JOIN LATERAL (
        SELECT l.code
        FROM item i
        LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
        WHERE i.id = f.item_id AND NOT i.deleted AND {reached}
            AND ($3::text IS NULL OR i.type = $3)
            AND ($4::text IS NULL OR starts_with(l.code, $4))
        OFFSET 0
    ) one
    LIMIT $6
)
SELECT
    i.id, i.type, i.urgency, i.grid_id, p.code, i.author_id, u.name AS author_name, i.version, i.received_at,
    i.updated_at, r.state AS review_state, c.state AS case_state, i.clear, i.sealed, k.wrapped
FROM page p
JOIN item i ON i.id = p.item_id
JOIN item_key k ON k.item_id = i.id
JOIN users u ON u.id = i.author_id
LEFT JOIN review r ON r.item_id = i.id
LEFT JOIN cases c ON c.item_id = i.id
ORDER BY i.id DESC;

-- Locked, so that no edit is overtaken by what is found here.
-- name: items_to_index
SELECT i.*, k.wrapped
FROM item i JOIN item_key k ON k.item_id = i.id
WHERE NOT i.deleted AND ($1::uuid IS NULL OR i.id > $1)
    AND (NOT $2::boolean OR NOT EXISTS (SELECT FROM item_search s WHERE s.item_id = i.id))
ORDER BY i.id
LIMIT $3
FOR NO KEY UPDATE OF i;
