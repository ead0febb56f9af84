-- That no set is stored twice is told by the primary key of `change_set`, written in the same transaction as the
-- revisions of the set; nobody looks a revision up by its place in a set.
DROP INDEX revision_change;

-- Sealed bytes cannot be compressed, so nobody need try.
ALTER TABLE change_set ALTER COLUMN sealed SET STORAGE EXTERNAL;

ALTER TABLE forked_set ALTER COLUMN sealed SET STORAGE EXTERNAL;
