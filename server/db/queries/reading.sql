-- A condition on the item i in the grid labelled l, put into the statements below: one of the grants in $1 reaches it.
-- name: reached
EXISTS (
    SELECT FROM jsonb_to_recordset($1) AS g (
        types text[], grid_id uuid, division_prefix text, author_id uuid, department text, organisation_prefix text
    )
    WHERE i.type = ANY(g.types)
        AND (g.grid_id IS NULL OR g.grid_id = i.grid_id)
        AND (g.author_id IS NULL OR g.author_id = i.author_id)
        AND (g.division_prefix IS NULL OR starts_with(l.code, g.division_prefix))
        AND (g.department IS NULL OR EXISTS (
            SELECT FROM cases h JOIN organisation o ON o.id = h.organisation_id OR o.id = ANY(h.assisting)
            WHERE h.item_id = i.id AND o.department = g.department AND starts_with(o.division, g.organisation_prefix)
        ))
)

-- name: readable_items
SELECT i.id
FROM item i
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
WHERE i.id = ANY($2::uuid[]) AND NOT i.deleted AND {reached};

-- name: list_items
SELECT
    i.id, i.type, i.urgency, i.grid_id, l.code, i.author_id, u.name AS author_name, i.version, i.received_at,
    i.updated_at, r.state AS review_state, c.state AS case_state
FROM item i
JOIN users u ON u.id = i.author_id
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
LEFT JOIN review r ON r.item_id = i.id
LEFT JOIN cases c ON c.item_id = i.id
WHERE NOT i.deleted AND {reached}
    AND ($2::uuid IS NULL OR i.id < $2)
    AND ($3::text IS NULL OR i.type = $3)
    AND ($4::text IS NULL OR starts_with(l.code, $4))
    AND ($5::text IS NULL OR r.state = $5)
    AND ($6::text IS NULL OR c.state = $6)
ORDER BY i.id DESC
LIMIT $7;

-- name: history_of_item
SELECT
    v.version, v.rev, v.op, v.author_id, u.name AS author_name, v.device_id, v.fields, v.clear, v.sealed, v.reason,
    v.captured_at, v.received_at, l.code
FROM revision v
LEFT JOIN users u ON u.id = v.author_id
LEFT JOIN grid_label l ON l.grid_id = v.grid_id AND l.to_version IS NULL
WHERE v.item_id = $1
ORDER BY v.version;

-- name: names_of_users
SELECT id, name FROM users WHERE id = ANY($1::uuid[]);

-- name: review_steps_of_item
SELECT s.*, u.name AS actor_name
FROM review_step s
LEFT JOIN users u ON u.id = s.actor_id
WHERE s.item_id = $1
ORDER BY s.seq;

-- name: case_steps_of_item
SELECT s.*, u.name AS actor_name, o.name_zh AS organisation_zh, o.name_en AS organisation_en
FROM case_step s
LEFT JOIN users u ON u.id = s.actor_id
LEFT JOIN organisation o ON o.id = s.organisation_id
WHERE s.item_id = $1
ORDER BY s.seq;

-- name: items_with_keys
SELECT i.*, k.wrapped
FROM item i JOIN item_key k ON k.item_id = i.id
WHERE i.id = ANY($1::uuid[]) AND NOT i.deleted
ORDER BY i.id;
