-- Which grid became which, at which registry version.

-- What codes meant and where borders ran at a version is in grid_label, by its from_version and to_version; this table
-- says how grids came out of one another. `seq` orders the steps of one version, from 1. `split` and `merge` end their
-- predecessors and begin their successors; `renumber`, `redraw` and `move` name one grid on both sides; `retire` has no
-- successor, `new` no predecessor. Rows are only ever added.
CREATE TABLE lineage (
    version integer NOT NULL REFERENCES registry_version,
    seq integer NOT NULL CHECK (seq > 0),
    kind text NOT NULL,
    predecessors uuid[] NOT NULL,
    successors uuid[] NOT NULL,
    PRIMARY KEY (version, seq),
    CHECK (
        CASE kind
            WHEN 'new' THEN cardinality(predecessors) = 0 AND cardinality(successors) = 1
            WHEN 'split' THEN cardinality(predecessors) = 1 AND cardinality(successors) > 1
            WHEN 'merge' THEN cardinality(predecessors) > 1 AND cardinality(successors) = 1
            WHEN 'retire' THEN cardinality(predecessors) = 1 AND cardinality(successors) = 0
            WHEN 'renumber' THEN cardinality(predecessors) = 1 AND successors = predecessors
            WHEN 'redraw' THEN cardinality(predecessors) = 1 AND successors = predecessors
            WHEN 'move' THEN cardinality(predecessors) = 1 AND successors = predecessors
            ELSE false
        END
    )
);
