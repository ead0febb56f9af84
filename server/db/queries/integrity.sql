-- Rows that refer to what is not there, by reference: what foreign keys would refuse (docs/adr/0025).
-- name: dangling
SELECT 'item.grid_id' AS reference, count(*) AS rows FROM item t
WHERE grid_id IS NOT NULL AND NOT EXISTS (SELECT FROM grid g WHERE g.id = t.grid_id)
UNION ALL
SELECT 'item.author_id', count(*) FROM item t WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = t.author_id)
UNION ALL
SELECT 'revision.item_id', count(*) FROM revision t WHERE NOT EXISTS (SELECT FROM item i WHERE i.id = t.item_id)
UNION ALL
SELECT 'item_search.item_id', count(*) FROM item_search t WHERE NOT EXISTS (SELECT FROM item i WHERE i.id = t.item_id)
UNION ALL
SELECT 'feed.stream_id', count(*) FROM feed t WHERE NOT EXISTS (SELECT FROM stream s WHERE s.id = t.stream_id)
UNION ALL
SELECT 'review.item_id', count(*) FROM review t WHERE NOT EXISTS (SELECT FROM item i WHERE i.id = t.item_id)
UNION ALL
SELECT 'review.answers', count(*) FROM review t WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = t.answers)
UNION ALL
SELECT 'review_step.item_id', count(*) FROM review_step t WHERE NOT EXISTS (SELECT FROM review r WHERE r.item_id = t.item_id)
UNION ALL
SELECT 'cases.item_id', count(*) FROM cases t WHERE NOT EXISTS (SELECT FROM item i WHERE i.id = t.item_id)
UNION ALL
SELECT 'cases.organisation_id', count(*) FROM cases t
WHERE organisation_id IS NOT NULL AND NOT EXISTS (SELECT FROM organisation o WHERE o.id = t.organisation_id)
UNION ALL
SELECT 'cases.began_with', count(*) FROM cases t
WHERE began_with IS NOT NULL AND NOT EXISTS (SELECT FROM organisation o WHERE o.id = t.began_with)
UNION ALL
SELECT 'case_step.item_id', count(*) FROM case_step t WHERE NOT EXISTS (SELECT FROM cases c WHERE c.item_id = t.item_id)
UNION ALL
SELECT 'case_step.organisation_id', count(*) FROM case_step t
WHERE organisation_id IS NOT NULL AND NOT EXISTS (SELECT FROM organisation o WHERE o.id = t.organisation_id)
UNION ALL
SELECT 'evidence_link.item_id', count(*) FROM evidence_link t WHERE NOT EXISTS (SELECT FROM item i WHERE i.id = t.item_id)
UNION ALL
SELECT 'evidence_link.photo', count(*) FROM evidence_link t
WHERE NOT EXISTS (SELECT FROM evidence e WHERE e.sha256 = t.sha256 AND e.size = t.size);
