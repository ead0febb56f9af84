-- name: insert_audit
INSERT INTO audit (actor_id, action, subject_kind, subject_id, reason, detail, request_id)
SELECT actor_id, action, subject_kind, subject_id, reason, coalesce(detail, '{}'), request_id
FROM jsonb_to_recordset($1) AS act (
    actor_id uuid, action text, subject_kind text, subject_id text, reason text, detail jsonb, request_id text
);

-- name: lock_sealing
SELECT pg_advisory_xact_lock($1);

-- Ids are handed out before the commit, so a row may come to be seen after one with a greater id: the look goes back to
-- what had been linked an hour before the newest seal. What took longer is found by the nightly look over everything.
-- name: linked_long_ago
SELECT audit_id FROM audit_seal
WHERE audit_id IS NOT NULL AND sealed_at < (SELECT max(sealed_at) FROM audit_seal) - interval '1 hour'
ORDER BY sealed_at DESC LIMIT 1;

-- Looked up row by row (OFFSET 0): else the planner reads all links there are.
-- name: unsealed_rows
SELECT a.id, a.at, a.actor_id, a.action, a.subject_kind, a.subject_id, a.reason, a.detail, a.request_id
FROM audit a
WHERE a.id > $1 AND NOT EXISTS (SELECT FROM audit_link l WHERE l.audit_id = a.id OFFSET 0)
ORDER BY a.id LIMIT $2;

-- name: waiting_rows
SELECT count(*) AS number, min(a.at) AS at
FROM audit a
WHERE a.id > $1 AND NOT EXISTS (SELECT FROM audit_link l WHERE l.audit_id = a.id OFFSET 0);

-- name: heads_of_chains
SELECT w.chain, h.seq, h.hash
FROM unnest($1::text[]) AS w (chain)
CROSS JOIN LATERAL (
    SELECT l.seq, l.hash FROM audit_link l WHERE l.chain = w.chain ORDER BY l.seq DESC LIMIT 1
) h;

-- name: last_seal
SELECT no, epoch, sealed_at, links, links_hash, hash FROM audit_seal ORDER BY no DESC LIMIT 1;

-- name: find_seal
SELECT no, epoch, sealed_at, links, links_hash, hash FROM audit_seal WHERE no = $1;

-- name: last_seal_of
SELECT max(no) FROM audit_seal WHERE epoch = $1;

-- name: insert_seal
INSERT INTO audit_seal (no, epoch, sealed_at, links, links_hash, hash, audit_id) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: insert_links
INSERT INTO audit_link (seal_no, chain, seq, audit_id, device_id, epoch, set_no, row_hash, hash, place)
SELECT $1, t.*
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::bigint[], $8::bytea[], $9::bytea[])
    WITH ORDINALITY AS t;

-- name: note_checkpoint
INSERT INTO audit_checkpoint (epoch) VALUES ($1) ON CONFLICT DO NOTHING;

-- name: epochs_with_checkpoint
SELECT epoch FROM audit_checkpoint ORDER BY since;

-- name: count_links
SELECT count(*) FROM audit_link;

-- name: every_seal
SELECT no, epoch, sealed_at, links, links_hash, hash FROM audit_seal ORDER BY no;

-- name: every_link
SELECT l.chain, l.seq, l.audit_id, l.device_id, l.epoch, l.set_no, l.seal_no, l.row_hash, l.hash,
    a.id, a.at, a.actor_id, a.action, a.subject_kind, a.subject_id, a.reason, a.detail, a.request_id,
    s.hash AS set_hash, s.received_at, {revisions_of_set} AS changes
FROM audit_link l
LEFT JOIN audit a ON a.id = l.audit_id
LEFT JOIN change_set s ON s.device_id = l.device_id AND s.epoch = l.epoch AND s.no = l.set_no
ORDER BY l.seal_no, l.place;

-- name: revisions_of_set
-- A value put into other statements: what became of each change of the set s by its receipt, with the revision that it
-- names. Cutting receipts down and erasing items leave all of that.
(
    SELECT jsonb_agg(jsonb_build_array(
        o.said ->> 'item', o.said ->> 'outcome', o.said ->> 'code', o.said -> 'version', o.said ->> 'rev', r.rev, r.op,
        r.author_id
    ) ORDER BY o.place)
    FROM jsonb_array_elements(s.receipt -> 'outcomes') WITH ORDINALITY AS o (said, place)
    LEFT JOIN revision r ON r.item_id = (o.said ->> 'item')::uuid AND r.version = (o.said ->> 'version')::integer
)

-- name: unsealed_sets
-- A device's numbers have no gaps and commit with its counter, so what is linked is told by the last number linked.
SELECT s.device_id, s.epoch, s.no AS set_no, s.hash AS set_hash, s.received_at, {revisions_of_set} AS changes
FROM counter c
CROSS JOIN LATERAL (
    SELECT coalesce((
        SELECT l.set_no FROM audit_link l
        WHERE l.device_id = c.device_id AND l.epoch = c.epoch AND l.set_no IS NOT NULL
        ORDER BY l.set_no DESC LIMIT 1
    ), 0) AS no
) linked
CROSS JOIN LATERAL (
    SELECT * FROM change_set t
    WHERE t.device_id = c.device_id AND t.epoch = c.epoch AND t.no > linked.no ORDER BY t.no LIMIT $1
) s
WHERE c.last_no > linked.no
LIMIT $1;

-- name: sets_without_link
SELECT s.device_id, s.no AS set_no FROM change_set s
WHERE s.received_at < $1 AND NOT EXISTS (
    SELECT FROM audit_link l WHERE l.device_id = s.device_id AND l.epoch = s.epoch AND l.set_no = s.no
)
LIMIT $2;

-- name: rows_without_link
SELECT a.id, a.actor_id, a.subject_kind, a.subject_id
FROM audit a
WHERE a.at < $1 AND NOT EXISTS (SELECT FROM audit_link l WHERE l.audit_id = a.id)
ORDER BY a.id LIMIT $2;

-- name: exported_trail
WITH chosen AS MATERIALIZED (
    SELECT a.*
    FROM audit a
    WHERE ($1::timestamptz IS NULL OR a.at >= $1)
        AND ($2::timestamptz IS NULL OR a.at < $2)
        AND ($3::uuid IS NULL OR a.actor_id = $3)
        AND ($4::text IS NULL OR (a.subject_kind = 'device' AND a.subject_id = $4))
        AND ($5::text IS NULL OR a.action = $5 OR starts_with(a.action, $5 || '.'))
), span AS (
    SELECT l.chain, min(l.seq) AS low, max(l.seq) AS high
    FROM chosen c JOIN audit_link l ON l.audit_id = c.id
    GROUP BY l.chain
)
SELECT l.chain, l.seq, l.row_hash, l.hash, p.hash AS previous,
    c.id, c.at, c.actor_id, c.action, c.subject_kind, c.subject_id, c.reason, c.detail, c.request_id
FROM span s
JOIN audit_link l ON l.chain = s.chain AND l.seq BETWEEN s.low AND s.high
LEFT JOIN chosen c ON c.id = l.audit_id
LEFT JOIN audit_link p ON p.chain = l.chain AND p.seq = l.seq - 1
ORDER BY l.chain, l.seq;
