-- name: crosswalk_rows
SELECT department, legacy_code, valid_from, valid_to, sense, community, grid_id FROM crosswalk WHERE to_version IS NULL;

-- Rows of the newest registry with their places as people know them: a community, or a grid by the code it bears now.
-- name: list_crosswalk
SELECT w.id, w.department, w.legacy_code, w.valid_from, w.valid_to, w.sense, w.note, w.community, w.grid_id,
    coalesce(w.community, l.code) AS place, coalesce(d.name_zh, l.name) AS place_zh, coalesce(d.name_en, '') AS place_en
FROM crosswalk w
LEFT JOIN division d ON d.code = w.community
LEFT JOIN grid_label l ON l.grid_id = w.grid_id AND l.to_version IS NULL
WHERE w.to_version IS NULL
    AND ($1::text IS NULL OR w.department = $1)
    AND ($2::text IS NULL OR w.legacy_code = $2)
ORDER BY w.department, w.legacy_code, w.valid_from, place, w.id;

-- name: end_crosswalk_rows
UPDATE crosswalk SET to_version = $2 WHERE id = ANY($1::bigint[]) AND to_version IS NULL;

-- name: insert_crosswalk
INSERT INTO crosswalk (department, legacy_code, valid_from, valid_to, sense, note, community, grid_id, from_version)
SELECT department, legacy_code, valid_from, valid_to, sense, note, community, grid_id, $2
FROM jsonb_to_recordset($1) AS line (
    department text, legacy_code text, valid_from date, valid_to date, sense text, note text, community text,
    grid_id uuid
);

-- name: communities_among
SELECT code FROM division WHERE tier = 'community' AND code = ANY($1::text[]);

-- name: current_grids_by_code
SELECT code, grid_id FROM grid_label WHERE to_version IS NULL AND code = ANY($1::text[]);

-- name: candidate_grids
SELECT l.grid_id, l.code, l.name, l.outline, l.community, d.name_zh AS community_zh, d.name_en AS community_en
FROM grid_label l JOIN division d ON d.code = l.community
WHERE l.to_version IS NULL AND l.grid_id = ANY($1::uuid[])
ORDER BY l.code;

-- What a code was retired from, or may or may not cover, is not said to be that grid's.
-- name: legacy_codes_of
SELECT DISTINCT l.grid_id, w.department, w.legacy_code
FROM grid_label l
JOIN crosswalk w ON w.to_version IS NULL AND w.sense = 'covers'
    AND (w.grid_id = l.grid_id OR w.community = l.community)
WHERE l.to_version IS NULL AND l.grid_id = ANY($1::uuid[])
ORDER BY l.grid_id, w.department, w.legacy_code;
