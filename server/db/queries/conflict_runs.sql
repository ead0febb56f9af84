-- The unfinished run that is asked for in the same words, else a new one ($1).
-- name: begin_conflict_run
INSERT INTO conflict_run (id, actor_id, asked, reason, opened_before, started_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (actor_id, asked, reason) WHERE finished_at IS NULL DO UPDATE SET reason = excluded.reason
RETURNING id, opened_before, id <> $1 AS resumed;

-- name: finish_conflict_run
UPDATE conflict_run SET finished_at = $2 WHERE id = $1 AND finished_at IS NULL;

-- name: conflict_runs_between
SELECT r.id, count(l.conflict_id) AS settled
FROM conflict_run r LEFT JOIN conflict_run_line l ON l.run_id = r.id
WHERE r.id BETWEEN $1 AND $2
GROUP BY r.id
LIMIT 2;

-- name: count_run_lines
SELECT count(*) FROM conflict_run_line WHERE run_id = $1;

-- name: note_settled
INSERT INTO conflict_run_line (run_id, conflict_id, version)
SELECT $1, id, resolution_version FROM conflict WHERE id = ANY($2::uuid[])
ON CONFLICT (run_id, conflict_id) DO UPDATE SET version = excluded.version, undone = false;

-- name: note_undone
UPDATE conflict_run_line SET undone = true WHERE run_id = $1 AND conflict_id = ANY($2::uuid[]);

-- name: run_line_version
SELECT version FROM conflict_run_line WHERE run_id = $1 AND conflict_id = $2 AND NOT undone;

-- What a run settled and nobody has taken back, the last first, before a place in that order ($2).
-- name: run_lines
SELECT conflict_id, place FROM conflict_run_line
WHERE run_id = $1 AND NOT undone AND ($2::bigint IS NULL OR place < $2)
ORDER BY place DESC
LIMIT $3;
