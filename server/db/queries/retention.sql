-- name: due
-- Put into the others: what is due by the limits in $1; no case is among it that is in one of the open states $2. What
-- was linked with another item has not ended by that: it is due with the winner, as one.
SELECT i.id, i.type, i.grid_id
FROM jsonb_to_recordset($1) AS r (type text, event boolean, ended_by timestamptz)
JOIN item i ON i.type = r.type
WHERE NOT r.event AND i.deleted AND i.erased_at IS NULL AND i.updated_at <= r.ended_by AND NOT {lives_on}
UNION ALL
SELECT i.id, i.type, i.grid_id
FROM jsonb_to_recordset($1) AS r (type text, event boolean, ended_by timestamptz)
JOIN item i ON i.type = r.type
JOIN cases c ON c.item_id = i.id
WHERE r.event AND i.erased_at IS NULL AND c.state <> ALL($2::text[])
    AND coalesce(c.closed_at, c.changed_at) <= r.ended_by AND NOT {lives_on}

-- name: lives_on
-- Put into the statement above: the item i belongs to a winner that is not erased.
EXISTS (SELECT FROM item_link k JOIN item w ON w.id = k.winner WHERE k.loser = i.id AND w.erased_at IS NULL)

-- name: count_due
SELECT d.type, l.community AS division, count(*) AS items
FROM ({due}) d
LEFT JOIN grid_label l ON l.grid_id = d.grid_id AND l.to_version IS NULL
GROUP BY d.type, l.community
ORDER BY d.type, l.community;

-- name: list_due
SELECT d.id FROM ({due}) d WHERE $3::uuid IS NULL OR d.id > $3 ORDER BY d.id LIMIT $4;

-- name: still_due
SELECT d.id FROM ({due}) d WHERE d.id = ANY($3::uuid[]);
