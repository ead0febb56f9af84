-- name: insert_link
INSERT INTO item_link (loser, winner, winner_version, conflict_id, linked_at) VALUES ($1, $2, $3, $4, $5);

-- name: delete_link
DELETE FROM item_link WHERE loser = $1;

-- Each of these items that is a loser, with the winner at the end of its way.
-- name: winners_of
WITH RECURSIVE way AS (
    SELECT loser AS first, winner, winner_version, 1 AS step FROM item_link WHERE loser = ANY($1::uuid[])
    UNION ALL
    SELECT w.first, l.winner, l.winner_version, w.step + 1 FROM way w JOIN item_link l ON l.loser = w.winner
)
SELECT DISTINCT ON (first) first AS loser, winner, winner_version FROM way ORDER BY first, step DESC;

-- Whether an edit of the loser was carried to a winner since they were linked, applied or waiting for a person.
-- name: was_carried
WITH RECURSIVE way AS (
    SELECT winner FROM item_link WHERE loser = $1
    UNION ALL
    SELECT l.winner FROM way w JOIN item_link l ON l.loser = w.winner
)
SELECT EXISTS (
    SELECT FROM way w JOIN revision r ON r.item_id = w.winner WHERE r.derivation -> 'linked' ->> 'from' = $1::uuid::text
) OR EXISTS (
    SELECT FROM way w JOIN conflict c ON c.item_id = w.winner WHERE c.linked_from = $1
);

-- name: settlement_of_conflict
SELECT r.derivation
FROM conflict c JOIN revision r ON r.item_id = c.item_id AND r.version = c.resolution_version
WHERE c.id = $1;
