-- name: try_backup_lock
SELECT pg_try_advisory_lock($1);

-- name: export_snapshot
SELECT pg_export_snapshot();

-- name: tables
SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename;

-- name: table_exists
SELECT to_regclass('public.' || $1) IS NOT NULL;

-- The columns of a table in their order, and whether each belongs to its primary key.
-- name: columns
SELECT a.attname AS name, coalesce(a.attnum = ANY(i.indkey), false) AS key
FROM pg_attribute a
LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass('public.' || $1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum;

-- name: numbers_of_devices
SELECT device_id, epoch, last_no FROM counter WHERE epoch = (SELECT id FROM epoch ORDER BY seq DESC LIMIT 1);

-- Never lower than it was: an older backup may have been made for good.
-- name: raise_safe_numbers
UPDATE counter c SET safe_no = greatest(c.safe_no, least(r.last_no, c.last_no))
FROM jsonb_to_recordset($1) AS r (device_id uuid, epoch text, last_no bigint)
WHERE c.device_id = r.device_id AND c.epoch = r.epoch AND c.safe_no < r.last_no;

-- name: sample_of_items
SELECT i.id, k.wrapped, i.sealed FROM item i JOIN item_key k ON k.item_id = i.id
WHERE i.sealed IS NOT NULL
ORDER BY random() LIMIT $1;

-- Items whose key was destroyed after this database was dumped.
-- name: items_without_key
SELECT i.id FROM item i
WHERE i.erased_at IS NULL AND i.id > $1 AND NOT EXISTS (SELECT FROM item_key k WHERE k.item_id = i.id)
ORDER BY i.id LIMIT $2;

-- name: close_sets_without_key
UPDATE change_set SET sealed = NULL WHERE wrapped IS NULL AND sealed IS NOT NULL;

-- name: close_forks_without_key
UPDATE forked_set SET sealed = NULL WHERE wrapped IS NULL AND sealed IS NOT NULL;

-- name: close_salvage_without_key
UPDATE quarantine SET sealed = NULL, state = 'discarded' WHERE wrapped IS NULL AND sealed IS NOT NULL;

-- name: photos_of_database
SELECT sha256, size FROM evidence WHERE state IN ('stored', 'verified') ORDER BY sha256, size;

-- Photos that items name and nobody is sending; in no order, so that those that are nowhere hold up no others.
-- name: photos_to_adopt
SELECT e.sha256, e.size, min(i.author_id::text)::uuid AS author_id
FROM evidence e
JOIN evidence_link l USING (sha256, size)
JOIN item i ON i.id = l.item_id
WHERE e.state = 'declared'
    AND NOT EXISTS (SELECT FROM upload u WHERE u.sha256 = e.sha256 AND u.size = e.size AND u.state <> 'done')
GROUP BY e.sha256, e.size
ORDER BY random() LIMIT $1;

-- name: spare_erased_photos
UPDATE erased_photo SET since = $1 WHERE NOT removed;

-- What a database that is about to be replaced knows and a backup from before cannot.
-- name: erased_and_revoked
SELECT
    ARRAY(SELECT id FROM item WHERE erased_at IS NOT NULL) AS erased,
    ARRAY(SELECT id FROM device WHERE revoked_at IS NOT NULL) AS revoked;

-- name: forget_keys
DELETE FROM item_key WHERE item_id = ANY($1::uuid[]);

-- name: revoke_again
UPDATE device SET revoked_at = now() WHERE id = ANY($1::uuid[]) AND revoked_at IS NULL RETURNING id;
