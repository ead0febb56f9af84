-- Many conflicts settled alike: a run, and a line for each conflict that it settled.

-- `asked`: which conflicts were meant and what was taken, as a person asked; while a run is not finished, the same person
-- asking the same for the same reason goes on with it. Conflicts opened from `opened_before` on are no part of it.
CREATE TABLE conflict_run (
    id uuid PRIMARY KEY,
    actor_id uuid NOT NULL REFERENCES users,
    asked jsonb NOT NULL,
    reason text NOT NULL,
    opened_before timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz
);

CREATE UNIQUE INDEX conflict_run_unfinished ON conflict_run (actor_id, asked, reason) WHERE finished_at IS NULL;

-- Written in the transaction that settles the conflict. `version`: the revision that did; a later settlement is not the
-- run's to take back.
CREATE TABLE conflict_run_line (
    run_id uuid NOT NULL REFERENCES conflict_run,
    conflict_id uuid NOT NULL REFERENCES conflict,
    place bigint GENERATED ALWAYS AS IDENTITY,
    version integer NOT NULL,
    undone boolean NOT NULL DEFAULT false,
    PRIMARY KEY (run_id, conflict_id)
);

CREATE INDEX conflict_run_line_place ON conflict_run_line (run_id, place);

-- Items that a person found to be one: what is written of the loser belongs to the winner. `winner_version`: the winner's
-- when they were linked. A winner may be another link's loser.
CREATE TABLE item_link (
    loser uuid PRIMARY KEY,
    winner uuid NOT NULL CHECK (winner <> loser),
    winner_version integer NOT NULL,
    conflict_id uuid NOT NULL REFERENCES conflict,
    linked_at timestamptz NOT NULL
);

-- The loser of which an edit was carried to the item that the conflict is about.
ALTER TABLE conflict ADD COLUMN linked_from uuid;
