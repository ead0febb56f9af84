-- name: claim_installation
INSERT INTO installation (master_key_check) VALUES ($1)
ON CONFLICT (singleton) DO UPDATE SET master_key_check = installation.master_key_check
RETURNING master_key_check = $1 AS matches;

-- name: begin_first_epoch
INSERT INTO epoch (id, reason) SELECT $1, 'first start' WHERE NOT EXISTS (SELECT FROM epoch);

-- name: schema_revision
SELECT version_num FROM alembic_version;
