-- name: post_in_sight
-- A condition on the assignment a in the grid labelled l, put into other statements: it is held now, has one of the
-- roles in $2, and lies in a grid of $3 or a division of $4.
a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
AND a.role = ANY($2::text[])
AND (a.grid_id = ANY($3::uuid[]) OR coalesce(l.community, a.division) LIKE ANY($4::text[]))

-- name: posts_held
-- A value put into other statements: what the user u does now, and where.
(
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'role', a.role, 'department', a.department, 'grid', l.code, 'grid_name', l.name,
        'division', v.code, 'place_zh', v.name_zh, 'place_en', v.name_en
    ) ORDER BY l.code, a.id), '[]')
    FROM assignment a
    LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
    LEFT JOIN division v ON v.code = coalesce(l.community, a.division)
    WHERE a.user_id = u.id AND a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
)

-- name: list_directory
-- The page is found first, by what it is narrowed to; what is shown of each is looked up only for the page.
WITH page AS MATERIALIZED (
    SELECT u.id
    FROM users u
    WHERE u.left_at IS NULL
        AND ($1 OR u.id IN (
            SELECT a.user_id
            FROM assignment a
            LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
            WHERE {post_in_sight}
        ))
        AND ($5::uuid IS NULL OR u.id = $5)
        AND ($6::text IS NULL OR starts_with(u.name, $6))
        AND (($7::text IS NULL AND $8::text IS NULL) OR u.id IN (
            SELECT a.user_id
            FROM assignment a
            LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
            WHERE a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
                AND ($7 IS NULL OR a.role = $7)
                AND ($8 IS NULL OR starts_with(coalesce(l.code, a.division), $8))
        ))
        AND ($9::uuid IS NULL OR (u.name, u.id) > (SELECT f.name, f.id FROM users f WHERE f.id = $9))
    ORDER BY u.name, u.id
    LIMIT $10
)
SELECT u.id, u.name, u.phone_sealed, {posts_held} AS posts, (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', d.id, 'name', d.name, 'enrolled_at', d.enrolled_at, 'last_exchange_at', d.last_exchange_at,
        'unsent', d.unsent
    ) ORDER BY d.enrolled_at), '[]')
    FROM device d WHERE d.user_id = u.id AND d.revoked_at IS NULL
) AS devices
FROM page p
JOIN users u ON u.id = p.id
ORDER BY u.name, u.id;

-- name: list_devices
WITH page AS MATERIALIZED (
    SELECT d.id
    FROM device d
    JOIN users u ON u.id = d.user_id
    WHERE ($1 OR u.id IN (
            SELECT a.user_id
            FROM assignment a
            LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
            WHERE {post_in_sight}
        ))
        AND ($5::uuid IS NULL OR d.id BETWEEN $5 AND $6::uuid)
        AND ($7::uuid IS NULL OR d.user_id = $7)
        AND ($8::text IS NULL OR u.id IN (
            SELECT a.user_id
            FROM assignment a
            LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
            WHERE a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
                AND starts_with(coalesce(l.code, a.division), $8)
        ))
        AND ($9::boolean IS NULL OR (d.revoked_at IS NOT NULL) = $9)
        AND ($10::interval IS NULL OR coalesce(d.last_exchange_at, d.enrolled_at) < now() - $10)
        AND (NOT $11 OR d.unsent > 0)
        AND ($12::uuid IS NULL OR (u.name, d.id) > (
            SELECT f.name, e.id FROM device e JOIN users f ON f.id = e.user_id WHERE e.id = $12
        ))
    ORDER BY u.name, d.id
    LIMIT $13
)
SELECT d.id, d.user_id AS holder, u.name AS holder_name, u.phone_sealed, u.left_at, {posts_held} AS posts,
    d.name, d.platform, d.app, d.enrolled_at, d.last_exchange_at, d.unsent, d.revoked_at, d.revoked_by,
    r.name AS revoked_by_name, d.replaces, d.forked_from,
    (SELECT n.id FROM device n WHERE n.replaces = d.id ORDER BY n.enrolled_at DESC LIMIT 1) AS replaced_by,
    (
        SELECT CASE WHEN w.done_at IS NULL THEN 'asked' ELSE 'done' END
        FROM directive w WHERE w.device_id = d.id AND w.kind = 'wipe'
        ORDER BY w.created_at DESC LIMIT 1
    ) AS wipe
FROM page p
JOIN device d ON d.id = p.id
JOIN users u ON u.id = d.user_id
LEFT JOIN users r ON r.id = d.revoked_by
ORDER BY u.name, d.id;
