-- name: lock_registry
LOCK TABLE registry_version IN SHARE ROW EXCLUSIVE MODE;

-- name: publish_registry_version
INSERT INTO registry_version (version, note, published_by) VALUES ($1, $2, $3);

-- name: whole_labels
SELECT grid_id AS id, code, community, kind, name, outline, synthetic, compounds, micro_grids, given, valid_from, valid_to
FROM grid_label
WHERE to_version IS NULL
ORDER BY code;

-- name: codes_given_up
SELECT c.code, l.code AS bears
FROM grid_code c
LEFT JOIN grid_label l ON l.grid_id = c.grid_id AND l.to_version IS NULL
WHERE l.code IS DISTINCT FROM c.code;

-- name: whole_divisions
SELECT code, parent, tier, name_zh, name_en, outline, synthetic, host_county FROM division ORDER BY code;

-- name: change_divisions
UPDATE division d
SET name_zh = place.name_zh, name_en = place.name_en, outline = place.outline, synthetic = place.synthetic,
    host_county = place.host_county, changed_in = $2
FROM jsonb_to_recordset($1) AS place (
    code text, name_zh text, name_en text, outline jsonb, synthetic boolean, host_county text
)
WHERE d.code = place.code;

-- name: close_labels
UPDATE grid_label SET to_version = $2 WHERE to_version IS NULL AND grid_id = ANY($1);
