-- Nobody decides a change set while an epoch begins: whoever holds a counter is waited for, the others wait.
-- name: hold_counters
LOCK TABLE counter IN EXCLUSIVE MODE;

-- name: insert_epoch
INSERT INTO epoch (id, reason) VALUES ($1, $2);

-- name: epoch_now
SELECT seq, id, began_at, reason FROM epoch ORDER BY seq DESC LIMIT 1;

-- name: every_epoch
SELECT seq, id, began_at, reason FROM epoch ORDER BY seq;

-- name: knows_epoch
SELECT EXISTS (SELECT FROM epoch WHERE id = $1);

-- name: went_back
SELECT count(*) > 1 FROM epoch;

-- What only ever grows: the positions handed out and the numbers decided.
-- name: growth
SELECT
    (SELECT coalesce(sum(head), 0)::bigint FROM stream) AS positions,
    (SELECT coalesce(sum(last_no), 0)::bigint FROM counter) AS numbers,
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database;

-- Not every database service lets these be asked.
-- name: cluster
SELECT
    (SELECT system_identifier::text FROM pg_control_system()) AS system,
    ('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8))::bit(32)::integer AS timeline,
    (pg_current_wal_flush_lsn() - '0/0')::bigint AS lsn;

-- name: lock_witness
SELECT pg_advisory_xact_lock($1);

-- name: life_floor
-- Put into other statements: where an epoch's counts begin that a phone compares and that stand for more than themselves
-- (touch of items, version of notices). A lost life of the database may have counted to the same number for something
-- else, so what counts on after a restore begins at the millisecond in which its epoch began, and nothing is counted
-- faster than that; in the first epoch at 0.
(SELECT CASE
    WHEN seq > 1 THEN floor(extract(epoch FROM began_at - timestamptz '2024-01-01 00:00Z') * 1000)::bigint ELSE 0
END
FROM epoch ORDER BY seq DESC LIMIT 1)
