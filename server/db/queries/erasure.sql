-- Erasing items. Whoever runs these holds the items' locks, against referrers too.

-- name: open_case_items
SELECT item_id FROM cases WHERE item_id = ANY($1::uuid[]) AND state = ANY($2::text[]);

-- Waits for whoever is erasing one of them. Such a lock shows a row as it was before the wait, so it is read again.
-- name: share_items
SELECT FROM item WHERE id = ANY($1::uuid[]) ORDER BY id FOR KEY SHARE;

-- name: erased_items
SELECT id FROM item WHERE id = ANY($1::uuid[]) AND erased_at IS NOT NULL;

-- name: destroy_item_keys
DELETE FROM item_key WHERE item_id = ANY($1::uuid[]);

-- name: blank_heads
UPDATE item i SET
    version = r.version, rev = r.rev, deleted = true, clear = r.clear, sealed = NULL, erased_at = r.at, updated_at = r.at
FROM jsonb_to_recordset($1) AS r (id uuid, version integer, rev bigint, clear jsonb, at timestamptz)
WHERE i.id = r.id;

-- name: blank_revisions
UPDATE revision SET clear = '{}', sealed = NULL, derivation = NULL, reason = NULL WHERE item_id = ANY($1::uuid[]);

-- name: blank_conflicts
UPDATE conflict SET clear = '{}', sealed = NULL, reason = NULL, note = NULL, hint = NULL WHERE item_id = ANY($1::uuid[]) RETURNING id;

-- name: drop_item_references
DELETE FROM item_reference WHERE item_id = ANY($1::uuid[]);

-- name: close_conflicts_of_erased
UPDATE conflict c SET
    state = 'resolved', version = c.version + 1, resolved_at = $2, resolved_by = $3, take = 'erased',
    resolution_version = i.version
FROM item i
WHERE c.item_id = ANY($1::uuid[]) AND c.state = 'open' AND i.id = c.item_id
RETURNING c.id;

-- name: close_notices_of_items
UPDATE notice SET open = false, version = version + 1
WHERE item_id = ANY($1::uuid[]) AND open
RETURNING id, user_id, kind, version, open;

-- name: blank_reviews
UPDATE review SET note = NULL, notes = NULL, asked_by = NULL, asked_tier = NULL WHERE item_id = ANY($1::uuid[]);

-- name: blank_review_steps
UPDATE review_step SET note = NULL, notes = NULL WHERE item_id = ANY($1::uuid[]);

-- name: blank_cases
UPDATE cases SET waiver = NULL WHERE item_id = ANY($1::uuid[]);

-- name: blank_case_steps
UPDATE case_step SET note = NULL WHERE item_id = ANY($1::uuid[]);

-- name: drop_search_terms
DELETE FROM item_search WHERE item_id = ANY($1::uuid[]);

-- Their photos, locked against whoever is about to link one: he waits, or this waits for him.
-- name: lock_photos_of_items
SELECT e.sha256, e.size FROM evidence e
WHERE (e.sha256, e.size) IN (SELECT l.sha256, l.size FROM evidence_link l WHERE l.item_id = ANY($1::uuid[]))
ORDER BY e.sha256, e.size
FOR UPDATE;

-- name: unlink_photos
DELETE FROM evidence_link WHERE item_id = ANY($1::uuid[]);

-- Of locked photos those that no item holds any more: what is known of their bytes is forgotten.
-- name: forget_photos
WITH loose AS (
    UPDATE evidence e SET
        state = 'declared', refusal = NULL, media_type = NULL, width = NULL, height = NULL, taken_at = NULL,
        place = NULL, verified_at = NULL
    FROM jsonb_to_recordset($1) AS p (sha256 bytea, size bigint)
    WHERE e.sha256 = p.sha256 AND e.size = p.size
        AND NOT EXISTS (SELECT FROM evidence_link l WHERE l.sha256 = e.sha256 AND l.size = e.size)
    RETURNING e.sha256, e.size
)
INSERT INTO erased_photo (sha256, size) SELECT sha256, size FROM loose
ON CONFLICT (sha256, size) DO UPDATE SET since = now(), removed = false
RETURNING sha256, size;

-- name: end_uploads_of_photos
UPDATE upload u SET state = 'done'
FROM jsonb_to_recordset($1) AS p (sha256 bytea, size bigint)
WHERE u.sha256 = p.sha256 AND u.size = p.size AND u.state <> 'done'
RETURNING u.object_key, u.pieces;

-- Photos whose bytes were to be removed by now.
-- name: overdue_erased_photos
SELECT sha256, size FROM erased_photo WHERE NOT removed AND since <= $1 ORDER BY since LIMIT $2;

-- name: erased_photos_among
SELECT p.sha256, p.size FROM erased_photo p
JOIN jsonb_to_recordset($1) AS a (sha256 bytea, size bigint) USING (sha256, size)
WHERE NOT EXISTS (SELECT FROM evidence_link l WHERE l.sha256 = p.sha256 AND l.size = p.size);

-- Keeps out whoever is about to link it or to send its bytes.
-- name: lock_photo_wholly
SELECT FROM evidence WHERE sha256 = $1 AND size = $2 FOR UPDATE;

-- name: marked_photo
SELECT e.state,
    EXISTS (SELECT FROM upload u WHERE u.sha256 = e.sha256 AND u.size = e.size AND u.state <> 'done') AS arriving
FROM erased_photo p JOIN evidence e USING (sha256, size)
WHERE p.sha256 = $1 AND p.size = $2;

-- name: unmark_photo
DELETE FROM erased_photo WHERE sha256 = $1 AND size = $2;

-- name: note_photo_removed
UPDATE erased_photo SET removed = true WHERE sha256 = $1 AND size = $2;

-- Raw sets --------------------------------------------------------------------------------------------------

-- The sets that are known to be about these items ($1, and $2 as texts), with the places of what they hold of others
-- and what stands nowhere else.
-- name: sets_about_items
WITH named AS (
    SELECT device_id, epoch, set_no AS no FROM revision WHERE item_id = ANY($1::uuid[]) AND set_no IS NOT NULL
    UNION
    SELECT device_id, epoch, set_no FROM conflict WHERE item_id = ANY($1::uuid[]) AND set_no IS NOT NULL
    UNION
    SELECT device_id, epoch, set_no FROM quarantine WHERE item_id = ANY($1::uuid[])
    UNION
    SELECT device_id, epoch, no FROM change_set
    WHERE NOT traced AND jsonb_path_query_array(receipt, '$.outcomes[*].item') ?| $2::text[]
), held AS (
    SELECT q.device_id, q.epoch, q.set_no AS no, array_agg(q.set_index) AS places
    FROM named n
    JOIN quarantine q ON (q.device_id, q.epoch, q.set_no) = (n.device_id, n.epoch, n.no)
    WHERE q.state = 'held' AND q.set_index IS NOT NULL AND (q.item_id IS NULL OR q.item_id <> ALL($1::uuid[]))
    GROUP BY q.device_id, q.epoch, q.set_no
)
SELECT s.device_id, s.epoch, s.no, s.hash, s.sealed, s.wrapped, coalesce(h.places, '{}') AS places, false AS whole
FROM named n
JOIN change_set s USING (device_id, epoch, no)
LEFT JOIN held h USING (device_id, epoch, no)
WHERE s.wrapped IS NOT NULL
ORDER BY s.device_id, s.epoch, s.no;

-- Sets of which it is not known what all they are about: kept whole, or with changes that could not be read.
-- name: sets_about_unknown
SELECT
    s.device_id, s.epoch, s.no, s.hash, s.sealed, s.wrapped, bool_or(q.set_index IS NULL) AS whole,
    coalesce(array_agg(h.set_index) FILTER (WHERE h.set_index IS NOT NULL), '{}') AS places
FROM quarantine q
JOIN change_set s ON (s.device_id, s.epoch, s.no) = (q.device_id, q.epoch, q.set_no)
LEFT JOIN quarantine h ON (h.device_id, h.epoch, h.set_no) = (s.device_id, s.epoch, s.no) AND h.state = 'held'
WHERE q.item_id IS NULL AND q.outcome <> 'forked' AND s.wrapped IS NOT NULL
GROUP BY s.device_id, s.epoch, s.no;

-- name: forked_sets
SELECT device_id, epoch, no, hash, sealed, wrapped, true AS whole, '{}'::integer[] AS places
FROM forked_set
WHERE wrapped IS NOT NULL;

-- name: reseal_sets
UPDATE change_set s SET sealed = r.sealed, wrapped = r.wrapped
FROM jsonb_to_recordset($1) AS r (device_id uuid, epoch text, no bigint, sealed bytea, wrapped bytea)
WHERE (s.device_id, s.epoch, s.no) = (r.device_id, r.epoch, r.no);

-- name: reseal_forks
UPDATE forked_set s SET sealed = r.sealed, wrapped = r.wrapped
FROM jsonb_to_recordset($1) AS r (device_id uuid, epoch text, no bigint, hash bytea, sealed bytea, wrapped bytea)
WHERE (s.device_id, s.epoch, s.no, s.hash) = (r.device_id, r.epoch, r.no, r.hash);

-- What was held of these items, and what was held in sets that can be read no more.
-- name: discard_quarantine
UPDATE quarantine q SET state = 'discarded'
WHERE q.state = 'held' AND (
    q.item_id = ANY($1::uuid[])
    OR q.outcome <> 'forked' AND EXISTS (
        SELECT FROM change_set s
        JOIN jsonb_to_recordset($2) AS r (device_id uuid, epoch text, no bigint) USING (device_id, epoch, no)
        WHERE (s.device_id, s.epoch, s.no) = (q.device_id, q.epoch, q.set_no) AND s.wrapped IS NULL
    )
    OR q.outcome = 'forked' AND EXISTS (
        SELECT FROM jsonb_to_recordset($3) AS r (device_id uuid, epoch text, no bigint)
        WHERE (r.device_id, r.epoch, r.no) = (q.device_id, q.epoch, q.set_no)
    ) AND NOT EXISTS (
        SELECT FROM forked_set s
        WHERE (s.device_id, s.epoch, s.no) = (q.device_id, q.epoch, q.set_no) AND s.wrapped IS NOT NULL
    )
)
RETURNING q.id;
