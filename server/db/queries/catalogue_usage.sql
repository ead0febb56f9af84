-- What devices that are in use last said; null for those that have not said it yet.
-- name: devices_by_catalogue
SELECT d.catalogue, count(*) AS devices, max(d.last_exchange_at) AS last
FROM device d JOIN users u ON u.id = d.user_id
WHERE d.revoked_at IS NULL AND u.left_at IS NULL
GROUP BY d.catalogue;

-- name: revisions_by_catalogue
SELECT catalogue, count(*) AS changes, max(received_at) AS last FROM revision GROUP BY catalogue;

-- name: held_by_catalogue
SELECT count(*) FROM quarantine WHERE state = 'held' AND code IN ('catalogue_too_old', 'catalogue_unknown');
