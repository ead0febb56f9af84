-- Items that nobody had before, in one statement: key, head, first revision, and what they are found by. A row comes as
-- a list, see `NewItem`: to take objects apart, with their many keys, costs three times as much.
-- name: insert_new_items
WITH given AS MATERIALIZED (
    SELECT
        (r ->> 0)::uuid AS id, r ->> 1 AS type, (r ->> 2)::uuid AS grid_id, r ->> 3 AS stream_class,
        (r ->> 4)::boolean AS in_own_stream, (r ->> 5)::bigint AS rev, r ->> 6 AS urgency, r -> 7 AS clear,
        (r ->> 8)::integer AS set_index, string_to_array(r ->> 9, E'\n') AS fields,
        nullif(r -> 10, 'null') AS derivation, (r ->> 11)::timestamptz AS captured_at, (r ->> 12)::bigint AS skew,
        string_to_array(r ->> 13, E'\n') AS terms, wrapped, sealed, revision_sealed
    FROM ROWS FROM (jsonb_array_elements($1), unnest($2::bytea[]), unnest($3::bytea[]), unnest($4::bytea[]))
        AS g (r, wrapped, sealed, revision_sealed)
), keys AS (
    INSERT INTO item_key (item_id, wrapped) SELECT g.id, g.wrapped FROM given g
), terms AS (
    INSERT INTO item_search (item_id, terms) SELECT g.id, g.terms FROM given g
), revisions AS (
    INSERT INTO revision (
        item_id, version, rev, op, author_id, device_id, epoch, set_no, set_index, fields, clear, sealed, grid_id,
        derivation, catalogue, registry, captured_at, received_at, skew
    )
    SELECT
        g.id, 1, g.rev, 'create', $5, $6, $7, $8, g.set_index, g.fields, g.clear, g.revision_sealed, g.grid_id,
        g.derivation, $9, $10, g.captured_at, $11, g.skew
    FROM given g
)
INSERT INTO item (
    id, type, grid_id, stream_class, author_id, in_own_stream, version, rev, touch, deleted, urgency, clear, sealed,
    captured_at, received_at, updated_at
)
SELECT
    g.id, g.type, g.grid_id, g.stream_class, $5, g.in_own_stream, 1, g.rev, 0, false, g.urgency, g.clear, g.sealed,
    g.captured_at, $11, $11
FROM given g;

-- Their submissions, and the cases of those that are events, with the steps that led there. What items have in common
-- that go the same way comes once ($4), and each item with its place there ($3).
-- name: insert_first_submissions
WITH alike AS MATERIALIZED (
    SELECT a.*
    FROM ROWS FROM (jsonb_to_recordset($4) AS (
        state text, level integer, steps jsonb, sampled boolean, waits_for_evidence boolean, asked_by text,
        asked_tier text, urgency_level smallint, case_state text, case_urgency text, case_level smallint,
        department text, organisation_id uuid, accept_by timestamptz, respond_by timestamptz, handle_by timestamptz,
        year_flagged boolean, dispatched_at timestamptz, closed_at timestamptz, case_steps jsonb
    )) WITH ORDINALITY AS a (
        state, level, steps, sampled, waits_for_evidence, asked_by, asked_tier, urgency_level, case_state, case_urgency,
        case_level, department, organisation_id, accept_by, respond_by, handle_by, year_flagged, dispatched_at,
        closed_at, case_steps, place
    )
), given AS MATERIALIZED (
    SELECT n.item_id, n.rev, a.*
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS n (item_id, rev, place)
    JOIN alike a USING (place)
), taken AS (
    INSERT INTO review_step (item_id, seq, version, action, level, actor_id, at)
    SELECT g.item_id, 1, 1, 'submitted', g.level, $5::uuid, $6::timestamptz FROM given g
    UNION ALL
    SELECT g.item_id, 2, 1, 'approved', 0, NULL::uuid, $6::timestamptz FROM given g WHERE g.state = 'approved'
), opened AS (
    INSERT INTO cases (
        item_id, state, urgency, urgency_level, department, organisation_id, assisting, accept_by, respond_by, handle_by,
        year_flagged, opened_at, dispatched_at, closed_at, changed_at
    )
    SELECT
        g.item_id, g.case_state, g.case_urgency, g.case_level, g.department, g.organisation_id, '{}', g.accept_by,
        g.respond_by, g.handle_by, g.year_flagged, $6, g.dispatched_at, g.closed_at, $6
    FROM given g
    WHERE g.case_state IS NOT NULL
), moved AS (
    INSERT INTO case_step (item_id, seq, action, from_state, to_state, organisation_id, detail, at)
    SELECT g.item_id, s.seq, s.step ->> 0, s.step ->> 1, s.step ->> 2, g.organisation_id, '{}', $6
    FROM given g
    JOIN (
        SELECT a.place, s.seq, s.step
        FROM alike a
        CROSS JOIN LATERAL jsonb_array_elements(a.case_steps) WITH ORDINALITY AS s (step, seq)
    ) s ON s.place = g.place
)
INSERT INTO review (
    item_id, version, rev, state, level, steps, authors, answers, approvals, sampled, waits_for_evidence,
    approved_version, approved_rev, asked_by, asked_tier, urgency_level, submitted_at, changed_at
)
SELECT
    g.item_id, 1, g.rev, g.state, g.level, g.steps, ARRAY[$5::uuid], $5, '[]', g.sampled, g.waits_for_evidence,
    CASE WHEN g.state = 'approved' THEN 1 END, CASE WHEN g.state = 'approved' THEN g.rev END, g.asked_by, g.asked_tier,
    g.urgency_level, $6, $6
FROM given g;

-- Photos among these that were verified before, through another item.
-- name: verified_among
SELECT p.sha256, p.size
FROM jsonb_to_recordset($1) AS p (sha256 bytea, size bigint)
CROSS JOIN LATERAL (
    SELECT FROM evidence e WHERE e.sha256 = p.sha256 AND e.size = p.size AND e.state = 'verified' OFFSET 0
) e;
