-- Divisions that are named ($1), and the communities inside areas ($2: prefixes of codes).
-- name: divisions_and_communities
SELECT code, tier, name_zh, name_en
FROM division d
WHERE d.code = ANY($1::text[])
    OR (d.tier = 'community' AND EXISTS (SELECT FROM unnest($2::text[]) AS p WHERE starts_with(d.code, p)))
ORDER BY code;

-- name: tree_above
WITH RECURSIVE above AS (
    SELECT code, parent, host_county FROM division WHERE code = ANY($1::text[])
    UNION
    SELECT d.code, d.parent, d.host_county
    FROM above a
    JOIN division d ON d.code = ANY(ARRAY[a.parent, a.host_county])
)
SELECT code, parent, host_county FROM above;
