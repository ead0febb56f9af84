-- What came out of a grid is asked for every open conflict that may be about it.
CREATE INDEX lineage_predecessors ON lineage USING gin (predecessors);
