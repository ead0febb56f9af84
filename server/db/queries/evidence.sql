-- name: declare_photos
INSERT INTO evidence (sha256, size)
SELECT DISTINCT p.sha256, p.size FROM jsonb_to_recordset($1) AS p (sha256 bytea, size bigint)
ORDER BY p.sha256, p.size
ON CONFLICT DO NOTHING;

-- Photos that nobody knew before, and their ties: before the commit no one else sees them, so there is nobody to wait for.
-- Returned is what names a photo that was known.
-- name: link_photos
WITH asked AS MATERIALIZED (
    SELECT *
    FROM unnest($1::uuid[], $2::integer[], $3::bytea[], $4::bigint[], $5::text[]) AS a (item_id, version, sha256, size, role)
), fresh AS (
    INSERT INTO evidence (sha256, size)
    SELECT DISTINCT a.sha256, a.size FROM asked a ORDER BY a.sha256, a.size
    ON CONFLICT DO NOTHING
    RETURNING sha256, size
), linked AS (
    INSERT INTO evidence_link (item_id, version, sha256, size, role)
    SELECT DISTINCT a.* FROM asked a JOIN fresh f USING (sha256, size)
)
SELECT a.* FROM asked a LEFT JOIN fresh f USING (sha256, size) WHERE f.size IS NULL;

-- A photo being verified at this moment would not see the link, nor the linking transaction its new state: one of the
-- two has to wait for the other. A verified photo stays verified, so nobody needs to wait for that one.
-- Rows are looked up one by one: the planner of an empty database would else go on reading whole tables as they grow.
-- name: link_known_photos
WITH asked AS MATERIALIZED (
    SELECT DISTINCT a.*
    FROM unnest($1::uuid[], $2::integer[], $3::bytea[], $4::bigint[], $5::text[]) AS a (item_id, version, sha256, size, role)
), fresh AS MATERIALIZED (
    SELECT a.*
    FROM asked a
    LEFT JOIN LATERAL (
        SELECT true AS there FROM evidence_link l
        WHERE (l.item_id, l.sha256, l.size, l.role) = (a.item_id, a.sha256, a.size, a.role)
        OFFSET 0
    ) known ON true
    WHERE known.there IS NULL
), waited AS MATERIALIZED (
    SELECT e.state
    FROM (SELECT DISTINCT f.sha256, f.size FROM fresh f ORDER BY f.sha256, f.size) f
    CROSS JOIN LATERAL (
        SELECT e.state FROM evidence e
        WHERE e.sha256 = f.sha256 AND e.size = f.size AND e.state <> 'verified'
        OFFSET 0
        FOR SHARE
    ) e
)
INSERT INTO evidence_link (item_id, version, sha256, size, role)
SELECT f.* FROM fresh f WHERE (SELECT count(*) FROM waited) >= 0
ON CONFLICT DO NOTHING;

-- name: states_of_items
SELECT l.item_id, l.sha256, l.size, l.role, e.state
FROM evidence_link l JOIN evidence e USING (sha256, size)
WHERE l.item_id = ANY($1::uuid[])
ORDER BY l.item_id, l.role DESC, l.sha256, l.size;

-- name: photos_of_items
SELECT
    l.item_id, l.sha256, l.size, l.role, l.flags, e.state, e.refusal, e.media_type, e.width, e.height, e.taken_at,
    e.verified_at
FROM evidence_link l JOIN evidence e USING (sha256, size)
WHERE l.item_id = ANY($1::uuid[])
ORDER BY l.item_id, l.role DESC, l.linked_at, l.sha256, l.size;

-- name: items_of_photos
SELECT DISTINCT l.item_id FROM evidence_link l
JOIN jsonb_to_recordset($1) AS p (sha256 bytea, size bigint) USING (sha256, size)
ORDER BY l.item_id;

-- Items come before photos in the one order of locks.
-- name: lock_items_of_photos
SELECT i.id FROM item i
WHERE i.id IN (
    SELECT l.item_id FROM evidence_link l
    JOIN jsonb_to_recordset($1) AS p (sha256 bytea, size bigint) USING (sha256, size)
)
ORDER BY i.id
FOR NO KEY UPDATE OF i;

-- name: lock_photos
SELECT e.sha256, e.size, e.state, e.refusal
FROM evidence e JOIN jsonb_to_recordset($1) AS p (sha256 bytea, size bigint) USING (sha256, size)
ORDER BY e.sha256, e.size
FOR NO KEY UPDATE OF e;

-- name: find_photo
SELECT e.sha256, e.size, e.state, e.media_type FROM evidence e WHERE e.sha256 = $1 AND e.size = $2;

-- name: set_photo_states
UPDATE evidence e SET state = p.state, refusal = p.refusal
FROM jsonb_to_recordset($1) AS p (sha256 bytea, size bigint, state text, refusal text)
WHERE e.sha256 = p.sha256 AND e.size = p.size;

-- name: set_photo_verified
UPDATE evidence SET
    state = 'verified', refusal = NULL, media_type = $3, width = $4, height = $5, taken_at = $6, place = $7,
    verified_at = now()
WHERE sha256 = $1 AND size = $2;

-- name: open_uploads_of_user
SELECT u.id, u.sha256, u.size, u.object_key
FROM upload u JOIN jsonb_to_recordset($1) AS p (sha256 bytea, size bigint) USING (sha256, size)
WHERE u.user_id = $2 AND u.state = 'open'
ORDER BY u.id;

-- name: insert_uploads
INSERT INTO upload (id, sha256, size, user_id, device_id, object_key, expires_at, check_after)
SELECT r.id, r.sha256, r.size, r.user_id, r.device_id, r.object_key, r.expires_at, r.expires_at
FROM jsonb_to_recordset($1) AS r (
    id uuid, sha256 bytea, size bigint, user_id uuid, device_id uuid, object_key text, expires_at timestamptz
);

-- What has come in appends may be resumed for longer than an address to PUT to is valid.
-- name: prolong_uploads
UPDATE upload SET expires_at = greatest(expires_at, $2), check_after = $2
WHERE id = ANY($1::uuid[]) AND state = 'open';

-- name: uploads_of_user
SELECT u.id, u.sha256, u.size, u.object_key, u.state, e.state AS photo_state, e.refusal
FROM upload u JOIN evidence e USING (sha256, size)
WHERE u.id = ANY($1::uuid[]) AND u.user_id = $2
ORDER BY u.id;

-- name: store_uploads
UPDATE upload SET state = 'stored', checks = 0, check_after = now()
WHERE id = ANY($1::uuid[]) AND state = 'open'
RETURNING id, sha256, size;

-- A check takes the upload for a span that doubles each time: two workers do not take it at once, and one that fails
-- again and again, or kills its worker, comes back ever more seldom.
-- name: begin_check
UPDATE upload u SET
    checks = u.checks + 1, check_after = now() + least(interval '20 seconds' * 2 ^ least(u.checks, 10), interval '1 hour')
FROM evidence e
WHERE u.id = $1 AND u.state <> 'done' AND u.check_after <= now() AND e.sha256 = u.sha256 AND e.size = u.size
RETURNING u.id, u.sha256, u.size, u.object_key, u.pieces, u.received, u.state, u.checks, e.state AS photo_state;

-- name: due_uploads
SELECT id FROM upload WHERE state <> 'done' AND check_after <= now() ORDER BY check_after LIMIT $1;

-- name: end_upload
UPDATE upload SET state = 'done' WHERE id = $1 AND state <> 'done' RETURNING object_key, pieces;

-- name: lapse_upload
UPDATE upload SET state = 'done' WHERE id = $1 AND state = 'open' AND expires_at <= now()
RETURNING object_key, pieces;

-- name: end_uploads_of_photo
UPDATE upload SET state = 'done', proved = id = $3
WHERE sha256 = $1 AND size = $2 AND state <> 'done'
RETURNING object_key, pieces;

-- name: states_of_uploads
SELECT state FROM upload WHERE sha256 = $1 AND size = $2 AND state <> 'done';

-- name: live_uploads
SELECT o.key FROM upload u
CROSS JOIN LATERAL (SELECT u.object_key UNION ALL SELECT concat(u.object_key, '.', p) FROM unnest(u.pieces) p) o (key)
WHERE u.state <> 'done' AND o.key = ANY($1::text[]);

-- name: upload_lives
SELECT EXISTS (SELECT FROM upload WHERE id = $1 AND state <> 'done');

-- name: has_proved
SELECT EXISTS (SELECT FROM upload WHERE sha256 = $1 AND size = $2 AND user_id = $3 AND proved);

-- name: lock_uncompared_links
SELECT
    l.item_id, l.sha256, l.size, l.role, e.taken_at, e.place, coalesce(r.captured_at, l.linked_at) AS claimed_at,
    r.sealed, k.wrapped
FROM evidence_link l
JOIN evidence e USING (sha256, size)
JOIN item_key k ON k.item_id = l.item_id
LEFT JOIN revision r ON r.item_id = l.item_id AND r.version = l.version
WHERE l.flags IS NULL AND e.state = 'verified'
ORDER BY l.linked_at
LIMIT $1
FOR UPDATE OF l SKIP LOCKED;

-- name: set_flags
UPDATE evidence_link l SET flags = f.flags
FROM jsonb_to_recordset($1) AS f (item_id uuid, sha256 bytea, size bigint, role text, flags text[])
WHERE (l.item_id, l.sha256, l.size, l.role) = (f.item_id, f.sha256, f.size, f.role);
