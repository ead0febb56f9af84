-- Epochs that follow one another, backups, salvage.

-- Which pair of its tokens a session has come to; null where that was not counted yet.
ALTER TABLE session ADD COLUMN generation integer;

-- Salvage: an item as a device still holds it and no revision tells it any more. The body is sealed under a key of its
-- own, like a raw set; one that cannot be read names no item.
ALTER TABLE quarantine
    ALTER COLUMN set_no DROP NOT NULL,
    ADD COLUMN item_version integer,
    ADD COLUMN item_rev bigint,
    ADD COLUMN sealed bytea,
    ADD COLUMN wrapped bytea,
    DROP CONSTRAINT quarantine_outcome_check,
    ADD CHECK (outcome IN ('quarantined', 'rejected', 'forked', 'salvaged')),
    ADD CHECK (set_no IS NOT NULL OR outcome = 'salvaged');

CREATE UNIQUE INDEX quarantine_salvage ON quarantine (item_id, item_version, item_rev) WHERE outcome = 'salvaged';
