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

-- Each of these items with all that are one with it, itself included: winners and losers, over others too.
-- name: families_of
WITH RECURSIVE family AS (
    SELECT named AS first, named AS id FROM unnest($1::uuid[]) AS named
    UNION
    SELECT f.first, k.other
    FROM family f
    JOIN (SELECT loser AS one, winner AS other FROM item_link UNION ALL SELECT winner, loser FROM item_link) k
        ON k.one = f.id
)
SELECT first, id FROM family;

-- Whether an edit of the loser, or of what was linked with it before, was carried to a winner since they were linked,
-- applied or waiting for a person. Of a step it is not written down whose it was.
-- name: was_carried
WITH RECURSIVE way AS (
    SELECT winner, linked_at FROM item_link WHERE loser = $1
    UNION
    SELECT l.winner, w.linked_at FROM way w JOIN item_link l ON l.loser = w.winner
), written_of AS (
    SELECT $1::uuid AS id
    UNION
    SELECT l.loser FROM written_of o JOIN item_link l ON l.winner = o.id
)
SELECT EXISTS (
    SELECT FROM way w JOIN revision r ON r.item_id = w.winner
    WHERE r.derivation -> 'linked' ->> 'from' = ANY(ARRAY(SELECT o.id::text FROM written_of o))
) OR EXISTS (
    SELECT FROM way w JOIN conflict c ON c.item_id = w.winner
    WHERE c.linked_from = ANY(ARRAY(SELECT o.id FROM written_of o))
) OR EXISTS (
    SELECT FROM way w JOIN case_step s ON s.item_id = w.winner WHERE s.detail ? 'linked' AND s.at >= w.linked_at
);

-- name: is_loser
SELECT EXISTS (SELECT FROM item_link WHERE loser = $1);

-- name: settlement_of_conflict
SELECT r.derivation
FROM conflict c JOIN revision r ON r.item_id = c.item_id AND r.version = c.resolution_version
WHERE c.id = $1;
