-- name: map_shapes
-- What a map of a division ($3) shows: itself (depth 0), its neighbours (-1), what lies directly inside it (1) and
-- inside that (2); where grids are to be shown ($4), all whose codes begin with $5. `parts`: a division's own outline,
-- or, of the innermost without one, the outlines of its grids.
WITH shown AS (
    SELECT d.*, 0 AS depth FROM division d WHERE d.code = $3
    UNION ALL
    SELECT d.*, -1 FROM division h JOIN division d ON d.parent = h.parent AND d.code <> h.code WHERE h.code = $3
    UNION ALL
    SELECT d.*, 1 FROM division d WHERE d.parent = $3
    UNION ALL
    SELECT d.*, 2 FROM division p JOIN division d ON d.parent = p.code WHERE p.parent = $3
)
SELECT d.code, d.parent, d.tier, d.depth, d.name_zh, d.name_en, '' AS kind,
    CASE WHEN d.outline IS NULL THEN coalesce(g.outlines, '[]') ELSE jsonb_build_array(d.outline) END AS parts,
    d.synthetic OR g.synthetic IS TRUE AS synthetic
FROM shown d
LEFT JOIN LATERAL (
    SELECT jsonb_agg(l.outline) AS outlines, bool_or(l.synthetic) AS synthetic
    FROM grid_label l
    WHERE d.outline IS NULL AND d.depth = 2
        AND l.to_version IS NULL AND starts_with(l.code, left(d.code, {digits})) AND {grid_in_sight}
) g ON true
WHERE {division_in_sight}
UNION ALL
SELECT l.code, l.community, 'grid', CASE WHEN l.community = $3 THEN 1 ELSE 2 END, l.name, '', l.kind,
    jsonb_build_array(l.outline), l.synthetic
FROM grid_label l
WHERE $4 AND l.to_version IS NULL AND starts_with(l.code, $5) AND {grid_in_sight}
ORDER BY depth, code;

-- name: open_work_by_grid
-- In the grids whose codes begin with $2: how many items that the grants in $1 reach wait for a review or have a case
-- in one of the states $3.
SELECT l.code, count(*) AS number
FROM (
    SELECT c.item_id FROM cases c WHERE c.state = ANY($3::text[])
    UNION
    SELECT r.item_id FROM review r WHERE r.state = 'pending'
) w
JOIN item i ON i.id = w.item_id
JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
WHERE starts_with(l.code, $2) AND NOT i.deleted AND {near} AND {reached}
GROUP BY l.code;
