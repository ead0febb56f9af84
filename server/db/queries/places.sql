-- Divisions that are named ($1), and the communities inside areas ($2: prefixes of codes).
-- name: divisions_and_communities
SELECT code, tier, name_zh, name_en
FROM division d
WHERE d.code = ANY($1::text[])
    OR (d.tier = 'community' AND EXISTS (SELECT FROM unnest($2::text[]) AS p WHERE starts_with(d.code, p)))
ORDER BY code;
