-- Lists in an order of their own, and the few rows of large tables that are still open: what is looked for there are
-- these, and an index of them alone costs little. By time alone, for ties of one instant are few.
CREATE INDEX evidence_link_time ON evidence_link (linked_at);

CREATE INDEX evidence_open ON evidence (sha256, size) WHERE state <> 'verified';

CREATE INDEX review_open ON review (item_id) WHERE state <> 'approved';

CREATE INDEX cases_asked ON cases (item_id) WHERE asked IS NOT NULL;

CREATE INDEX conflict_time ON conflict (opened_at, id);

CREATE INDEX quarantine_time ON quarantine (received_at, id);
