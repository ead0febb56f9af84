-- name: database_settings
SELECT
    current_setting('server_version_num')::integer AS version, current_setting('server_encoding') AS encoding,
    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit, current_setting('autovacuum') AS autovacuum,
    current_setting('max_connections')::integer AS connections_allowed,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::integer AS connections,
    (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database())::bigint AS oldest_xid,
    '网格' ~ '^[[:alpha:]]+$' AS knows_chinese, clock_timestamp() AS at;

-- Tables of which more than half is dead, and that is not little.
-- name: unvacuumed_tables
SELECT relname AS name, n_dead_tup AS dead FROM pg_stat_user_tables
WHERE n_dead_tup > 100000 AND n_dead_tup > n_live_tup
ORDER BY n_dead_tup DESC;

-- name: last_backups
SELECT
    max(at) AS made, max(at) FILTER (WHERE detail ->> 'proof' = 'restored') AS proved
FROM audit WHERE subject_kind = 'backup' AND action = 'backup.made';

-- Since when the oldest set waits to be in a verified backup: the first of each device that is in none.
-- name: oldest_unsafe_set
SELECT min(s.received_at) AS at FROM counter c
CROSS JOIN LATERAL (
    SELECT received_at FROM change_set
    WHERE device_id = c.device_id AND epoch = c.epoch AND no > c.safe_no ORDER BY no LIMIT 1
) s
WHERE c.last_no > c.safe_no;

-- name: work_of_jobs
SELECT
    (SELECT max(last_run) FROM pgqueuer_schedules) AS last_run,
    (SELECT min(execute_after) FROM pgqueuer WHERE status = 'queued') AS oldest_queued,
    (SELECT count(*) FROM pgqueuer_log
        WHERE status IN ('exception', 'failed') AND created > now() - interval '1 day')::integer AS failed,
    (SELECT min(u.created_at) FROM upload u WHERE u.state = 'stored') AS oldest_unchecked;

-- Some streams, and what their entries add up to; all in one snapshot.
-- name: sampled_streams
SELECT s.key, s.digest, s.head, coalesce(f.digest, 0) AS recomputed, coalesce(f.head, 0) AS reached
FROM (SELECT id, key, digest, head FROM stream WHERE head > 0 ORDER BY random() LIMIT $1) s
CROSS JOIN LATERAL (
    SELECT bit_xor(hash) FILTER (WHERE present) AS digest, max(position) AS head FROM feed WHERE stream_id = s.id
) f;

-- name: people_and_devices
SELECT
    (SELECT count(*) FROM device d JOIN users u ON u.id = d.user_id
        WHERE d.revoked_at IS NULL AND u.left_at IS NULL)::integer AS devices,
    (SELECT count(*) FROM device d JOIN users u ON u.id = d.user_id
        WHERE d.revoked_at IS NULL AND u.left_at IS NULL
            AND coalesce(d.last_exchange_at, d.enrolled_at) < now() - interval '14 days')::integer AS silent,
    (SELECT count(*) FROM device d JOIN users u ON u.id = d.user_id
        WHERE d.revoked_at IS NULL AND u.left_at IS NULL AND d.unsent > 0
            AND coalesce(d.last_exchange_at, d.enrolled_at) < now() - interval '3 days')::integer AS unsent,
    ARRAY(SELECT DISTINCT a.role FROM assignment a
        WHERE a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())) AS roles;

-- name: grids_past_their_last_day
SELECT code FROM grid_label
WHERE to_version IS NULL AND valid_to < (now() AT TIME ZONE 'Asia/Shanghai')::date
ORDER BY code;

-- name: waiting_for_people
SELECT
    (SELECT count(*) FROM quarantine WHERE state = 'held')::integer AS held,
    (SELECT min(received_at) FROM quarantine WHERE state = 'held') AS held_since,
    (SELECT count(*) FROM conflict WHERE state = 'open')::integer AS conflicts,
    (SELECT min(opened_at) FROM conflict WHERE state = 'open') AS open_since;
