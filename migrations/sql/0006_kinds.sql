-- Further conflict kinds, references and duplicate claims.

-- op: what the parked change is. hint: what a duplicate has in common with its twin, see unique_hint. step and note: a
-- step of a case that waits, and what its author wrote about it, sealed under the item's key.
ALTER TABLE conflict
    ADD COLUMN op text NOT NULL DEFAULT 'update' CHECK (op IN ('create', 'update', 'delete', 'transition')),
    ADD COLUMN base_unknown boolean NOT NULL DEFAULT false,
    ADD COLUMN group_id uuid,
    ADD COLUMN hint bytea,
    ADD COLUMN step jsonb,
    ADD COLUMN note bytea;

UPDATE conflict SET op = CASE kind WHEN 'code' THEN 'create' ELSE 'delete' END WHERE kind IN ('code', 'delete_update');

CREATE INDEX conflict_group ON conflict (group_id) WHERE group_id IS NOT NULL;

CREATE INDEX conflict_hint ON conflict (hint) WHERE hint IS NOT NULL;

-- Which live items refer to which: target is a blind index of the item's id, for a reference may be a marked value.
CREATE TABLE item_reference (
    item_id uuid NOT NULL,
    field text NOT NULL,
    target bytea NOT NULL,
    PRIMARY KEY (item_id, field)
);

CREATE INDEX item_reference_target ON item_reference (target);

-- The one item that holds what must be unique: a blind index over its type and the values of a strong duplicate key.
-- Not a foreign key: whoever hands a hint on must not wait for the item's lock.
CREATE TABLE unique_hint (
    claim bytea PRIMARY KEY,
    item_id uuid NOT NULL
);

CREATE INDEX unique_hint_item ON unique_hint (item_id);
