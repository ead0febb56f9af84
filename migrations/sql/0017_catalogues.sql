-- Catalogues of item types that this installation works by: empty while it goes by the one that comes with the program.

-- `place`: 1, 2, 3 ... in the order in which they came to be current; the last is the current one. Those without
-- `published_by` came with the program that was in use when the first was published.
CREATE TABLE catalogue (
    place integer PRIMARY KEY,
    version text NOT NULL UNIQUE,
    document bytea NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    published_by uuid REFERENCES users,
    reason text
);
