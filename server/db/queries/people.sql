-- name: insert_users
INSERT INTO users (id, name, phone_index, phone_sealed, password_hash)
SELECT id, name, phone_index, phone_sealed, password_hash
FROM jsonb_to_recordset($1) AS person (id uuid, name text, phone_index bytea, phone_sealed bytea, password_hash text);

-- name: insert_assignments
INSERT INTO assignment (user_id, role, grid_id, division, department, valid_from, valid_to)
SELECT held.user_id, held.role, held.grid_id, coalesce(l.community, held.division), held.department,
    coalesce(held.valid_from, now()), held.valid_to
FROM jsonb_to_recordset($1) AS held (
    user_id uuid, role text, grid_id uuid, division text, department text, valid_from timestamptz,
    valid_to timestamptz
)
LEFT JOIN grid_label l ON l.grid_id = held.grid_id AND l.to_version IS NULL
RETURNING id;

-- name: find_person
SELECT u.id, u.name, (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'role', a.role, 'grid_id', a.grid_id, 'division', coalesce(l.community, a.division),
        'department', a.department, 'valid_from', a.valid_from, 'valid_to', a.valid_to
    ) ORDER BY a.id), '[]')
    FROM assignment a
    LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
    WHERE a.user_id = u.id AND a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
) AS assignments
FROM users u
WHERE (u.id = $1 OR u.phone_index = $2) AND ($3 OR u.left_at IS NULL);

-- name: find_people_of_area
SELECT u.id
FROM users u
JOIN assignment a ON a.user_id = u.id AND a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
WHERE u.left_at IS NULL
GROUP BY u.id
HAVING bool_and(
    a.role = ANY($1) AND (a.grid_id = ANY($2) OR coalesce(l.community, a.division) LIKE ANY($3::text[])) IS TRUE
) AND bool_or(a.role = ANY($5))
ORDER BY (
    SELECT count(*) FROM device d WHERE d.user_id = u.id AND d.revoked_at IS NULL
) + (
    SELECT count(*) FROM enrolment_code c WHERE c.user_id = u.id AND c.used_at IS NULL AND c.expires_at > now()
), u.id
LIMIT $4;

-- name: count_login_attempt
WITH attempt AS (
    UPDATE users
    SET failures = CASE WHEN locked_until IS NULL THEN failures ELSE 0 END + 1,
        locked_until = CASE
            WHEN CASE WHEN locked_until IS NULL THEN failures ELSE 0 END + 1 >= $2
            THEN now() + make_interval(mins => $3)
        END
    WHERE phone_index = $1 AND left_at IS NULL AND (locked_until IS NULL OR locked_until <= now())
    RETURNING id, password_hash, locked_until IS NOT NULL AS locks
)
SELECT u.id, t.id IS NOT NULL AS counted, t.password_hash, coalesce(t.locks, false) AS locks,
    ceil(extract(epoch FROM u.locked_until - now()))::integer AS wait
FROM users u
LEFT JOIN attempt t ON t.id = u.id
WHERE u.phone_index = $1 AND u.left_at IS NULL;

-- name: forgive_login_failures
UPDATE users SET failures = 0, locked_until = NULL WHERE id = $1;
