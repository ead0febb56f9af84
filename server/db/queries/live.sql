-- One statement, so that all of it belongs to the snapshot whose horizon it tells.
-- name: sweep
SELECT
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
    (SELECT id FROM epoch ORDER BY seq DESC LIMIT 1) AS epoch,
    (SELECT coalesce(max(version), 0) FROM registry_version) AS registry,
    (SELECT version FROM catalogue ORDER BY place DESC LIMIT 1) AS catalogue,
    s.ids, s.keys, s.heads, u.users, u.stirred_by
FROM (
    SELECT
        coalesce(array_agg(id), '{}') AS ids, coalesce(array_agg(key), '{}') AS keys,
        coalesce(array_agg(head), '{}') AS heads
    FROM stream
    WHERE stirred >= $1
) s
CROSS JOIN (
    SELECT coalesce(array_agg(user_id), '{}') AS users, coalesce(array_agg(at::text::bigint), '{}') AS stirred_by
    FROM stirred_user
    WHERE at >= $1
) u;

-- name: live_session
SELECT access_hash, extract(epoch FROM access_expires_at - now())::float8 AS seconds
FROM session
WHERE id = $1 AND ended_at IS NULL AND access_expires_at > now();

-- name: hear_device
SELECT
    d.user_id, d.revoked_at IS NOT NULL OR u.left_at IS NOT NULL AS shut_out,
    ARRAY(
        SELECT ROW(o.id, o.kind)
        FROM directive o
        WHERE o.device_id = d.id AND o.done_at IS NULL
        ORDER BY o.created_at, o.id
    ) AS directives,
    ARRAY(
        SELECT ROW(a.role, a.grid_id, a.division, a.department, a.valid_from, a.valid_to)
        FROM assignment a
        WHERE a.user_id = d.user_id
    ) AS assignments
FROM device d JOIN users u ON u.id = d.user_id
WHERE d.id = $1;
