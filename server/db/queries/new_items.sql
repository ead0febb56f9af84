-- Items that nobody had before, in one statement: key, head, first revision, what they are found by, submission, and the
-- cases of those that are events. A row comes as a list, see `NewItem`: to take objects apart, with their many keys, costs
-- three times as much. Its bytes stand in $2, one after the other. What those have in common that go on the same way comes
-- once ($3), and each item with its place there; one without a place waits. The first steps of reviews and cases have no
-- rows: the views `review_steps` and `case_steps` tell them.
-- name: insert_new_items
WITH given AS MATERIALIZED (
    SELECT
        (r ->> 0)::uuid AS id, r ->> 1 AS type, (r ->> 2)::uuid AS grid_id, r ->> 3 AS stream_class,
        (r ->> 4)::boolean AS in_own_stream, (r ->> 5)::bigint AS rev, r ->> 6 AS urgency, r -> 7 AS clear,
        (r ->> 8)::integer AS set_index, string_to_array(r ->> 9, E'\n') AS fields,
        nullif(r -> 10, 'null') AS derivation, (r ->> 11)::timestamptz AS captured_at, (r ->> 12)::bigint AS skew,
        string_to_array(r ->> 13, E'\n') AS terms, (r ->> 14)::bigint AS place,
        substring($2::bytea, b.wrapped, b.sealed - b.wrapped) AS wrapped,
        CASE WHEN b.sealed < b.revision THEN substring($2, b.sealed, b.revision - b.sealed) END AS sealed,
        CASE WHEN b.revision < b.ended THEN substring($2, b.revision, b.ended - b.revision) END AS revision_sealed
    FROM jsonb_array_elements($1) AS g (r)
    CROSS JOIN LATERAL (
        SELECT
            (r ->> 15)::integer AS wrapped, (r ->> 16)::integer AS sealed, (r ->> 17)::integer AS revision,
            (r ->> 18)::integer AS ended
        OFFSET 0
    ) b
), alike AS MATERIALIZED (
    SELECT a.*
    FROM ROWS FROM (jsonb_to_recordset($3) AS (
        state text, level integer, steps jsonb, sampled boolean, waits_for_evidence boolean, asked_by text,
        asked_tier text, urgency_level smallint, case_state text, case_urgency text, case_level smallint,
        department text, organisation_id uuid, accept_by timestamptz, respond_by timestamptz, handle_by timestamptz,
        year_flagged boolean, dispatched_at timestamptz, closed_at timestamptz, case_steps jsonb
    )) WITH ORDINALITY AS a (
        state, level, steps, sampled, waits_for_evidence, asked_by, asked_tier, urgency_level, case_state, case_urgency,
        case_level, department, organisation_id, accept_by, respond_by, handle_by, year_flagged, dispatched_at,
        closed_at, case_steps, place
    )
), placed AS MATERIALIZED (
    SELECT g.id AS item_id, g.rev, a.* FROM given g JOIN alike a USING (place)
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
        g.id, 1, g.rev, 'create', $4, $5, $6, $7, g.set_index, g.fields, g.clear, g.revision_sealed, g.grid_id,
        g.derivation, $8, $9, g.captured_at, $10, g.skew
    FROM given g
), reviews AS (
    INSERT INTO review (
        item_id, version, rev, state, level, steps, authors, answers, approvals, sampled, waits_for_evidence,
        approved_version, approved_rev, asked_by, asked_tier, urgency_level, submitted_at, changed_at, began_level,
        began_approved
    )
    SELECT
        p.item_id, 1, p.rev, p.state, p.level, p.steps, ARRAY[$4::uuid], $4, '[]', p.sampled, p.waits_for_evidence,
        CASE WHEN p.state = 'approved' THEN 1 END, CASE WHEN p.state = 'approved' THEN p.rev END, p.asked_by,
        p.asked_tier, p.urgency_level, $10, $10, p.level, p.state = 'approved'
    FROM placed p
), opened AS (
    INSERT INTO cases (
        item_id, state, urgency, urgency_level, department, organisation_id, assisting, accept_by, respond_by, handle_by,
        year_flagged, opened_at, dispatched_at, closed_at, changed_at, began, began_with
    )
    SELECT
        p.item_id, p.case_state, p.case_urgency, p.case_level, p.department, p.organisation_id, '{}', p.accept_by,
        p.respond_by, p.handle_by, p.year_flagged, $10, p.dispatched_at, p.closed_at, $10, p.case_steps,
        p.organisation_id
    FROM placed p
    WHERE p.case_state IS NOT NULL
)
INSERT INTO item (
    id, type, grid_id, stream_class, author_id, in_own_stream, version, rev, touch, deleted, urgency, clear, sealed,
    captured_at, received_at, updated_at
)
SELECT
    g.id, g.type, g.grid_id, g.stream_class, $4, g.in_own_stream, 1, g.rev, 0, false, g.urgency, g.clear, g.sealed,
    g.captured_at, $10, $10
FROM given g;

-- Photos among these that were verified before, through another item.
-- name: verified_among
SELECT p.sha256, p.size
FROM jsonb_to_recordset($1) AS p (sha256 bytea, size bigint)
CROSS JOIN LATERAL (
    SELECT FROM evidence e WHERE e.sha256 = p.sha256 AND e.size = p.size AND e.state = 'verified' OFFSET 0
) e;
