-- Photos of items that the grants in $1 reach, tie by tie, the longest known first, with what waits for each.
-- name: list_photos
{candidates}, page AS MATERIALIZED (
    SELECT k.*, e.state, e.refusal, one.code
    FROM few f
    CROSS JOIN LATERAL (SELECT * FROM evidence_link k WHERE k.item_id = f.item_id OFFSET 0) k
    {wanted}
    UNION ALL
    (
        SELECT k.*, e.state, e.refusal, one.code
        FROM evidence_link k
        {wanted} AND {many}
        ORDER BY k.linked_at, k.item_id, k.sha256, k.role
        LIMIT $15
    )
    ORDER BY linked_at, item_id, sha256, role
    LIMIT $15
)
SELECT
    k.item_id, k.sha256, k.size, k.role, k.flags, k.linked_at, k.state, k.refusal, i.type, k.code,
    u.name AS author_name, d.id AS device_id,
    CASE
        WHEN k.state = 'verified' THEN NULL
        WHEN r.state = 'pending' AND r.waits_for_evidence THEN 'approval'
        WHEN c.state = ANY($9::text[]) AND c.waiver IS NULL THEN 'closing'
    END AS waits
FROM page k
JOIN item i ON i.id = k.item_id
LEFT JOIN revision v ON v.item_id = k.item_id AND v.version = k.version
LEFT JOIN users u ON u.id = v.author_id
LEFT JOIN device d ON d.id = v.device_id
LEFT JOIN review r ON r.item_id = k.item_id
LEFT JOIN cases c ON c.item_id = k.item_id
ORDER BY k.linked_at, k.item_id, k.sha256, k.role;

-- The instant stands apart too, for an index of these alone is walked through: few photos are tied to an item at once.
-- name: list_photos_wanted
CROSS JOIN LATERAL (
    SELECT e.state, e.refusal FROM evidence e WHERE e.sha256 = k.sha256 AND e.size = k.size OFFSET 0
) e
CROSS JOIN LATERAL ({seen}) one
WHERE ($2::text[] IS NULL OR e.state = ANY($2))
    AND ($3::bytea IS NULL OR k.sha256 BETWEEN $3 AND $4::bytea)
    AND ($5::uuid IS NULL OR k.item_id BETWEEN $5 AND $6::uuid)
    AND ($8::timestamptz IS NULL OR k.linked_at < $8)
    AND ($10::text IS NULL OR (e.state <> 'verified' AND CASE $10
        WHEN 'approval' THEN EXISTS (
            SELECT FROM review r
            WHERE r.item_id = k.item_id AND r.state = 'pending' AND r.waits_for_evidence
            OFFSET 0
        )
        WHEN 'closing' THEN EXISTS (
            SELECT FROM cases c WHERE c.item_id = k.item_id AND c.state = ANY($9) AND c.waiver IS NULL OFFSET 0
        )
    END))
    AND k.linked_at >= $11::timestamptz
    AND (k.linked_at, k.item_id, k.sha256, k.role) > ($11, $12::uuid, $13::bytea, $14::text);

-- name: photographed_within
SELECT w.item_id
FROM ({within}) w
CROSS JOIN LATERAL (SELECT FROM evidence_link k WHERE k.item_id = w.item_id LIMIT 1) k;

-- name: items_of_photos_between
SELECT k.item_id FROM evidence_link k WHERE k.sha256 BETWEEN $3 AND $4;

-- name: items_with_photos_between
SELECT k.item_id FROM evidence_link k WHERE k.item_id BETWEEN $5 AND $6;

-- name: items_awaiting_photos
SELECT k.item_id
FROM (SELECT e.sha256, e.size FROM evidence e WHERE e.state <> 'verified' AND e.state = ANY($2) OFFSET 0) e
CROSS JOIN LATERAL (
    SELECT k.item_id FROM evidence_link k WHERE k.sha256 = e.sha256 AND k.size = e.size OFFSET 0
) k;

-- name: items_awaiting_closing
SELECT c.item_id FROM cases c WHERE c.state = ANY($9);

-- name: items_awaiting_approval
SELECT r.item_id FROM review r WHERE r.state <> 'approved' AND r.state = 'pending' AND r.waits_for_evidence;

-- name: photo_in_full
SELECT
    sha256, size, state, refusal, media_type, width, height, taken_at, place, declared_at, verified_at
FROM evidence
WHERE sha256 = $1 AND size = $2;

-- name: ways_in_of_photo
SELECT state, checks, check_after, created_at, expires_at, received
FROM upload
WHERE sha256 = $1 AND size = $2 AND state <> 'done'
ORDER BY created_at, id;

-- A check that another process has begun may run twice; what it decides, it decides under the photo's lock.
-- name: make_uploads_due
UPDATE upload u SET check_after = now()
FROM jsonb_to_recordset($1) AS p (sha256 bytea, size bigint)
WHERE u.sha256 = p.sha256 AND u.size = p.size AND u.state = 'stored'
RETURNING u.id, u.sha256, u.size;

-- Phones of people in sight whose photos are not here, by the revision that named each; the longest in debt first. What
-- is missing is little of what there is, so that all else is looked up one by one.
-- name: phones_owing_photos
WITH owed AS MATERIALIZED (
    SELECT
        v.device_id,
        count(DISTINCT (e.sha256, e.size)) AS photos,
        count(DISTINCT (e.sha256, e.size)) FILTER (WHERE e.state = 'refused') AS refused,
        count(DISTINCT k.item_id) AS items,
        min(k.linked_at) AS since
    FROM (
        SELECT e.* FROM evidence e
        WHERE e.state <> 'verified' AND e.state IN ('declared', 'uploading', 'refused')
        OFFSET 0
    ) e
    CROSS JOIN LATERAL (
        SELECT k.* FROM evidence_link k WHERE k.sha256 = e.sha256 AND k.size = e.size OFFSET 0
    ) k
    CROSS JOIN LATERAL (
        SELECT v.device_id
        FROM item i
        JOIN revision v ON v.item_id = i.id AND v.version = k.version
        WHERE i.id = k.item_id AND NOT i.deleted
        OFFSET 0
    ) v
    GROUP BY v.device_id
)
SELECT
    w.*, d.name, d.last_exchange_at, d.unsent, d.revoked_at, u.id AS holder, u.name AS holder_name, u.left_at,
    u.phone_sealed
FROM owed w
JOIN device d ON d.id = w.device_id
JOIN users u ON u.id = d.user_id
WHERE ($1 OR u.id IN (
        SELECT a.user_id
        FROM assignment a
        JOIN users h ON h.id = a.user_id AND h.left_at IS NULL
        LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
        WHERE {post_in_sight}
    ))
    AND ($6::timestamptz IS NULL OR w.since < $6)
    AND ($7::timestamptz IS NULL OR (w.since, w.device_id) > ($7, $8::uuid))
ORDER BY w.since, w.device_id
LIMIT $9;
