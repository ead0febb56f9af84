-- name: insert_audit
INSERT INTO audit (actor_id, action, subject_kind, subject_id, reason, detail, request_id)
SELECT actor_id, action, subject_kind, subject_id, reason, coalesce(detail, '{}'), request_id
FROM jsonb_to_recordset($1) AS act (
    actor_id uuid, action text, subject_kind text, subject_id text, reason text, detail jsonb, request_id text
);
