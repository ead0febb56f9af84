-- What is new without asking, compaction, directives.

-- Nothing new ---------------------------------------------------------------------------------------------

-- The transaction that last moved the head: the memory of a server process reads what was moved since its last look. In
-- no index, so that the rows, which are the hottest of all, are rewritten within their pages; these keep room for it.
ALTER TABLE stream ADD COLUMN stirred xid8 NOT NULL DEFAULT pg_current_xact_id();

ALTER TABLE stream SET (fillfactor = 60);

-- Whose sign-ins, devices, directives or assignments changed, and in which transaction last.
CREATE TABLE stirred_user (
    user_id uuid PRIMARY KEY,
    at xid8 NOT NULL
) WITH (fillfactor = 60);

CREATE FUNCTION stir_user(stirred uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO stirred_user (user_id, at) VALUES (stirred, pg_current_xact_id())
    ON CONFLICT (user_id) DO UPDATE SET at = excluded.at;
$$;

CREATE FUNCTION stir_holder() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stir_user(OLD.user_id);
    RETURN NULL;
END
$$;

CREATE FUNCTION stir_leaver() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stir_user(OLD.id);
    RETURN NULL;
END
$$;

CREATE TRIGGER session_stirs AFTER DELETE OR UPDATE OF access_hash, access_expires_at, ended_at ON session
    FOR EACH ROW WHEN (OLD.kind <> 'console') EXECUTE FUNCTION stir_holder();

CREATE TRIGGER device_stirs AFTER UPDATE OF user_id, revoked_at ON device
    FOR EACH ROW EXECUTE FUNCTION stir_holder();

CREATE TRIGGER users_stir AFTER UPDATE OF left_at ON users
    FOR EACH ROW EXECUTE FUNCTION stir_leaver();

-- Of many at once in one order, so that two who appoint many people do not wait for one another.
CREATE FUNCTION stir_assigned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stirred_user (user_id, at)
    SELECT DISTINCT user_id, pg_current_xact_id() FROM changed ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET at = excluded.at;
    RETURN NULL;
END
$$;

CREATE TRIGGER assignment_begins AFTER INSERT ON assignment REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION stir_assigned();

CREATE TRIGGER assignment_changes AFTER UPDATE ON assignment REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION stir_assigned();

CREATE TRIGGER assignment_goes AFTER DELETE ON assignment REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION stir_assigned();

-- Compaction and pruning ----------------------------------------------------------------------------------

-- Since when an entry is an absence; null while it is present.
ALTER TABLE feed ADD COLUMN absent_since timestamptz;

UPDATE feed SET absent_since = now() WHERE NOT present;

CREATE INDEX feed_absences ON feed (absent_since) WHERE NOT present;

-- Up to which number the device's receipts were cut down to what cannot be made again.
ALTER TABLE counter ADD COLUMN pruned bigint NOT NULL DEFAULT 0;

-- Directives ----------------------------------------------------------------------------------------------

-- What a device is asked to do itself; it says when it has.
CREATE TABLE directive (
    id uuid PRIMARY KEY,
    device_id uuid NOT NULL REFERENCES device,
    kind text NOT NULL CHECK (kind IN ('wipe', 'update_app')),
    reason text NOT NULL,
    created_by uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz
);

CREATE UNIQUE INDEX directive_open ON directive (device_id, kind) WHERE done_at IS NULL;

CREATE FUNCTION stir_directed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stir_user(user_id) FROM device WHERE id = NEW.device_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER directive_stirs AFTER INSERT OR UPDATE OF done_at ON directive
    FOR EACH ROW EXECUTE FUNCTION stir_directed();
