-- name: ensure_streams
INSERT INTO stream (key) SELECT unnest($1::text[]) ON CONFLICT (key) DO NOTHING;

-- Positions are handed out under these locks, which are held to the commit. Taken in one order and after all others.
-- name: lock_streams
SELECT id, key FROM stream WHERE key = ANY($1::text[]) ORDER BY id FOR UPDATE;

-- The streams were locked by an earlier statement, so this one's snapshot holds their last committed state.
-- name: write_feed
WITH incoming AS (
    SELECT r.*, row_number() OVER (PARTITION BY r.stream_id ORDER BY r.object_id) AS place
    FROM jsonb_to_recordset($1) AS r (
        stream_id bigint, object_id uuid, kind text, present boolean, version integer, rev bigint, touch integer,
        hash bigint
    )
), previous AS (
    SELECT f.stream_id, f.object_id, f.hash FROM feed f JOIN incoming i USING (stream_id, object_id)
), moved AS (
    INSERT INTO feed (stream_id, object_id, kind, position, present, version, rev, touch, hash)
    SELECT
        i.stream_id, i.object_id, i.kind, s.head + i.place, i.present, i.version, i.rev, i.touch, i.hash
    FROM incoming i JOIN stream s ON s.id = i.stream_id
    ON CONFLICT (stream_id, object_id) DO UPDATE SET
        position = excluded.position, present = excluded.present, version = excluded.version, rev = excluded.rev,
        touch = excluded.touch, hash = excluded.hash
), change AS (
    SELECT i.stream_id, count(*) AS entries, bit_xor(i.hash) # coalesce(bit_xor(p.hash), 0) AS difference
    FROM incoming i LEFT JOIN previous p USING (stream_id, object_id)
    GROUP BY i.stream_id
)
UPDATE stream s SET head = s.head + c.entries, digest = s.digest # c.difference
FROM change c
WHERE s.id = c.stream_id;

-- name: streams_of_scope
SELECT id, key, head, digest, gc_floor FROM stream WHERE key = ANY($1::text[]) ORDER BY key;

-- name: heads_of_scope
SELECT key, head FROM stream WHERE key = ANY($1::text[]);

-- name: entries_after
SELECT f.stream_id, f.object_id, f.kind, f.position, f.present, f.version, f.rev, f.touch
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS s (stream_id, after, fill)
CROSS JOIN LATERAL (
    SELECT * FROM feed f
    WHERE f.stream_id = s.stream_id AND f.position > s.after AND (f.present OR f.position > s.fill)
    ORDER BY f.position
    LIMIT $4
) f;

-- name: bodies_of_items
SELECT
    i.*, k.wrapped, r.state AS review_state, r.level AS review_level, r.version AS review_version,
    r.reason AS review_reason, r.note AS review_note, r.notes AS review_notes, c.state AS case_state,
    c.organisation_id, c.accept_by, c.respond_by, c.handle_by, e.photos
FROM item i
JOIN item_key k ON k.item_id = i.id
LEFT JOIN review r ON r.item_id = i.id
LEFT JOIN cases c ON c.item_id = i.id
LEFT JOIN LATERAL (
    SELECT jsonb_agg(
        jsonb_build_object(
            'sha256', encode(l.sha256, 'hex'), 'size', l.size, 'role', l.role, 'state', p.state
        ) ORDER BY l.role DESC, l.sha256
    ) AS photos
    FROM evidence_link l JOIN evidence p USING (sha256, size)
    WHERE l.item_id = i.id
) e ON true
WHERE i.id = ANY($1::uuid[]);

-- name: bodies_of_notices
SELECT
    n.id, n.kind, n.code, n.item_id, n.version, k.wrapped, c.clear, c.sealed, r.reason, r.note, r.notes
FROM notice n
JOIN item_key k ON k.item_id = n.item_id
LEFT JOIN conflict c ON c.id = n.conflict_id
LEFT JOIN review r ON r.item_id = n.item_id AND n.code = 'returned'
WHERE n.id = ANY($1::uuid[]);
