-- name: digits
-- How many digits all codes inside the division d begin with; a value put into other statements.
CASE d.tier WHEN 'city' THEN 4 WHEN 'county' THEN 6 WHEN 'street' THEN 9 ELSE 12 END

-- name: grid_in_sight
-- A condition on the current label l, put into other statements: it is of one of the grids in $1, or its code begins
-- with one of $2.
(l.grid_id = ANY($1::uuid[]) OR EXISTS (SELECT FROM unnest($2::text[]) AS p WHERE starts_with(l.code, p)))

-- name: division_in_sight
-- A condition on the division d, put into other statements: it lies in one of the areas in $2 or around one, or one of
-- the grids in $1 lies in it.
(
    EXISTS (
        SELECT FROM unnest($2::text[]) AS p WHERE starts_with(d.code, p) OR starts_with(p, left(d.code, {digits}))
    )
    OR EXISTS (
        SELECT FROM grid_label s
        WHERE s.to_version IS NULL AND s.grid_id = ANY($1::uuid[]) AND starts_with(s.code, left(d.code, {digits}))
    )
)

-- name: divisions_around
-- A division ($3), those above it, and those directly inside it.
WITH RECURSIVE above AS (
    SELECT code, parent FROM division WHERE code = $3
    UNION ALL
    SELECT d.code, d.parent FROM above a JOIN division d ON d.code = a.parent
)
SELECT d.code, d.tier, d.name_zh, d.name_en, d.parent IS NOT DISTINCT FROM $3 AS inside
FROM division d
WHERE (d.parent = $3 OR d.code IN (SELECT code FROM above)) AND {division_in_sight}
ORDER BY d.code;

-- name: figures_of_parts
-- What lies in a division ($3: how its codes begin), by the parts whose codes share $4 digits, and in all of it: rows
-- without a part. People: whoever has one of the roles in $5 there now.
SELECT left(l.code, $4) AS part, l.kind AS what, count(*) AS number
FROM grid_label l
WHERE l.to_version IS NULL AND starts_with(l.code, $3) AND {grid_in_sight}
GROUP BY GROUPING SETS ((left(l.code, $4), l.kind), (l.kind))
UNION ALL
SELECT left(d.code, $4), 'communities', count(*)
FROM division d
WHERE d.tier = 'community' AND starts_with(d.code, $3) AND {division_in_sight}
GROUP BY GROUPING SETS ((left(d.code, $4)), ())
UNION ALL
SELECT left(h.place, $4), 'people', count(DISTINCT h.user_id)
FROM (
    SELECT a.user_id, a.grid_id, coalesce(l.code, a.division) AS place
    FROM assignment a
    JOIN users u ON u.id = a.user_id AND u.left_at IS NULL
    LEFT JOIN grid_label l ON l.grid_id = a.grid_id AND l.to_version IS NULL
    WHERE a.role = ANY($5::text[]) AND a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
) h
WHERE starts_with(h.place, $3)
    AND (h.grid_id = ANY($1::uuid[]) OR EXISTS (SELECT FROM unnest($2::text[]) AS p WHERE starts_with(h.place, p)))
GROUP BY GROUPING SETS ((left(h.place, $4)), ());

-- name: browse_grids
-- Grids whose codes begin with $3 and come after $6, of one kind ($4), named so or with such a compound ($5).
SELECT l.grid_id AS id, l.code, l.name, l.kind, l.community, d.name_zh AS community_zh, d.name_en AS community_en,
    l.compounds, l.valid_from, l.valid_to, l.synthetic
FROM grid_label l
JOIN division d ON d.code = l.community
WHERE l.to_version IS NULL AND {grid_in_sight} AND starts_with(l.code, $3)
    AND ($4::text IS NULL OR l.kind = $4)
    AND ($5::text IS NULL OR strpos(lower(l.name), lower($5)) > 0
        OR EXISTS (SELECT FROM unnest(l.compounds) AS c WHERE strpos(lower(c), lower($5)) > 0))
    AND l.code > $6
ORDER BY l.code
LIMIT $7;

-- name: find_divisions
SELECT d.code, d.tier, d.name_zh, d.name_en
FROM division d
WHERE starts_with(d.code, $3) AND {division_in_sight}
    AND ($4::text IS NULL OR strpos(lower(d.name_zh), lower($4)) > 0 OR strpos(lower(d.name_en), lower($4)) > 0)
ORDER BY d.code
LIMIT $5;

-- name: grid_under_code
-- The newest label, if it is in sight, of the grid that bears a code ($3) or bore it.
SELECT l.grid_id, l.code, l.outline
FROM grid_code c
JOIN grid_label l ON l.grid_id = c.grid_id
WHERE c.code = $3 AND {grid_in_sight}
    AND NOT EXISTS (SELECT FROM grid_label n WHERE n.grid_id = l.grid_id AND n.from_version > l.from_version);

-- name: people_of_grid
-- Who works in a grid ($1) now, and the advisers of its community ($2).
SELECT u.id, u.name, u.phone_sealed, a.role
FROM assignment a
JOIN users u ON u.id = a.user_id AND u.left_at IS NULL
WHERE a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
    AND (a.grid_id = $1 OR (a.grid_id IS NULL AND a.division = $2 AND a.role = 'grid_adviser'))
GROUP BY u.id, a.role
ORDER BY u.name, u.id;
