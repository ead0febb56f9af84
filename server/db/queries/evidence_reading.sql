-- Photos of items that the grants in $1 reach, tie by tie, the longest known first, with what waits for each.
-- name: list_photos
SELECT
    k.item_id, k.sha256, k.size, k.role, k.flags, k.linked_at, e.state, e.refusal, i.type, l.code,
    u.name AS author_name, d.id AS device_id,
    CASE
        WHEN e.state = 'verified' THEN NULL
        WHEN r.state = 'pending' AND r.waits_for_evidence THEN 'approval'
        WHEN c.state = ANY($10::text[]) AND c.waiver IS NULL THEN 'closing'
    END AS waits
FROM evidence_link k
JOIN evidence e ON e.sha256 = k.sha256 AND e.size = k.size
JOIN item i ON i.id = k.item_id
LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
LEFT JOIN revision v ON v.item_id = k.item_id AND v.version = k.version
LEFT JOIN users u ON u.id = v.author_id
LEFT JOIN device d ON d.id = v.device_id
LEFT JOIN review r ON r.item_id = i.id
LEFT JOIN cases c ON c.item_id = i.id
WHERE NOT i.deleted AND {near} AND {reached}
    AND ($2::text[] IS NULL OR e.state = ANY($2))
    AND ($3::bytea IS NULL OR (k.sha256 BETWEEN $3 AND $4::bytea))
    AND ($5::uuid IS NULL OR k.item_id BETWEEN $5 AND $6::uuid)
    AND ($7::text IS NULL OR i.type = $7)
    AND ($8::text IS NULL OR starts_with(l.code, $8))
    AND ($9::timestamptz IS NULL OR k.linked_at < $9)
    AND ($11::text IS NULL OR (e.state <> 'verified' AND CASE $11
        WHEN 'approval' THEN r.state = 'pending' AND r.waits_for_evidence
        WHEN 'closing' THEN c.state = ANY($10) AND c.waiver IS NULL
    END))
    AND ($12::timestamptz IS NULL OR (k.linked_at, k.item_id, k.sha256, k.role) > ($12, $13::uuid, $14::bytea, $15::text))
ORDER BY k.linked_at, k.item_id, k.sha256, k.role
LIMIT $16;

-- name: photo_in_full
SELECT
    sha256, size, state, refusal, media_type, width, height, taken_at, place, declared_at, verified_at
FROM evidence
WHERE sha256 = $1 AND size = $2;

-- name: ways_in_of_photo
SELECT state, checks, check_after, created_at, expires_at
FROM upload
WHERE sha256 = $1 AND size = $2 AND state <> 'done'
ORDER BY created_at, id;

-- A check that another process has begun may run twice; what it decides, it decides under the photo's lock.
-- name: make_uploads_due
UPDATE upload u SET check_after = now()
FROM jsonb_to_recordset($1) AS p (sha256 bytea, size bigint)
WHERE u.sha256 = p.sha256 AND u.size = p.size AND u.state = 'stored'
RETURNING u.id, u.sha256, u.size;

-- Phones of people in sight whose photos are not here, by the revision that named each; the longest in debt first.
-- name: phones_owing_photos
WITH owed AS MATERIALIZED (
    SELECT
        v.device_id,
        count(DISTINCT (e.sha256, e.size)) AS photos,
        count(DISTINCT (e.sha256, e.size)) FILTER (WHERE e.state = 'refused') AS refused,
        count(DISTINCT k.item_id) AS items,
        min(k.linked_at) AS since
    FROM evidence e
    JOIN evidence_link k ON k.sha256 = e.sha256 AND k.size = e.size
    JOIN item i ON i.id = k.item_id AND NOT i.deleted
    JOIN revision v ON v.item_id = k.item_id AND v.version = k.version
    WHERE e.state IN ('declared', 'uploading', 'refused')
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
