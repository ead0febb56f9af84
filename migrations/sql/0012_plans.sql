-- Changes of the registry that take items with them: which of them is under way, and what became of it.

-- One row for each registry version that a plan made. `predicted` and `actual`: see server/usecases/registry_reports.py.
-- `rank`, `grid_id` and `after_id` say how far the items were followed: the place in the order of types, the grid, the
-- last item of it. `total`: how many items were to be looked at, `looked` how many were, `moved` and `unplaced` what
-- became of them.
CREATE TABLE registry_move (
    version integer PRIMARY KEY REFERENCES registry_version,
    predicted jsonb NOT NULL,
    actual jsonb,
    total integer NOT NULL,
    looked integer NOT NULL DEFAULT 0,
    moved integer NOT NULL DEFAULT 0,
    unplaced integer NOT NULL DEFAULT 0,
    rank integer NOT NULL DEFAULT 0,
    grid_id uuid,
    after_id uuid,
    began_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

CREATE UNIQUE INDEX registry_move_unfinished ON registry_move ((true)) WHERE finished_at IS NULL;

-- How many items of a type went from which grid where; `to_grid` is the nil id where no successor has them.
CREATE TABLE registry_move_count (
    version integer NOT NULL REFERENCES registry_move,
    from_grid uuid NOT NULL,
    to_grid uuid NOT NULL,
    type text NOT NULL,
    items integer NOT NULL,
    PRIMARY KEY (version, from_grid, to_grid, type)
);

-- `move`: the registry changed, and the item with it.
ALTER TABLE revision DROP CONSTRAINT revision_op_check;

ALTER TABLE revision ADD CONSTRAINT revision_op_check
    CHECK (op IN ('create', 'update', 'delete', 'resolve', 'undo', 'erase', 'move'));

-- The registry version that the device last said it has.
ALTER TABLE device ADD COLUMN registry integer;
