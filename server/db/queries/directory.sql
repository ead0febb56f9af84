-- name: post_stands
-- A condition on the assignment a, put into other statements: it is held now or will be; of who has nothing such, it is
-- one that he held, so that nobody is lost sight of whose only grid was retired.
(a.valid_to IS NULL OR a.valid_to > greatest(now(), a.valid_from) OR NOT EXISTS (
    SELECT FROM assignment b
    WHERE b.user_id = a.user_id AND (b.valid_to IS NULL OR b.valid_to > greatest(now(), b.valid_from))
))

-- name: post_counts
-- The same, but only with $5; without it the assignment a is held now.
(
    (a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now()))
    OR ($5 AND {post_stands})
)

-- name: retired_fits
-- A condition on the assignment a without a current grid l: the grid bore a code that begins with $9.
(l.code IS NULL AND EXISTS (
    SELECT FROM grid_label n WHERE n.grid_id = a.grid_id AND starts_with(n.code, $9)
))

-- name: post_in_sight
-- A condition on the assignment a in the grid labelled l: it counts, has one of the roles in $2, and lies in a grid of
-- $3 or a division of $4.
{post_counts}
AND a.role = ANY($2::text[])
AND (a.grid_id = ANY($3::uuid[]) OR coalesce(l.community, a.division) LIKE ANY($4::text[]))

-- name: posts_held
-- A value put into other statements: what the user u does or will do, else what he did, and where. A grid that was
-- retired is told by its last label.
(
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'role', a.role, 'department', a.department, 'grid', l.code, 'grid_name', l.name,
        'division', v.code, 'place_zh', v.name_zh, 'place_en', v.name_en, 'state', CASE
            WHEN a.valid_to <= greatest(now(), a.valid_from) THEN 'ended'
            WHEN a.valid_from > now() THEN 'coming'
            ELSE 'now'
        END
    ) ORDER BY l.code, a.id), '[]')
    FROM assignment a
    LEFT JOIN LATERAL (
        SELECT n.code, n.name, n.community FROM grid_label n
        WHERE n.grid_id = a.grid_id
        ORDER BY n.from_version DESC LIMIT 1
    ) l ON true
    LEFT JOIN division v ON v.code = coalesce(l.community, a.division)
    WHERE a.user_id = u.id AND {post_stands}
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
        ) OR ($5 AND NOT EXISTS (SELECT FROM assignment a WHERE a.user_id = u.id)))
        AND ($6::uuid IS NULL OR u.id = $6)
        AND ($7::text IS NULL OR starts_with(u.name, $7))
        AND (($8::text IS NULL AND $9::text IS NULL) OR u.id IN (
            SELECT a.user_id
            FROM assignment a
            LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
            WHERE {post_counts}
                AND ($8 IS NULL OR a.role = $8)
                AND ($9 IS NULL OR (starts_with(coalesce(l.code, a.division), $9) OR {retired_fits}))
        ))
        AND ($10::uuid IS NULL OR (u.name, u.id) > (SELECT f.name, f.id FROM users f WHERE f.id = $10))
    ORDER BY u.name, u.id
    LIMIT $11
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
            JOIN users h ON h.id = a.user_id AND h.left_at IS NULL
            LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
            WHERE {post_in_sight}
        ))
        AND ($6::uuid IS NULL OR d.id BETWEEN $6 AND $7::uuid)
        AND ($8::uuid IS NULL OR d.user_id = $8)
        AND ($9::text IS NULL OR u.id IN (
            SELECT a.user_id
            FROM assignment a
            LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
            WHERE {post_counts}
                AND (starts_with(coalesce(l.code, a.division), $9) OR {retired_fits})
        ))
        AND ($10::boolean IS NULL OR (d.revoked_at IS NOT NULL) = $10)
        AND ($11::interval IS NULL OR coalesce(d.last_exchange_at, d.enrolled_at) < now() - $11)
        AND (NOT $12 OR d.unsent > 0)
        AND ($13::uuid IS NULL OR (u.name, d.id) > (
            SELECT f.name, e.id FROM device e JOIN users f ON f.id = e.user_id WHERE e.id = $13
        ))
    ORDER BY u.name, d.id
    LIMIT $14
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
