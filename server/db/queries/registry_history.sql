-- The registry as it was: its versions, a grid at one of them, and what grids came from and became.

-- name: registry_versions
SELECT v.version, v.published_at, v.note AS reason, u.name AS published_by,
    (SELECT count(*) FROM grid_label l WHERE l.from_version = v.version) AS labels_begun,
    (SELECT count(*) FROM grid_label l WHERE l.to_version = v.version) AS labels_ended,
    (SELECT count(*) FROM division d WHERE d.changed_in = v.version) AS divisions,
    (SELECT coalesce(jsonb_object_agg(s.kind, s.steps), '{}') FROM (
        SELECT kind, count(*) AS steps FROM lineage WHERE version = v.version GROUP BY kind
    ) s) AS steps,
    CASE WHEN m.version IS NOT NULL THEN jsonb_build_object(
        'total', m.total, 'looked', m.looked, 'moved', m.moved, 'unplaced', m.unplaced, 'finished_at', m.finished_at
    ) END AS items
FROM registry_version v
LEFT JOIN users u ON u.id = v.published_by
LEFT JOIN registry_move m ON m.version = v.version
WHERE $1::integer IS NULL OR v.version < $1
ORDER BY v.version DESC
LIMIT $2;

-- name: version_at
-- The newest version that was published before an instant.
SELECT max(version) FROM registry_version WHERE published_at < $1;

-- name: label_at
SELECT l.grid_id, l.code, l.name, l.kind, l.community, l.compounds, l.micro_grids, l.outline, l.synthetic,
    l.valid_from, l.valid_to, l.from_version, l.to_version
FROM grid_code c
JOIN grid_label l ON l.grid_id = c.grid_id
WHERE c.code = $1 AND l.from_version <= $2 AND (l.to_version IS NULL OR l.to_version > $2);

-- name: labels_of_grids
SELECT grid_id, code, name, from_version, to_version FROM grid_label
WHERE grid_id = ANY($1::uuid[]) ORDER BY grid_id, from_version;

-- name: grid_of_code
SELECT grid_id FROM grid_code WHERE code = $1;
