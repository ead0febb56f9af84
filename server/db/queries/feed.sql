-- name: ensure_streams
INSERT INTO stream (key) SELECT unnest($1::text[]) ON CONFLICT (key) DO NOTHING;

-- Positions are handed out under these locks, which are held to the commit. Taken in one order and after all others.
-- The registry is looked at here: whoever sees none newer holds his place among the writers that a move waits for.
-- name: lock_streams
SELECT id, key, (SELECT coalesce(max(version), 0) FROM registry_version) AS registry
FROM stream WHERE key = ANY($1::text[]) ORDER BY id FOR UPDATE;

-- The streams were locked by an earlier statement, so this one's snapshot holds their last committed state. They are
-- looked up by a list of ids: of a join the planner expects so many rows that it reads all streams of the city.
-- name: write_feed
WITH incoming AS MATERIALIZED (
    SELECT r.*, row_number() OVER (PARTITION BY r.stream_id ORDER BY r.object_id) AS place
    FROM jsonb_to_recordset($1) AS r (
        stream_id bigint, object_id uuid, kind text, present boolean, version bigint, rev bigint, touch bigint,
        hash bigint
    )
), previous AS (
    SELECT f.stream_id, f.object_id, f.hash FROM feed f JOIN incoming i USING (stream_id, object_id)
), held AS MATERIALIZED (
    SELECT s.id, s.head FROM stream s WHERE s.id = ANY(ARRAY(SELECT i.stream_id FROM incoming i))
), moved AS (
    INSERT INTO feed (stream_id, object_id, kind, position, present, absent_since, version, rev, touch, hash)
    SELECT
        i.stream_id, i.object_id, i.kind, s.head + i.place, i.present, CASE WHEN NOT i.present THEN now() END,
        i.version, i.rev, i.touch, i.hash
    FROM incoming i JOIN held s ON s.id = i.stream_id
    ON CONFLICT (stream_id, object_id) DO UPDATE SET
        position = excluded.position, present = excluded.present, absent_since = excluded.absent_since,
        version = excluded.version, rev = excluded.rev, touch = excluded.touch, hash = excluded.hash
), change AS (
    SELECT i.stream_id, count(*) AS entries, bit_xor(i.hash) # coalesce(bit_xor(p.hash), 0) AS difference
    FROM incoming i LEFT JOIN previous p USING (stream_id, object_id)
    GROUP BY i.stream_id
)
UPDATE stream s SET
    head = s.head + c.entries, digest = s.digest # c.difference, stirred = pg_current_xact_id()
FROM change c
WHERE s.id = c.stream_id AND s.id = ANY(ARRAY(SELECT h.id FROM held h));

-- The same for items that were in no stream before: nothing is replaced, and places are given.
-- name: begin_feed
WITH incoming AS MATERIALIZED (
    SELECT i.*
    FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        AS i (stream_id, object_id, place, version, rev, touch, hash)
), change AS MATERIALIZED (
    SELECT i.stream_id, count(*) AS entries, bit_xor(i.hash) AS difference FROM incoming i GROUP BY i.stream_id
), held AS MATERIALIZED (
    SELECT s.id, s.head FROM stream s WHERE s.id = ANY(ARRAY(SELECT c.stream_id FROM change c))
), begun AS (
    INSERT INTO feed (stream_id, object_id, kind, position, present, version, rev, touch, hash)
    SELECT i.stream_id, i.object_id, 'item', s.head + i.place, true, i.version, i.rev, i.touch, i.hash
    FROM incoming i JOIN held s ON s.id = i.stream_id
)
UPDATE stream s SET
    head = s.head + c.entries, digest = s.digest # c.difference, stirred = pg_current_xact_id()
FROM change c
WHERE s.id = c.stream_id AND s.id = ANY(ARRAY(SELECT h.id FROM held h));

-- name: streams_of_scope
SELECT id, key, head, digest, gc_floor FROM stream WHERE key = ANY($1::text[]) ORDER BY key;

-- name: heads_of_scope
SELECT key, head FROM stream WHERE key = ANY($1::text[]);

-- The ids are asked for by a query of their own, so that the planner never knows how many there are: it would take the
-- plan for this number of streams for a better one, and make it anew for every page, which takes as long as fifty entries.
-- name: entries_after
WITH wanted AS (
    SELECT f.stream_id, f.object_id, f.kind, f.position, f.present, f.version, f.rev, f.touch, f.hash,
        NOT f.present AND coalesce(
            (SELECT i.erased_at IS NOT NULL FROM item i WHERE i.id = f.object_id), false
        ) AS erased
    FROM unnest((SELECT $1::bigint[]), $2::bigint[], $3::bigint[], $4::integer[]) AS s (stream_id, after, fill, most)
    CROSS JOIN LATERAL (
        SELECT * FROM feed f
        WHERE f.stream_id = s.stream_id AND f.position > s.after AND (f.present OR f.position > s.fill)
        ORDER BY f.position
        LIMIT s.most
    ) f
)
{told_entries}

-- name: erased_absences
SELECT f.stream_id, f.object_id, f.kind, f.position, f.present, f.version, f.rev, f.touch, true AS erased, f.hash
FROM feed f JOIN item i ON i.id = f.object_id
WHERE f.stream_id = ANY($1::bigint[]) AND NOT f.present AND i.erased_at IS NOT NULL
ORDER BY f.position;

-- What is present at each place of some streams, for comparing; a place is told by the last bytes of the id.
-- name: places_of_streams
SELECT s.id AS stream_id, p.*
FROM unnest($1::bigint[]) AS s (id)
CROSS JOIN LATERAL (
    SELECT
        (get_byte(uuid_send(f.object_id), 15) << 4) | (get_byte(uuid_send(f.object_id), 14) >> 4) AS place,
        bit_xor(f.hash) AS digest, count(*) AS entries
    FROM feed f
    WHERE f.stream_id = s.id AND f.present
    GROUP BY place
) p;

-- name: hashes_at_places
SELECT a.stream_id, f.place, f.hash
FROM (SELECT stream_id, array_agg(place) AS places FROM unnest($1::bigint[], $2::integer[]) AS u (stream_id, place)
      GROUP BY stream_id) a
CROSS JOIN LATERAL (
    SELECT
        f.hash, (get_byte(uuid_send(f.object_id), 15) << 4) | (get_byte(uuid_send(f.object_id), 14) >> 4) AS place
    FROM feed f
    WHERE f.stream_id = a.stream_id AND f.present
) f
WHERE f.place = ANY(a.places);

-- name: entries_with_hashes
WITH wanted AS (
    SELECT f.*, false AS erased
    FROM (SELECT stream_id, array_agg(hash) AS hashes FROM unnest($1::bigint[], $2::bigint[]) AS u (stream_id, hash)
          GROUP BY stream_id) a
    JOIN feed f ON f.stream_id = a.stream_id AND f.present AND f.hash = ANY(a.hashes)
)
{told_entries}

-- Entries with what they tell of their items. The columns of both are read by their order.
-- name: told_entries
SELECT
    wanted.stream_id, wanted.object_id, wanted.kind, wanted.position, wanted.present, wanted.version, wanted.rev,
    wanted.touch, wanted.erased, wanted.hash, i.type, i.grid_id, i.author_id, i.urgency, i.clear, i.sealed,
    i.received_at, i.wrapped, i.photos, i.case_state, i.organisation_id, i.accept_by, i.respond_by, i.handle_by,
    i.review_state, i.review_level, i.review_version, i.review_reason, i.review_note, i.review_notes
FROM wanted
LEFT JOIN LATERAL ({told_item}) i ON true;

-- name: bodies_of_items
SELECT i.*
FROM (SELECT u.object_id, true AS present, 'item' AS kind FROM unnest($1::uuid[]) AS u (object_id)) wanted
CROSS JOIN LATERAL ({told_item}) i;

-- The item that `wanted` holds, if it does hold one, with key, photos, case and review. Looked up one by one, or the
-- planner of a database without statistics reads whole tables. Times and values as the bytes in which PostgreSQL sends
-- them, see `feed.moment` and `feed.values`. `photos`, in no order: those of which there is more to tell than that the
-- form lists them and they are declared.
-- name: told_item
SELECT
    i.id, i.version, i.rev, i.touch, i.type, i.grid_id, i.author_id, i.urgency, jsonb_send(i.clear) AS clear, i.sealed,
    timestamptz_send(i.received_at) AS received_at, k.wrapped, e.photos, c.state AS case_state, c.organisation_id,
    timestamptz_send(c.accept_by) AS accept_by, timestamptz_send(c.respond_by) AS respond_by,
    timestamptz_send(c.handle_by) AS handle_by, r.state AS review_state, r.level AS review_level,
    r.version AS review_version, r.reason AS review_reason, r.note AS review_note, r.notes AS review_notes
FROM (
    SELECT i.id, i.version, i.rev, i.touch, i.type, i.grid_id, i.author_id, i.urgency, i.clear, i.sealed, i.received_at
    FROM item i WHERE wanted.present AND wanted.kind = 'item' AND i.id = wanted.object_id OFFSET 0
) i
CROSS JOIN LATERAL (SELECT k.wrapped FROM item_key k WHERE k.item_id = i.id OFFSET 0) k
LEFT JOIN LATERAL (SELECT * FROM review r WHERE r.item_id = i.id OFFSET 0) r ON true
LEFT JOIN LATERAL (SELECT * FROM cases c WHERE c.item_id = i.id OFFSET 0) c ON true
CROSS JOIN LATERAL (
    SELECT jsonb_agg(
        jsonb_build_object('sha256', encode(l.sha256, 'hex'), 'size', l.size, 'role', l.role, 'state', p.state)
    ) AS photos
    FROM evidence_link l
    CROSS JOIN LATERAL (
        SELECT p.state FROM evidence p WHERE p.sha256 = l.sha256 AND p.size = l.size OFFSET 0
    ) p
    WHERE l.item_id = i.id AND (l.version IS NULL OR p.state IN ('verified', 'refused'))
) e

-- name: bodies_of_notices
SELECT
    n.id, n.kind, n.code, n.item_id, n.version, k.wrapped, c.clear, c.sealed,
    coalesce(r.reason, c.claim ->> 'fault', nullif(c.step ->> 'code', '')) AS reason, r.note, r.notes
FROM notice n
JOIN item_key k ON k.item_id = n.item_id
LEFT JOIN conflict c ON c.id = n.conflict_id
LEFT JOIN review r ON r.item_id = n.item_id AND n.code = 'returned'
WHERE n.id = ANY($1::uuid[]);
