-- name: insert_divisions
INSERT INTO division (code, parent, tier, name_zh, name_en, outline, synthetic, host_county)
SELECT code, parent, tier, name_zh, name_en, outline, synthetic, host_county
FROM jsonb_to_recordset($1) AS place (
    code text, parent text, tier text, name_zh text, name_en text, outline jsonb, synthetic boolean, host_county text
);

-- name: insert_registry_version
INSERT INTO registry_version (version, note) VALUES ($1, $2);

-- name: insert_grids
INSERT INTO grid (id, from_version)
SELECT id, $2 FROM jsonb_to_recordset($1) AS new_grid (id uuid);

-- name: claim_codes
INSERT INTO grid_code (code, grid_id)
SELECT code, id FROM jsonb_to_recordset($1) AS claimed (id uuid, code text)
ON CONFLICT (code, grid_id) DO NOTHING;

-- name: insert_grid_labels
INSERT INTO grid_label (
    grid_id, from_version, code, community, kind, name, outline, synthetic, compounds, micro_grids, given,
    valid_from, valid_to
)
SELECT id, $2, code, community, kind, name, outline, synthetic, compounds, micro_grids, given, valid_from, valid_to
FROM jsonb_to_recordset($1) AS label (
    id uuid, code text, community text, kind text, name text, outline jsonb, synthetic boolean, compounds text[],
    micro_grids jsonb, given jsonb, valid_from date, valid_to date
);

-- name: insert_organisations
INSERT INTO organisation (id, department, division, tier, name_zh, name_en)
SELECT id, department, division, tier, name_zh, name_en
FROM jsonb_to_recordset($1) AS office (
    id uuid, department text, division text, tier text, name_zh text, name_en text
);

-- name: registry_version
SELECT max(version) FROM registry_version;

-- name: current_labels
SELECT grid_id AS id, code, community, kind, name, outline FROM grid_label WHERE to_version IS NULL ORDER BY code;

-- name: grids_of_area
SELECT l.grid_id AS id, l.code, l.name, l.kind, l.community, d.name_zh AS community_zh, d.name_en AS community_en,
    l.compounds, l.micro_grids, l.outline, l.synthetic, l.valid_from, l.valid_to
FROM grid_label l
JOIN division d ON d.code = l.community
WHERE l.to_version IS NULL AND (l.grid_id = ANY($1) OR l.code LIKE ANY($2::text[]))
    AND (l.from_version > $3 OR d.changed_in > $3)
ORDER BY l.code;

-- name: scope_of_area
SELECT grid_id FROM grid_label
WHERE to_version IS NULL AND (grid_id = ANY($1) OR code LIKE ANY($2::text[]))
ORDER BY code;
