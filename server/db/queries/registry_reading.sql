-- name: labels_under_code
SELECT l.grid_id, l.code, l.community, l.kind, l.name, l.compounds, l.micro_grids, l.synthetic,
    l.given ->> 'crs' AS given_crs, l.valid_from, l.valid_to, l.from_version, l.to_version, v.published_at, v.note
FROM grid_code c
JOIN grid_label l ON l.grid_id = c.grid_id
JOIN registry_version v ON v.version = l.from_version
WHERE c.code = $1
ORDER BY l.from_version DESC;

-- name: divisions_above
WITH RECURSIVE above AS (
    SELECT code, parent, tier, name_zh, name_en, 0 AS step FROM division WHERE code = $1
    UNION ALL
    SELECT d.code, d.parent, d.tier, d.name_zh, d.name_en, above.step + 1 FROM division d JOIN above ON d.code = above.parent
)
SELECT code, tier, name_zh, name_en FROM above ORDER BY step;

-- name: team_of_grid
SELECT a.role, count(DISTINCT a.user_id) AS people
FROM assignment a
JOIN users u ON u.id = a.user_id AND u.left_at IS NULL
WHERE a.grid_id = $1 AND a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
GROUP BY a.role;

-- name: list_grids
SELECT l.grid_id AS id, l.code, l.name, l.kind, l.community, d.name_zh AS community_zh, d.name_en AS community_en,
    l.synthetic, l.valid_from, l.valid_to
FROM grid_label l
JOIN division d ON d.code = l.community
WHERE l.to_version IS NULL AND l.code LIKE $1 AND ($2::text IS NULL OR l.kind = $2) AND l.code > $3
ORDER BY l.code
LIMIT $4;

-- name: export_grids
SELECT l.grid_id AS id, l.code, l.name, l.kind, l.community, d.name_zh AS community_zh, d.name_en AS community_en,
    l.compounds, l.micro_grids, l.outline, l.valid_from, l.valid_to, l.synthetic
FROM grid_label l
JOIN division d ON d.code = l.community
WHERE l.to_version IS NULL AND l.code LIKE $1
ORDER BY l.code;
