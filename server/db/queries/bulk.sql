-- name: begin_streams
INSERT INTO stream (key, head, digest)
SELECT r.key, r.head, r.digest FROM jsonb_to_recordset($1) AS r (key text, head bigint, digest bigint)
RETURNING key, id;

-- name: analyze_bulk
ANALYZE item_key, item, revision, evidence_link, review, review_step, cases, case_step, notice, stream, feed, item_search;
