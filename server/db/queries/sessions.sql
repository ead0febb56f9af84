-- name: load_caller
WITH used AS (
    UPDATE session SET pair_used = true WHERE access_hash = $1 AND NOT pair_used
)
SELECT s.id, s.kind, s.user_id, s.device_id, u.name,
    s.access_expires_at <= now() AS expired,
    s.ended_at IS NOT NULL AS ended,
    u.left_at IS NOT NULL AS departed,
    d.revoked_at IS NOT NULL AS revoked,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'role', a.role, 'grid_id', a.grid_id, 'division', coalesce(l.community, a.division),
            'department', a.department, 'valid_from', a.valid_from, 'valid_to', a.valid_to
        ) ORDER BY a.id), '[]')
        FROM assignment a
        LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
        WHERE a.user_id = u.id AND a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
    ) AS assignments
FROM session s
JOIN users u ON u.id = s.user_id
LEFT JOIN device d ON d.id = s.device_id
WHERE s.access_hash = $1;

-- name: insert_session
INSERT INTO session (
    id, kind, user_id, device_id, access_hash, access_expires_at, refresh_hash, refresh_expires_at, generation
)
VALUES ($1, $2, $3, $4, $5, now() + $6::interval, $7, now() + $8::interval, 1);

-- name: lock_session
SELECT s.kind, s.user_id, s.device_id, s.access_hash, s.refresh_hash, s.previous_hash, s.pair_used, s.generation,
    s.ended_at IS NOT NULL OR s.refresh_hash IS NULL OR (s.kind <> 'device' AND u.left_at IS NOT NULL) AS ended,
    s.refresh_expires_at <= now() AS expired
FROM session s
JOIN users u ON u.id = s.user_id
WHERE s.id = $1
FOR UPDATE OF s;

-- name: rotate_session
UPDATE session
SET access_hash = $2, access_expires_at = now() + $3::interval, refresh_hash = $4,
    refresh_expires_at = now() + $5::interval,
    previous_hash = $7, pair_used = false, generation = $6
WHERE id = $1;

-- name: extend_session
UPDATE session SET access_expires_at = now() + $2::interval, refresh_expires_at = now() + $3::interval WHERE id = $1;

-- name: keep_console_session
UPDATE session SET access_expires_at = now() + $2::interval
WHERE id = $1 AND kind = 'console' AND access_expires_at BETWEEN now() AND now() + $2::interval * 0.9;

-- name: end_session
UPDATE session SET ended_at = now() WHERE id = $1 AND ended_at IS NULL;

-- name: forget_old_sessions
DELETE FROM session
WHERE user_id = $1 AND kind <> 'device' AND coalesce(refresh_expires_at, access_expires_at) < now();

-- name: insert_enrolment_codes
INSERT INTO enrolment_code (code_hash, user_id, created_by, expires_at, replaces)
SELECT code_hash, user_id, $2, now() + $3::interval, $4
FROM jsonb_to_recordset($1) AS code (code_hash bytea, user_id uuid)
RETURNING expires_at;

-- name: lock_enrolment_code
SELECT c.user_id, u.name, c.install, c.device_id, c.replaces,
    c.used_at IS NULL AS fresh,
    u.left_at IS NOT NULL OR (c.used_at IS NULL AND c.expires_at <= now()) AS over,
    ARRAY(
        SELECT DISTINCT a.role FROM assignment a
        WHERE a.user_id = u.id AND a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
        ORDER BY a.role
    ) AS roles
FROM enrolment_code c
JOIN users u ON u.id = c.user_id
WHERE c.code_hash = $1
FOR UPDATE OF c;

-- name: use_enrolment_code
UPDATE enrolment_code SET used_at = now(), install = $2, device_id = $3 WHERE code_hash = $1;

-- name: insert_device
INSERT INTO device (id, user_id, name, platform, app, replaces, enrolled_at)
VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, now()))
RETURNING enrolled_at;

-- name: lock_device
SELECT user_id, enrolled_at, revoked_at IS NOT NULL AS revoked FROM device WHERE id = $1 FOR UPDATE;

-- name: revoke_device
UPDATE device SET revoked_at = now(), revoked_by = $2 WHERE id = $1 AND revoked_at IS NULL;

-- name: withdraw_replacements
UPDATE enrolment_code SET expires_at = now() WHERE replaces = $1 AND used_at IS NULL AND expires_at > now();
