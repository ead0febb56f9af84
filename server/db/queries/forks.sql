-- Devices that were restored from a backup, and the ones that they are since.
-- name: forked_set_known
SELECT EXISTS (SELECT FROM forked_set WHERE device_id = $1 AND no = $2 AND hash = $3);

-- name: fork_of
SELECT id, enrolled_at FROM device WHERE forked_from = $1 AND fork_install = $2;

-- How many of a person's devices were made so lately, and in how many seconds the oldest of them counts no more.
-- name: recent_forks
SELECT count(*), ceil(extract(epoch FROM min(enrolled_at) + $2::interval - now()))::integer
FROM device
WHERE user_id = $1 AND forked_from IS NOT NULL AND enrolled_at > now() - $2::interval;

-- What it writes is dated as what the first one wrote: not before that one had last sent everything.
-- name: insert_fork
INSERT INTO device (id, user_id, name, platform, app, forked_from, fork_install, drained_at)
SELECT $2, d.user_id, $4, $5, $6, d.id, $3, coalesce(d.drained_at, d.enrolled_at)
FROM device d
WHERE d.id = $1
RETURNING enrolled_at;
