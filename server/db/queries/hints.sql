-- Hints are taken in their order, so that two sets never wait for each other. One that is held already is locked and its
-- holder returned: he cannot let it go before this transaction has said that there is a twin.
-- name: claim
WITH referring AS (
    INSERT INTO item_reference (item_id, field, target)
    SELECT r.item_id, r.field, r.target FROM jsonb_to_recordset($2) AS r (item_id uuid, field text, target bytea)
    ON CONFLICT (item_id, field) DO UPDATE SET target = excluded.target
)
INSERT INTO unique_hint (claim, item_id)
SELECT r.claim, r.item_id FROM jsonb_to_recordset($1) AS r (claim bytea, item_id uuid) ORDER BY r.claim
ON CONFLICT (claim) DO UPDATE SET item_id = unique_hint.item_id
RETURNING claim, item_id;

-- name: drop_references
DELETE FROM item_reference t USING jsonb_to_recordset($1) AS r (item_id uuid, field text)
WHERE t.item_id = r.item_id AND t.field = r.field;

-- An item that no longer has what it had in common with a twin is no duplicate any more; nobody settled it.
-- name: end_duplicates
UPDATE conflict c SET
    hint = NULL,
    version = c.version + CASE WHEN c.state = 'open' THEN 1 ELSE 0 END,
    state = 'resolved',
    take = coalesce(c.take, 'released'),
    resolved_at = coalesce(c.resolved_at, $2),
    resolution_version = coalesce(c.resolution_version, i.version)
FROM jsonb_to_recordset($1) AS r (claim bytea, item_id uuid)
JOIN item i ON i.id = r.item_id
WHERE c.item_id = r.item_id AND c.hint = r.claim AND c.kind = 'duplicate' AND (c.state = 'open' OR c.take = 'server')
RETURNING c.id, c.author_id, c.item_id, c.take;

-- name: release_hints
DELETE FROM unique_hint h USING jsonb_to_recordset($1) AS r (claim bytea, item_id uuid)
WHERE h.claim = r.claim AND h.item_id = r.item_id
RETURNING h.claim;

-- name: release_hints_of_items
DELETE FROM unique_hint WHERE item_id = ANY($1::uuid[]) RETURNING claim;

-- Who may take a hint over, per hint in this order: the oldest open duplicate, else one that was told to be none.
-- name: successors
SELECT c.id, c.hint, c.item_id, c.author_id, c.state
FROM conflict c
JOIN item i ON i.id = c.item_id
WHERE c.hint = ANY($1::bytea[]) AND c.kind = 'duplicate' AND NOT i.deleted AND (c.state = 'open' OR c.take = 'server')
ORDER BY c.hint, c.state, c.opened_at, c.id
FOR UPDATE OF c;

-- name: pass_hints_on
INSERT INTO unique_hint (claim, item_id)
SELECT r.claim, r.item_id FROM jsonb_to_recordset($1) AS r (claim bytea, item_id uuid) ORDER BY r.claim
ON CONFLICT (claim) DO NOTHING;

-- name: referrers
SELECT target, array_agg(DISTINCT item_id) AS items FROM item_reference WHERE target = ANY($1::bytea[]) GROUP BY target;

-- name: holder_of_hint
SELECT item_id FROM unique_hint WHERE claim = $1;

-- What is open about items that are held: the item waits in it, alone or with others.
-- name: holding_conflicts
SELECT item_id, coalesce(group_id, id) AS group_id, claim
FROM conflict
WHERE item_id = ANY($1::uuid[]) AND state = 'open' AND claim IS NOT NULL;
