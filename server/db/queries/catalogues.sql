-- name: current_catalogue
SELECT version FROM catalogue ORDER BY place DESC LIMIT 1;

-- name: catalogue_documents
SELECT document FROM catalogue ORDER BY place DESC;

-- name: published_catalogue
SELECT document FROM catalogue WHERE version = $1;

-- name: lock_catalogues
LOCK TABLE catalogue IN SHARE ROW EXCLUSIVE MODE;

-- name: insert_catalogue
INSERT INTO catalogue (place, version, document, published_by, reason)
SELECT coalesce(max(place), 0) + 1, $1, $2, $3, $4 FROM catalogue;

-- Items that are not deleted, of these types.
-- name: items_of_types
SELECT count(*) FROM item WHERE type = ANY ($1::text[]) AND NOT deleted;

-- name: offices_of_departments
SELECT count(*) FROM organisation WHERE department = ANY ($1::text[]);
