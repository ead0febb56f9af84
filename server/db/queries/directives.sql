-- name: directives_of_device
SELECT d.id, d.kind, d.reason, d.created_by, u.name AS created_by_name, d.created_at, d.done_at
FROM directive d
JOIN users u ON u.id = d.created_by
WHERE d.device_id = $1
ORDER BY d.created_at DESC, d.id;

-- name: insert_directive
INSERT INTO directive (id, device_id, kind, reason, created_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (device_id, kind) WHERE done_at IS NULL DO NOTHING
RETURNING id;

-- name: finish_directives
UPDATE directive SET done_at = now() WHERE device_id = $1 AND id = ANY($2::uuid[]) AND done_at IS NULL RETURNING id;
