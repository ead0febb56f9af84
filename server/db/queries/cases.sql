-- name: cases_of_items
SELECT c.*, (
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'department', o.department, 'division', o.division)), '[]')
    FROM organisation o
    WHERE o.id = c.organisation_id OR o.id = ANY(c.assisting)
) AS organisations
FROM cases c
WHERE c.item_id = ANY($1::uuid[]);

-- name: upsert_cases
INSERT INTO cases (
    item_id, state, urgency, urgency_level, department, organisation_id, assisting, asked, held, escalated_to,
    accept_by, respond_by, handle_by, year_flagged, opened_at, dispatched_at, signed_at, handled_at, handled_by,
    closed_at, waiver, changed_at
)
SELECT
    r.item_id, r.state, r.urgency, r.urgency_level, r.department, r.organisation_id, r.assisting, r.asked, r.held,
    r.escalated_to, r.accept_by, r.respond_by, r.handle_by, r.year_flagged, r.opened_at, r.dispatched_at, r.signed_at,
    r.handled_at, r.handled_by, r.closed_at, r.waiver, r.changed_at
FROM jsonb_to_recordset($1) AS r (
    item_id uuid, state text, urgency text, urgency_level smallint, department text, organisation_id uuid,
    assisting uuid[], asked jsonb, held jsonb, escalated_to text, accept_by timestamptz, respond_by timestamptz,
    handle_by timestamptz, year_flagged boolean, opened_at timestamptz, dispatched_at timestamptz,
    signed_at timestamptz, handled_at timestamptz, handled_by uuid, closed_at timestamptz, waiver bytea,
    changed_at timestamptz
)
ON CONFLICT (item_id) DO UPDATE SET
    state = excluded.state, urgency = excluded.urgency, urgency_level = excluded.urgency_level,
    department = excluded.department, organisation_id = excluded.organisation_id, assisting = excluded.assisting,
    asked = excluded.asked, held = excluded.held, escalated_to = excluded.escalated_to,
    accept_by = excluded.accept_by, respond_by = excluded.respond_by, handle_by = excluded.handle_by,
    year_flagged = excluded.year_flagged, opened_at = excluded.opened_at,
    reopened_at = CASE
        WHEN excluded.state = 'reopened' AND cases.state <> 'reopened' THEN clock_timestamp() ELSE cases.reopened_at
    END,
    dispatched_at = excluded.dispatched_at, signed_at = excluded.signed_at, handled_at = excluded.handled_at,
    handled_by = excluded.handled_by, closed_at = excluded.closed_at, waiver = excluded.waiver,
    changed_at = excluded.changed_at;

-- The items are locked, so no other step can take the number.
-- name: insert_case_steps
INSERT INTO case_step (
    item_id, seq, action, from_state, to_state, actor_id, organisation_id, reason, note, detail, at
)
SELECT
    r.item_id,
    (SELECT coalesce(max(s.seq), 0) FROM case_steps s WHERE s.item_id = r.item_id)
        + row_number() OVER (PARTITION BY r.item_id ORDER BY r.place),
    r.action, r.from_state, r.to_state, r.actor_id, r.organisation_id, r.reason, r.note, r.detail, r.at
FROM ROWS FROM (jsonb_to_recordset($1) AS (
    item_id uuid, action text, from_state text, to_state text, actor_id uuid, organisation_id uuid, reason text,
    note bytea, detail jsonb, at timestamptz
)) WITH ORDINALITY AS r (
    item_id, action, from_state, to_state, actor_id, organisation_id, reason, note, detail, at, place
);

-- A photo from after the work counts for the present round of the case alone.
-- name: verified_photos
SELECT l.item_id, l.sha256, l.size, l.role
FROM evidence_link l
JOIN evidence e USING (sha256, size)
LEFT JOIN cases c ON c.item_id = l.item_id
WHERE l.item_id = ANY($1::uuid[]) AND e.state = 'verified'
    AND (l.role = 'report' OR c.reopened_at IS NULL OR l.linked_at > c.reopened_at);

-- One that is being verified at this moment is waited for; none is forgotten until the transaction ends.
-- name: share_photos
SELECT e.sha256, e.size, e.state
FROM evidence e JOIN jsonb_to_recordset($1) AS p (sha256 bytea, size bigint) USING (sha256, size)
ORDER BY e.sha256, e.size
FOR SHARE OF e;

-- name: organisations_above
SELECT id, department, division FROM organisation WHERE department = ANY($1::text[]) AND division = ANY($2::text[]);

-- What is given stands behind a SELECT, or the planner, which has much to weigh here, would begin anew for each list.
-- name: offices_above
WITH RECURSIVE above AS (
    SELECT code, parent, host_county FROM division WHERE code = ANY((SELECT $2::text[])::text[])
    UNION
    SELECT d.code, d.parent, d.host_county
    FROM above a
    JOIN division d ON d.code = ANY(ARRAY[a.parent, a.host_county])
)
SELECT a.code, a.parent, a.host_county, o.id, o.department
FROM above a
LEFT JOIN organisation o ON o.division = a.code AND o.department = ANY((SELECT $1::text[])::text[]);

-- Cases of items that the grants in $1 reach, and of those in the areas $2 that ask an office there for a decision.
-- name: list_cases
{candidates}, page AS MATERIALIZED (
    SELECT c.item_id, c.urgency_level, c.opened_at, one.code
    FROM few f
    CROSS JOIN LATERAL (SELECT * FROM cases c WHERE c.item_id = f.item_id OFFSET 0) c
    {wanted}
    UNION ALL
    (
        SELECT c.item_id, c.urgency_level, c.opened_at, one.code
        FROM cases c
        {wanted} AND {many}
        ORDER BY c.urgency_level, c.opened_at, c.item_id
        LIMIT $14
    )
    ORDER BY urgency_level, opened_at, item_id
    LIMIT $14
)
{lines}
ORDER BY c.urgency_level, c.opened_at, c.item_id;

-- name: list_cases_wanted
CROSS JOIN LATERAL (
    SELECT l.code
    FROM item i
    LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
    WHERE i.id = c.item_id AND NOT i.deleted
        AND ({reached} OR (
            c.asked IS NOT NULL AND EXISTS (SELECT FROM unnest($2::text[]) AS p WHERE starts_with(l.code, p))
        ))
        AND ($6::text IS NULL OR i.type = $6)
        AND ($7::text IS NULL OR starts_with(l.code, $7))
    OFFSET 0
) one
WHERE ($3::uuid IS NULL OR c.item_id BETWEEN $3 AND $4::uuid)
    AND ($5::text IS NULL OR c.state = $5)
    AND ($8::jsonb IS NULL OR EXISTS (
        SELECT FROM organisation o JOIN jsonb_to_recordset($8) AS m (department text, prefix text)
            ON o.department = m.department AND starts_with(o.division, m.prefix)
        WHERE o.id = c.organisation_id OR o.id = ANY(c.assisting)
    ))
    AND ($9::timestamptz IS NULL OR (c.state = ANY($10::text[]) AND (
        c.handle_by < $9 OR (c.state = 'dispatched' AND c.respond_by < $9)
        OR (c.dispatched_at IS NULL AND c.accept_by < $9)
    )))
    AND (c.urgency_level, c.opened_at, c.item_id) > ($11::integer, $12::timestamptz, $13::uuid);

-- name: within_or_asking
{within}
UNION ALL
SELECT c.item_id FROM cases c WHERE c.asked IS NOT NULL;

-- name: cases_between
SELECT c.item_id FROM cases c WHERE c.item_id BETWEEN $3 AND $4;

-- name: cases_of_offices
SELECT c.item_id
FROM jsonb_to_recordset($8) AS m (department text, prefix text)
JOIN organisation o ON o.department = m.department AND starts_with(o.division, m.prefix)
CROSS JOIN LATERAL (
    SELECT c.item_id FROM cases c WHERE c.organisation_id = o.id
    UNION ALL
    SELECT c.item_id FROM cases c WHERE c.assisting <> '{}' AND c.assisting @> ARRAY[o.id]
    OFFSET 0
) c;

-- name: cases_in_state
SELECT c.item_id FROM cases c WHERE c.state = $5;

-- name: cases_in_hand
SELECT c.item_id FROM cases c WHERE c.state = ANY($10);

-- name: case_lines
-- What is told of the cases of a page, put into other statements.
SELECT c.*, i.type, i.grid_id, p.code, r.state AS review_state, (
    SELECT coalesce(jsonb_agg(to_jsonb(o)), '[]') FROM organisation o
    WHERE o.id = c.organisation_id OR o.id = ANY(c.assisting)
) AS organisations
FROM page p
JOIN cases c ON c.item_id = p.item_id
JOIN item i ON i.id = p.item_id
LEFT JOIN review r ON r.item_id = p.item_id

-- name: find_case
WITH page AS MATERIALIZED (
    SELECT i.id AS item_id, l.code
    FROM item i
    LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
    WHERE i.id = $1 AND NOT i.deleted
)
{lines};

-- name: find_organisation
SELECT id, department, division FROM organisation WHERE id = $1;

-- name: organisations_of_area
SELECT id, department, division, tier, name_zh, name_en
FROM organisation o
WHERE ($1::text IS NULL OR department = $1)
    AND (division = ANY($2::text[]) OR EXISTS (SELECT FROM unnest($3::text[]) AS p WHERE starts_with(o.division, p)))
ORDER BY department, division
LIMIT 1000;
