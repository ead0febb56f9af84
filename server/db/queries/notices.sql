-- Whose device it is may put them away. What was told anew since he saw it stays.
-- name: put_away_notices
WITH named AS MATERIALIZED (
    SELECT n.id
    FROM unnest($2::uuid[], $3::bigint[]) AS p (id, version)
    JOIN notice n ON n.id = p.id AND n.version <= p.version
    JOIN device d ON d.user_id = n.user_id
    WHERE d.id = $1 AND d.revoked_at IS NULL AND n.open AND n.code = ANY($4::text[])
    ORDER BY n.id
    FOR UPDATE OF n
)
UPDATE notice n SET open = false, version = n.version + 1 FROM named WHERE n.id = named.id
RETURNING n.id, n.user_id, n.kind, n.version, n.open;

-- name: lapse_notices
WITH old AS MATERIALIZED (
    SELECT n.id FROM notice n
    WHERE n.open AND n.code = ANY($1::text[]) AND n.created_at < $2
    ORDER BY n.id
    LIMIT $3
    FOR UPDATE OF n
)
UPDATE notice n SET open = false, version = n.version + 1 FROM old WHERE n.id = old.id
RETURNING n.id, n.user_id, n.kind, n.version, n.open;
