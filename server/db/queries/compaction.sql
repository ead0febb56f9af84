-- What is left of an erased item stays: it tells a phone that was away to forget all that it has of it.
-- name: streams_to_compact
SELECT f.stream_id
FROM feed f
WHERE NOT f.present AND f.absent_since < $1
    AND NOT EXISTS (SELECT FROM item i WHERE i.id = f.object_id AND i.erased_at IS NOT NULL)
GROUP BY f.stream_id
ORDER BY f.stream_id
LIMIT $2;

-- name: lock_stream
SELECT FROM stream WHERE id = $1 FOR UPDATE;

-- Heads and digests stay as they are: an absence adds nothing to a digest, and no position is handed out again.
-- name: compact_stream
WITH old AS (
    SELECT f.object_id
    FROM feed f
    WHERE f.stream_id = $1 AND NOT f.present AND f.absent_since < $2
        AND NOT EXISTS (SELECT FROM item i WHERE i.id = f.object_id AND i.erased_at IS NOT NULL)
    ORDER BY f.position
    LIMIT $3
), gone AS (
    DELETE FROM feed f USING old WHERE f.stream_id = $1 AND f.object_id = old.object_id RETURNING f.position
), raised AS (
    UPDATE stream SET gc_floor = greatest(gc_floor, (SELECT max(position) FROM gone))
    WHERE id = $1 AND EXISTS (SELECT FROM gone)
)
SELECT count(*)::integer FROM gone;
