-- The first steps of a new item's review and case follow from what stands there already, so a push writes no rows for
-- them. They are told by views, which also tell what is in the tables: the steps of before, and all later ones.

-- `began_level`: the level that was asked when the item was submitted first, null where the step has a row.
-- `began_approved`: nobody had to be asked, and it was approved at once.
ALTER TABLE review ADD COLUMN began_level integer, ADD COLUMN began_approved boolean NOT NULL DEFAULT false;

-- The steps [action, from, to] that the case began with, and the organisation that had it then; null where these have
-- rows.
ALTER TABLE cases ADD COLUMN began jsonb, ADD COLUMN began_with uuid;

CREATE VIEW review_steps AS
SELECT item_id, seq, version, action, level, actor_id, reason, note, notes, at FROM review_step
UNION ALL
SELECT r.item_id, 1, 1, 'submitted', r.began_level, i.author_id, NULL, NULL, NULL, i.received_at
FROM review r JOIN item i ON i.id = r.item_id
WHERE r.began_level IS NOT NULL
UNION ALL
SELECT r.item_id, 2, 1, 'approved', 0, NULL, NULL, NULL, NULL, i.received_at
FROM review r JOIN item i ON i.id = r.item_id
WHERE r.began_approved;

CREATE VIEW case_steps AS
SELECT item_id, seq, action, from_state, to_state, actor_id, organisation_id, reason, note, detail, at FROM case_step
UNION ALL
SELECT
    c.item_id, b.seq::integer, b.step ->> 0, b.step ->> 1, b.step ->> 2, NULL, c.began_with, NULL, NULL, '{}'::jsonb,
    i.received_at
FROM cases c
JOIN item i ON i.id = c.item_id
CROSS JOIN LATERAL jsonb_array_elements(c.began) WITH ORDINALITY AS b (step, seq);

-- `traced`: each item that the receipt names has a revision that came with the set, so that the set is found by these.
-- Of most sets that is so; the others are found by their receipts, as before.
ALTER TABLE change_set ADD COLUMN traced boolean NOT NULL DEFAULT false;

DROP INDEX change_set_items;

CREATE INDEX change_set_items ON change_set USING gin (jsonb_path_query_array(receipt, '$.outcomes[*].item'))
    WHERE NOT traced;
