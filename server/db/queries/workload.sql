-- How much waits, without reading any of it; {list} is a queue's own statement, so that a number never says anything
-- else than its list does.

-- name: count_reviews
SELECT count(*) AS waiting, count(*) FILTER (WHERE q.urgency_level < 3) AS pressing FROM ({list}) q;

-- name: count_cases
SELECT q.state, count(*) AS number FROM ({list}) q GROUP BY q.state;
