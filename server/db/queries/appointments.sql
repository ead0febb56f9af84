-- name: instant
SELECT now() AS now;

-- name: lock_founding
SELECT FROM installation FOR UPDATE;

-- name: holders_of_role
SELECT u.id
FROM assignment a
JOIN users u ON u.id = a.user_id AND u.left_at IS NULL
WHERE a.role = $1 AND (a.valid_to IS NULL OR a.valid_to > greatest(now(), a.valid_from))
LIMIT 1;

-- name: lock_people
SELECT id, name, phone_index, left_at
FROM users
WHERE id = ANY($1::uuid[]) OR phone_index = ANY($2::bytea[])
ORDER BY id
FOR NO KEY UPDATE;

-- name: posts_of
SELECT a.id, a.user_id, a.role, a.grid_id, coalesce(l.community, a.division) AS division, a.department, a.valid_from,
    a.valid_to, l.code AS grid
FROM assignment a
LEFT JOIN LATERAL (
    SELECT n.code, n.community FROM grid_label n WHERE n.grid_id = a.grid_id ORDER BY n.from_version DESC LIMIT 1
) l ON true
WHERE a.user_id = ANY($1::uuid[])
ORDER BY a.id;

-- A temporary grid is over after its last day; a grid that is being replaced is waited for.
-- name: share_current_grids
SELECT code, grid_id, community
FROM grid_label
WHERE to_version IS NULL AND code = ANY($1::text[])
    AND (valid_to IS NULL OR valid_to >= ($2::timestamptz AT TIME ZONE 'Asia/Shanghai')::date)
FOR SHARE;

-- name: known_divisions
SELECT code FROM division WHERE code = ANY($1::text[]);

-- name: end_assignments
UPDATE assignment SET valid_to = greatest(valid_from, $2)
WHERE id = ANY($1::bigint[]) AND (valid_to IS NULL OR valid_to > $2);

-- The index of who left can be found by nobody's number, so that the number may be given to somebody else.
-- name: mark_left
UPDATE users
SET left_at = $2, password_hash = NULL, phone_index = sha256(phone_index || convert_to(id::text, 'UTF8'))
WHERE id = $1;

-- name: end_office_sessions
UPDATE session SET ended_at = now() WHERE user_id = $1 AND kind <> 'device' AND ended_at IS NULL RETURNING id;

-- name: set_password
UPDATE users SET password_hash = $2, failures = 0, locked_until = NULL WHERE id = $1;

-- People whose present or coming assignments (who has none: all he had) fit; who never had one fits no filter.
-- name: list_people
WITH fitting AS (
    SELECT u.id
    FROM users u
    WHERE (u.left_at IS NOT NULL) = $2
        AND ($6::text IS NULL OR (u.name, u.id) > ($6, $7::uuid))
        AND (
            EXISTS (
                SELECT FROM assignment a
                LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
                WHERE a.user_id = u.id
                    AND EXISTS (
                        SELECT FROM unnest($1::text[]) AS p WHERE starts_with(coalesce(l.community, a.division), p)
                    )
                    AND ($3::text IS NULL OR a.role = $3)
                    AND ($4::text IS NULL OR starts_with(coalesce(l.community, a.division), $4))
                    AND ($5::text IS NULL OR l.code = $5 OR (l.code IS NULL AND EXISTS (
                        SELECT FROM grid_label n WHERE n.grid_id = a.grid_id AND n.code = $5
                    )))
                    AND (a.valid_to IS NULL OR a.valid_to > greatest(now(), a.valid_from) OR NOT EXISTS (
                        SELECT FROM assignment b
                        WHERE b.user_id = u.id AND (b.valid_to IS NULL OR b.valid_to > greatest(now(), b.valid_from))
                    ))
            )
            OR (
                $3::text IS NULL AND $4::text IS NULL AND $5::text IS NULL
                AND NOT EXISTS (SELECT FROM assignment a WHERE a.user_id = u.id)
            )
        )
    ORDER BY u.name, u.id
    LIMIT $8
)
SELECT u.id, u.name, u.phone_sealed, u.left_at, u.locked_until, u.password_hash IS NOT NULL AS has_password,
    (SELECT count(*) FROM device d WHERE d.user_id = u.id AND d.revoked_at IS NULL) AS devices
FROM users u
JOIN fitting f USING (id)
ORDER BY u.name, u.id;

-- name: find_listed
SELECT u.id, u.name, u.phone_sealed, u.left_at, u.locked_until, u.password_hash IS NOT NULL AS has_password,
    (SELECT count(*) FROM device d WHERE d.user_id = u.id AND d.revoked_at IS NULL) AS devices
FROM users u
WHERE u.id = $1;

-- name: devices_of_user
SELECT id, name, platform, app, enrolled_at, revoked_at, last_exchange_at, unsent
FROM device
WHERE user_id = $1
ORDER BY enrolled_at DESC, id;

-- name: unsent_of_user
SELECT coalesce(sum(unsent), 0) FROM device WHERE user_id = $1 AND revoked_at IS NULL;

-- name: grids_without_chief
SELECT l.code
FROM grid_label l
WHERE l.to_version IS NULL AND l.grid_id = ANY($1::uuid[]) AND NOT EXISTS (
    SELECT FROM assignment a
    WHERE a.grid_id = l.grid_id AND a.role = 'grid_chief' AND a.valid_from <= now()
        AND (a.valid_to IS NULL OR a.valid_to > now())
)
ORDER BY l.code;
