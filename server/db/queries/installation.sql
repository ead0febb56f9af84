-- A database with an epoch and without this row is a backup whose keys were not restored: it is nobody's to claim.
-- name: claim_installation
INSERT INTO installation (master_key_check, root_wrapped)
SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM epoch) OR EXISTS (SELECT FROM installation)
ON CONFLICT (singleton) DO UPDATE SET master_key_check = installation.master_key_check
RETURNING master_key_check, root_wrapped, master_key_since;

-- name: read_root
SELECT master_key_check, root_wrapped, master_key_since FROM installation;

-- name: lock_root
SELECT master_key_check, root_wrapped, master_key_since FROM installation FOR UPDATE;

-- name: wrap_root
UPDATE installation SET root_wrapped = $1;

-- name: change_master_key
UPDATE installation SET master_key_check = $1, root_wrapped = $2, master_key_since = $3;

-- name: begin_first_epoch
INSERT INTO epoch (id, reason) SELECT $1, 'first start' WHERE NOT EXISTS (SELECT FROM epoch);

-- name: schema_revision
SELECT version_num FROM alembic_version;
