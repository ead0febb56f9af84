-- Older apps, forked devices, clocks.

-- A phone that was restored from its backup goes on under an id of its own; `fork_install`: what its app calls itself
-- since. The other copy, if there is one, goes on as the device that it was.
ALTER TABLE device ADD COLUMN forked_from uuid REFERENCES device, ADD COLUMN fork_install text;

CREATE UNIQUE INDEX device_fork ON device (forked_from, fork_install) WHERE forked_from IS NOT NULL;

-- By how many seconds the phone's wall clock was ahead (or, below zero, behind) of when the server thinks the capture
-- was; null where the two agree within a few minutes.
ALTER TABLE revision ADD COLUMN skew bigint;
