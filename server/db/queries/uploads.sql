-- Uploads as tus resources: how far they have come, and moving them on.

-- name: own_upload
SELECT
    u.id, u.sha256, u.size, u.object_key, u.pieces, u.tail, u.received, u.state, u.expires_at,
    u.expires_at <= now() AS expired, e.state AS photo_state, e.refusal
FROM upload u JOIN evidence e USING (sha256, size)
WHERE u.id = $1 AND u.user_id = $2;

-- The one that is open, else the latest.
-- name: own_upload_of_photo
SELECT id FROM upload
WHERE sha256 = $1 AND size = $2 AND user_id = $3
ORDER BY state = 'open' DESC, created_at DESC, id
LIMIT 1;

-- It is done before it began, since the photo is here.
-- name: insert_needless_upload
INSERT INTO upload (id, sha256, size, user_id, device_id, object_key, state, expires_at, check_after)
VALUES ($1, $2, $3, $4, $5, $6, 'done', now(), now());

-- name: keep_upload_open
UPDATE upload SET expires_at = greatest(expires_at, $2), check_after = greatest(check_after, $2)
WHERE id = $1 AND state = 'open';

-- Pieces bear names that no other append gives, so equal lists are equal bytes: of two appends at once one finds the
-- list as it read it.
-- name: grow_upload
UPDATE upload SET
    pieces = $3, tail = $4, received = $5, expires_at = greatest(expires_at, $6), check_after = greatest(check_after, $6)
WHERE id = $1 AND pieces = $2::text[] AND state = 'open' AND expires_at > now()
RETURNING id;

-- name: restart_upload
UPDATE upload SET pieces = '{}', tail = 0, received = 0 WHERE id = $1 AND pieces = $2::text[] AND state = 'open';

-- name: let_uploads_end
UPDATE upload SET expires_at = least(expires_at, $1), check_after = least(check_after, $1) WHERE state = 'open';

-- name: end_open_upload
UPDATE upload SET state = 'done' WHERE id = $1 AND state = 'open' RETURNING object_key, pieces;
