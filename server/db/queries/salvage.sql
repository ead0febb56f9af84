-- Of items at a revision ($1: item, version, rev) those that no revision tells and nobody has brought yet.
-- name: unknown_revisions
SELECT r.item, r.version, r.rev
FROM jsonb_to_recordset($1) AS r (item uuid, version integer, rev bigint)
WHERE NOT EXISTS (
        SELECT FROM revision v WHERE v.item_id = r.item AND v.version = r.version AND v.rev = r.rev
    )
    AND NOT EXISTS (
        SELECT FROM quarantine q
        WHERE q.outcome = 'salvaged' AND q.item_id = r.item AND q.item_version = r.version AND q.item_rev = r.rev
    );

-- name: insert_salvage
INSERT INTO quarantine (
    id, device_id, epoch, item_id, item_version, item_rev, author_id, outcome, code, sealed, wrapped, received_at
)
SELECT
    r.id, r.device_id, r.epoch, r.item_id, r.item_version, r.item_rev, r.author_id, 'salvaged', r.code, r.sealed,
    r.wrapped, r.received_at
FROM jsonb_to_recordset($1) AS r (
    id uuid, device_id uuid, epoch text, item_id uuid, item_version integer, item_rev bigint, author_id uuid, code text,
    sealed bytea, wrapped bytea, received_at timestamptz
)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: held_salvage
SELECT q.id, q.device_id, q.epoch, q.item_id, q.item_version, q.item_rev, q.author_id, q.code, q.received_at
FROM quarantine q
WHERE q.outcome = 'salvaged' AND q.state = 'held' AND ($1::uuid IS NULL OR q.id > $1)
ORDER BY q.id LIMIT $2;

-- name: sealed_salvage
SELECT id, sealed, wrapped FROM quarantine WHERE id = $1 AND outcome = 'salvaged' AND wrapped IS NOT NULL;

-- What was brought and could not be read: nobody knows which item it is about.
-- name: unreadable_salvage
SELECT id, sealed, wrapped FROM quarantine
WHERE outcome = 'salvaged' AND item_id IS NULL AND wrapped IS NOT NULL;

-- Salvage of erased items ($1), and such as was found to name one ($2).
-- name: destroy_salvage
UPDATE quarantine SET state = 'discarded', sealed = NULL, wrapped = NULL
WHERE outcome = 'salvaged' AND (item_id = ANY($1::uuid[]) OR id = ANY($2::uuid[])) AND wrapped IS NOT NULL
RETURNING id;
