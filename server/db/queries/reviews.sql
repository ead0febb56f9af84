-- name: reviews_of_items
SELECT * FROM review WHERE item_id = ANY($1::uuid[]);

-- name: upsert_reviews
INSERT INTO review (
    item_id, version, rev, state, level, steps, authors, answers, approvals, sampled, waits_for_evidence, reason, note,
    notes, approved_version, approved_rev, asked_by, asked_tier, urgency_level, submitted_at, changed_at
)
SELECT
    r.item_id, r.version, r.rev, r.state, r.level, r.steps, r.authors, r.answers, r.approvals, r.sampled,
    r.waits_for_evidence, r.reason, r.note, r.notes, r.approved_version, r.approved_rev, r.asked_by, r.asked_tier,
    r.urgency_level, r.submitted_at, r.changed_at
FROM jsonb_to_recordset($1) AS r (
    item_id uuid, version integer, rev bigint, state text, level integer, steps jsonb, authors uuid[], answers uuid,
    approvals jsonb, sampled boolean, waits_for_evidence boolean, reason text, note bytea, notes bytea,
    approved_version integer, approved_rev bigint, asked_by text, asked_tier text, urgency_level smallint,
    submitted_at timestamptz, changed_at timestamptz
)
ON CONFLICT (item_id) DO UPDATE SET
    version = excluded.version, rev = excluded.rev, state = excluded.state, level = excluded.level,
    steps = excluded.steps, authors = excluded.authors, answers = excluded.answers, approvals = excluded.approvals,
    sampled = excluded.sampled, waits_for_evidence = excluded.waits_for_evidence, reason = excluded.reason,
    note = excluded.note, notes = excluded.notes, approved_version = excluded.approved_version,
    approved_rev = excluded.approved_rev, asked_by = excluded.asked_by, asked_tier = excluded.asked_tier,
    urgency_level = excluded.urgency_level, submitted_at = excluded.submitted_at, changed_at = excluded.changed_at;

-- The items are locked, so no other step can take the number.
-- name: insert_review_steps
INSERT INTO review_step (item_id, seq, version, action, level, actor_id, reason, note, notes, at)
SELECT
    r.item_id,
    (SELECT coalesce(max(s.seq), 0) FROM review_steps s WHERE s.item_id = r.item_id)
        + row_number() OVER (PARTITION BY r.item_id ORDER BY r.place),
    r.version, r.action, r.level, r.actor_id, r.reason, r.note, r.notes, r.at
FROM ROWS FROM (jsonb_to_recordset($1) AS (
    item_id uuid, version integer, action text, level integer, actor_id uuid, reason text, note bytea, notes bytea,
    at timestamptz
)) WITH ORDINALITY AS r (item_id, version, action, level, actor_id, reason, note, notes, at, place);

-- name: assignments_of_users
SELECT a.user_id, a.role, a.grid_id, coalesce(l.community, a.division) AS division, a.department, a.valid_from, a.valid_to
FROM assignment a
LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
WHERE a.user_id = ANY($1::uuid[]) AND a.valid_from <= $2 AND (a.valid_to IS NULL OR a.valid_to > $2)
ORDER BY a.id;

-- What the caller ($2) may decide now: somebody else's work, at one of his desks ($3), not approved by him before.
-- name: review_queue
{candidates}, page AS MATERIALIZED (
    SELECT r.item_id, r.urgency_level, r.submitted_at
    FROM few f
    CROSS JOIN LATERAL (SELECT * FROM review r WHERE r.item_id = f.item_id OFFSET 0) r
    {wanted}
    UNION ALL
    (
        SELECT r.item_id, r.urgency_level, r.submitted_at
        FROM review r
        {wanted} AND {many}
        ORDER BY r.urgency_level, r.submitted_at, r.item_id
        LIMIT $8
    )
    ORDER BY urgency_level, submitted_at, item_id
    LIMIT $8
)
SELECT
    r.item_id, r.version, r.rev, r.level, r.state, r.asked_by, r.asked_tier, r.sampled, r.waits_for_evidence,
    r.approved_version, r.submitted_at, r.urgency_level, u.name AS author_name
FROM page p
JOIN review r ON r.item_id = p.item_id
JOIN item i ON i.id = p.item_id
JOIN users u ON u.id = i.author_id
ORDER BY r.urgency_level, r.submitted_at, r.item_id;

-- name: review_queue_wanted
CROSS JOIN LATERAL (
    SELECT FROM item i
    LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
    WHERE i.id = r.item_id AND NOT i.deleted AND {reached}
        AND EXISTS (
            SELECT FROM jsonb_to_recordset($3) AS d (reader text, tier text, grid_id uuid, prefix text)
            WHERE d.reader = r.asked_by
                AND (d.grid_id = i.grid_id OR (d.tier = r.asked_tier AND starts_with(l.code, d.prefix)))
        )
        AND ($4::text IS NULL OR starts_with(l.code, $4))
    OFFSET 0
) one
WHERE r.asked_by IS NOT NULL AND NOT $2 = ANY(r.authors)
    AND NOT EXISTS (SELECT FROM jsonb_to_recordset(r.approvals) AS a (user_id uuid) WHERE a.user_id = $2)
    AND (r.urgency_level, r.submitted_at, r.item_id) > ($5::integer, $6::timestamptz, $7::uuid);

-- Items whose case moved on when they were approved last, or later.
-- name: built_upon
SELECT a.item_id
FROM (
    SELECT item_id, max(at) AS at FROM review_steps WHERE item_id = ANY($1::uuid[]) AND action = 'approved' GROUP BY item_id
) a
WHERE EXISTS (SELECT FROM case_steps s WHERE s.item_id = a.item_id AND s.at >= a.at);

-- What these people are assigned to now, and the chiefs and workers of these grids.
-- name: correctors
SELECT a.user_id, a.role, a.grid_id, coalesce(l.community, a.division) AS division, a.department, a.valid_from, a.valid_to
FROM assignment a
JOIN users u ON u.id = a.user_id AND u.left_at IS NULL
LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
WHERE a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now()) AND (
    a.user_id = ANY($1::uuid[])
    OR (a.grid_id = ANY($2::uuid[]) AND a.role IN ('grid_chief', 'grid_worker'))
)
ORDER BY a.role, a.id;

-- Records ($1: their types) are corrected where somebody works, events by their author wherever he works; what lies in
-- its author's stream alone nobody else may correct, what is restricted only a chief.
-- name: returned_to_nobody
SELECT r.item_id
FROM review r
JOIN item i ON i.id = r.item_id
WHERE r.state = 'returned' AND NOT i.deleted AND i.stream_class <> 'author'
    AND ($2::uuid IS NULL OR r.answers = $2)
    AND NOT EXISTS (
        SELECT FROM assignment a
        JOIN users u ON u.id = a.user_id AND u.left_at IS NULL
        WHERE a.user_id = r.answers AND a.role IN ('grid_chief', 'grid_worker', 'part_time_worker')
            AND a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
            AND (a.grid_id = i.grid_id OR (i.author_id = r.answers AND i.type <> ALL($1::text[])))
    )
    AND EXISTS (
        SELECT FROM assignment t
        JOIN users u ON u.id = t.user_id AND u.left_at IS NULL
        WHERE t.grid_id = i.grid_id
            AND (t.role = 'grid_chief' OR (t.role = 'grid_worker' AND i.stream_class = 'grid'))
            AND t.valid_from <= now() AND (t.valid_to IS NULL OR t.valid_to > now())
    )
ORDER BY r.changed_at, r.item_id
LIMIT $3;
