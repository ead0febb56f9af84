-- The audit trail in chains (docs/adr/0032). A job links each new row to the one before it of the same chain, and seals
-- what it linked at one time; whoever writes a row waits for nobody.

CREATE INDEX audit_at ON audit (at);

-- What was linked at one time. `links_hash` is over the hashes of those links in their places, `hash` over that and the
-- seal before. `audit_id`: the greatest that is linked here, null for a seal of change sets; only a hint for the job.
CREATE TABLE audit_seal (
    no bigint PRIMARY KEY,
    epoch text NOT NULL,
    sealed_at timestamptz NOT NULL,
    links integer NOT NULL,
    links_hash bytea NOT NULL,
    hash bytea NOT NULL,
    audit_id bigint
);

CREATE INDEX audit_seal_time ON audit_seal (sealed_at);

-- One chain for each person who acts, each device, and the system itself: of rows of the trail, and of the change sets
-- that a device sent. `row_hash` is over the row or set, `hash` over that and the link before.
CREATE TABLE audit_link (
    chain text NOT NULL,
    seq bigint NOT NULL,
    seal_no bigint NOT NULL,
    place integer NOT NULL,
    audit_id bigint UNIQUE,
    device_id uuid,
    epoch text,
    set_no bigint,
    row_hash bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (chain, seq),
    CHECK (num_nonnulls(audit_id, set_no) = 1 AND num_nulls(device_id, epoch, set_no) IN (0, 3))
);

CREATE UNIQUE INDEX audit_link_seal ON audit_link (seal_no, place);

CREATE UNIQUE INDEX audit_link_set ON audit_link (device_id, epoch, set_no) WHERE set_no IS NOT NULL;

-- Since when an epoch has a checkpoint in the object store: one that is gone is then missed.
CREATE TABLE audit_checkpoint (
    epoch text PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION only_ever_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION only_ever_added();

CREATE TRIGGER audit_seal_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION only_ever_added();

CREATE TRIGGER audit_link_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION only_ever_added();

CREATE TRIGGER audit_checkpoint_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION only_ever_added();

-- By which version of the catalogue the device last said that its app writes.
ALTER TABLE device ADD COLUMN catalogue text;

CREATE INDEX quarantine_held ON quarantine (received_at, id) WHERE state = 'held';
