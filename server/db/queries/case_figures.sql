-- Cases of items that the grants in $1 reach, counted by what $2 names, and in all (`whole`). The limit is that of
-- handling: whoever is to verify or close has no limit of his own. What closed by itself was handled when it was
-- captured, however late its photos came.
-- name: count_case_figures
WITH counted AS MATERIALIZED (
    SELECT
        c.state,
        CASE $2
            WHEN 'grid' THEN l.code
            WHEN 'community' THEN left(l.code, 12)
            WHEN 'street' THEN rpad(left(l.code, 9), 12, '0')
            WHEN 'county' THEN rpad(left(l.code, 6), 12, '0')
            WHEN 'organisation' THEN c.organisation_id::text
            WHEN 'worker' THEN i.author_id::text
        END AS key,
        c.state = ANY($8::text[]) AS unhandled,
        c.state IN ('handled', 'verified', 'closed') AS handled,
        c.handle_by < coalesce(
            c.handled_at,
            CASE WHEN c.state = 'closed' AND c.dispatched_at IS NULL THEN i.captured_at END,
            c.closed_at,
            $7::timestamptz
        ) AS late
    FROM cases c
    JOIN item i ON i.id = c.item_id
    LEFT JOIN grid_label l ON l.grid_id = i.grid_id AND l.to_version IS NULL
    WHERE NOT i.deleted AND {near} AND {reached}
        AND c.state NOT IN ('not_accepted', 'void')
        AND ($3::text IS NULL OR i.type = $3)
        AND ($4::text IS NULL OR starts_with(l.code, $4))
        AND ($5::timestamptz IS NULL OR c.opened_at >= $5)
        AND ($6::timestamptz IS NULL OR c.opened_at < $6)
)
SELECT
    key,
    grouping(key) = 1 AS whole,
    count(*) FILTER (WHERE state = 'reported') AS waiting,
    count(*) FILTER (WHERE state <> 'reported') AS taken_up,
    count(*) FILTER (WHERE handled) AS handled,
    count(*) FILTER (WHERE state = 'closed') AS closed,
    count(*) FILTER (WHERE state = 'closed' OR (late AND (handled OR unhandled))) AS due,
    count(*) FILTER (WHERE state = 'closed' AND late IS NOT TRUE) AS in_time,
    count(*) FILTER (WHERE unhandled AND late) AS overdue
FROM counted
GROUP BY GROUPING SETS ((key), ());

-- name: organisations_of_ids
SELECT id, department, division, tier, name_zh, name_en FROM organisation WHERE id = ANY($1::uuid[]);
