-- name: insert_lineage
INSERT INTO lineage (version, seq, kind, predecessors, successors)
SELECT version, seq, kind, predecessors, successors
FROM jsonb_to_recordset($1) AS step (version integer, seq integer, kind text, predecessors uuid[], successors uuid[]);

-- name: retire_grids
UPDATE grid SET to_version = $2 WHERE id = ANY($1::uuid[]) AND to_version IS NULL;

-- name: lineage_steps
SELECT version, kind, predecessors, successors FROM lineage ORDER BY version, seq;

-- name: code_validities
SELECT code, grid_id, from_version, to_version FROM grid_label ORDER BY from_version, code;

-- Outlines of labels that stand are in the registry already; of these it is only told whether the one before had the same.
-- name: outline_spans
SELECT grid_id, from_version, to_version, CASE WHEN to_version IS NOT NULL THEN outline END AS outline,
    coalesce(outline = lag(outline) OVER (PARTITION BY grid_id ORDER BY from_version), false) AS same
FROM grid_label
ORDER BY from_version, code;

-- name: publication_times
SELECT version, published_at FROM registry_version ORDER BY version;

-- Moves, and what arrived in another grid than the one it was written in, say where they come from.
-- name: former_grids
SELECT item_id, registry, version, (derivation ->> 'from')::uuid AS grid_id
FROM revision
WHERE item_id = ANY($1::uuid[]) AND registry > $2 AND derivation ? 'from'
ORDER BY item_id, version;

-- name: derivations_of_item
SELECT version, op, received_at, registry, grid_id, derivation
FROM revision
WHERE item_id = $1 AND derivation IS NOT NULL
ORDER BY version;

-- name: grid_conflict_of_item
SELECT id FROM conflict WHERE item_id = $1 AND state = 'open' AND claim IS NOT NULL;
