-- The first schema. Statements are separated by a blank line after the semicolon.
-- 64-bit values that the wire shows as hexadecimal (rev, digest, hash) are stored as signed bigint.

-- One row for the installation: a wrong master key is told at once instead of at the first sealed value.
CREATE TABLE installation (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    master_key_check bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE epoch (
    seq integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    began_at timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL
);

-- Territory -----------------------------------------------------------------------------------------------

CREATE TABLE division (
    code text PRIMARY KEY CHECK (code ~ '^[0-9]{12}$'),
    parent text REFERENCES division,
    tier text NOT NULL CHECK (tier IN ('city', 'county', 'street', 'community')),
    name_zh text NOT NULL,
    name_en text NOT NULL DEFAULT ''
);

CREATE TABLE registry_version (
    version integer PRIMARY KEY,
    published_at timestamptz NOT NULL DEFAULT now(),
    note text NOT NULL
);

CREATE TABLE grid (
    id uuid PRIMARY KEY,
    from_version integer NOT NULL REFERENCES registry_version,
    to_version integer REFERENCES registry_version
);

-- A code is a label with a validity; it is never a key and never used again.
CREATE TABLE grid_label (
    grid_id uuid NOT NULL REFERENCES grid,
    from_version integer NOT NULL REFERENCES registry_version,
    to_version integer REFERENCES registry_version,
    code text NOT NULL UNIQUE CHECK (code ~ '^3411[0-9]{11}$'),
    community text NOT NULL REFERENCES division,
    kind text NOT NULL CHECK (kind IN ('general', 'temporary', 'dedicated')),
    name text NOT NULL,
    outline jsonb NOT NULL,
    synthetic boolean NOT NULL DEFAULT false,
    PRIMARY KEY (grid_id, from_version)
);

CREATE UNIQUE INDEX grid_label_current ON grid_label (grid_id) WHERE to_version IS NULL;

CREATE INDEX grid_label_code_prefix ON grid_label (code text_pattern_ops) WHERE to_version IS NULL;

CREATE TABLE organisation (
    id uuid PRIMARY KEY,
    department text NOT NULL,
    division text NOT NULL REFERENCES division,
    tier text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    UNIQUE (department, division)
);

-- People --------------------------------------------------------------------------------------------------

-- A login phone is found by its HMAC and kept sealed.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    phone_index bytea NOT NULL UNIQUE,
    phone_sealed bytea NOT NULL,
    password_hash text,
    failures integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    left_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE assignment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    role text NOT NULL,
    grid_id uuid REFERENCES grid,
    division text REFERENCES division,
    department text,
    valid_from timestamptz NOT NULL DEFAULT now(),
    valid_to timestamptz
);

CREATE INDEX assignment_user ON assignment (user_id);

CREATE INDEX assignment_grid ON assignment (grid_id) WHERE grid_id IS NOT NULL;

-- `drained_at`: the last exchange that left nothing to send; what the device sends later was written after it.
CREATE TABLE device (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    name text NOT NULL DEFAULT '',
    platform text NOT NULL DEFAULT '',
    app text NOT NULL DEFAULT '',
    enrolled_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    last_exchange_at timestamptz,
    drained_at timestamptz,
    unsent integer NOT NULL DEFAULT 0
);

CREATE INDEX device_user ON device (user_id);

CREATE TABLE enrolment_code (
    code_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    created_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    install text,
    device_id uuid REFERENCES device
);

-- `previous_hash`: the refresh token that this pair succeeded; it gives the same pair until the pair is first used.
CREATE TABLE session (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('device', 'user', 'console')),
    user_id uuid NOT NULL REFERENCES users,
    device_id uuid REFERENCES device,
    access_hash bytea NOT NULL UNIQUE,
    access_expires_at timestamptz NOT NULL,
    refresh_hash bytea UNIQUE,
    previous_hash bytea UNIQUE,
    refresh_expires_at timestamptz,
    pair_used boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

CREATE INDEX session_holder ON session (user_id);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor_id uuid,
    action text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    reason text,
    detail jsonb NOT NULL DEFAULT '{}',
    request_id text
);

CREATE INDEX audit_subject ON audit (subject_kind, subject_id);

CREATE INDEX audit_actor ON audit (actor_id, id);

-- Items ---------------------------------------------------------------------------------------------------

-- Apart from the item: a backup of the database leaves this table out, and erasing an item destroys its row here.
CREATE TABLE item_key (
    item_id uuid PRIMARY KEY,
    wrapped bytea NOT NULL
);

CREATE TABLE item (
    id uuid PRIMARY KEY,
    type text NOT NULL,
    grid_id uuid REFERENCES grid,
    stream_class text NOT NULL CHECK (stream_class IN ('grid', 'grid_restricted', 'author')),
    author_id uuid NOT NULL REFERENCES users,
    in_own_stream boolean NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    rev bigint NOT NULL,
    touch integer NOT NULL DEFAULT 0,
    deleted boolean NOT NULL DEFAULT false,
    urgency text NOT NULL,
    clear jsonb NOT NULL,
    sealed bytea,
    captured_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE INDEX item_grid ON item (grid_id, type);

CREATE INDEX item_author ON item (author_id);

-- Append-only. `clear` and `sealed` hold the values of `fields` alone; `sealed` also holds the capture.
CREATE TABLE revision (
    item_id uuid NOT NULL REFERENCES item,
    version integer NOT NULL,
    rev bigint NOT NULL,
    op text NOT NULL CHECK (op IN ('create', 'update', 'delete', 'resolve', 'undo')),
    author_id uuid NOT NULL,
    device_id uuid,
    epoch text,
    set_no bigint,
    set_index integer,
    base_version integer,
    fields text[] NOT NULL,
    clear jsonb NOT NULL,
    sealed bytea,
    grid_id uuid,
    derivation jsonb,
    reason text,
    catalogue text NOT NULL,
    registry integer NOT NULL,
    captured_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (item_id, version)
);

CREATE UNIQUE INDEX revision_change ON revision (device_id, epoch, set_no, set_index);

-- Replication ---------------------------------------------------------------------------------------------

-- `key` is the name on the wire: grid/<grid>, restricted/<grid>, own/<user>.
CREATE TABLE stream (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    head bigint NOT NULL DEFAULT 0,
    digest bigint NOT NULL DEFAULT 0,
    gc_floor bigint NOT NULL DEFAULT 0
);

CREATE TABLE feed (
    stream_id bigint NOT NULL REFERENCES stream,
    object_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('item', 'todo', 'parked', 'notice')),
    position bigint NOT NULL,
    present boolean NOT NULL,
    version integer NOT NULL,
    rev bigint NOT NULL,
    touch integer NOT NULL,
    hash bigint NOT NULL,
    PRIMARY KEY (stream_id, object_id)
);

CREATE UNIQUE INDEX feed_position ON feed (stream_id, position);

CREATE TABLE counter (
    device_id uuid NOT NULL REFERENCES device,
    epoch text NOT NULL REFERENCES epoch (id),
    last_no bigint NOT NULL DEFAULT 0,
    acknowledged bigint NOT NULL DEFAULT 0,
    safe_no bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (device_id, epoch)
);

-- The bytes as they came, sealed under a key of their own, and the answer they got.
CREATE TABLE change_set (
    device_id uuid NOT NULL REFERENCES device,
    epoch text NOT NULL,
    no bigint NOT NULL,
    hash bytea NOT NULL,
    sealed bytea NOT NULL,
    wrapped bytea NOT NULL,
    size integer NOT NULL,
    receipt jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (device_id, epoch, no)
);

-- A number used twice for different bytes: the bytes are kept beside the set that has the number.
CREATE TABLE forked_set (
    device_id uuid NOT NULL REFERENCES device,
    epoch text NOT NULL,
    no bigint NOT NULL,
    hash bytea NOT NULL,
    sealed bytea NOT NULL,
    wrapped bytea NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (device_id, epoch, no, hash)
);

-- `set_index` is null where the whole set is held.
CREATE TABLE quarantine (
    id uuid PRIMARY KEY,
    device_id uuid NOT NULL REFERENCES device,
    epoch text NOT NULL,
    set_no bigint NOT NULL,
    set_index integer,
    item_id uuid,
    author_id uuid,
    outcome text NOT NULL CHECK (outcome IN ('quarantined', 'rejected', 'forked')),
    code text NOT NULL,
    state text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'released', 'discarded')),
    received_at timestamptz NOT NULL
);

CREATE INDEX quarantine_item ON quarantine (item_id);

CREATE TABLE conflict (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    item_id uuid NOT NULL REFERENCES item,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved')),
    version integer NOT NULL DEFAULT 1,
    author_id uuid NOT NULL,
    device_id uuid,
    epoch text,
    set_no bigint,
    set_index integer,
    fields text[] NOT NULL,
    base_version integer,
    server_version integer NOT NULL,
    clear jsonb NOT NULL,
    sealed bytea,
    captured_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    resolved_at timestamptz,
    resolved_by uuid,
    take text,
    resolution_version integer,
    reason text
);

CREATE INDEX conflict_open ON conflict (opened_at, id) WHERE state = 'open';

CREATE INDEX conflict_item ON conflict (item_id);

-- Feed objects of a user's own stream that are not items.
CREATE TABLE notice (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind IN ('todo', 'parked', 'notice')),
    code text NOT NULL,
    item_id uuid NOT NULL REFERENCES item,
    conflict_id uuid REFERENCES conflict,
    version integer NOT NULL DEFAULT 1,
    open boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    UNIQUE (user_id, kind, code, item_id, conflict_id)
);

CREATE INDEX notice_item ON notice (item_id);

-- Evidence ------------------------------------------------------------------------------------------------

-- `taken_at` and `place` (sealed) are the camera's own claims.
CREATE TABLE evidence (
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    size bigint NOT NULL CHECK (size > 0),
    state text NOT NULL DEFAULT 'declared'
        CHECK (state IN ('declared', 'uploading', 'stored', 'verified', 'refused')),
    refusal text,
    media_type text,
    width integer,
    height integer,
    taken_at timestamptz,
    place bytea,
    declared_at timestamptz NOT NULL DEFAULT now(),
    verified_at timestamptz,
    PRIMARY KEY (sha256, size)
);

-- `version`: the revision that brought the photo, null where a step of the case did. `flags`: what the photo's own time
-- and place say against that claim; null until they were compared.
CREATE TABLE evidence_link (
    item_id uuid NOT NULL REFERENCES item,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    role text NOT NULL CHECK (role IN ('report', 'close')),
    version integer,
    flags text[],
    linked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (item_id, sha256, size, role),
    FOREIGN KEY (sha256, size) REFERENCES evidence
);

CREATE INDEX evidence_link_photo ON evidence_link (sha256, size);

CREATE INDEX evidence_link_uncompared ON evidence_link (linked_at) WHERE flags IS NULL;

-- One way in for one photo: an object that nobody reads until its bytes were checked. `check_after` is when the sweep
-- next looks at it; each check pushes it further, so that a photo that cannot be checked does not hold up the others.
-- `proved`: the bytes that came this way were found to be the photo, so whoever sent them does hold it.
CREATE TABLE upload (
    id uuid PRIMARY KEY,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    user_id uuid NOT NULL REFERENCES users,
    device_id uuid,
    object_key text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'stored', 'done')),
    proved boolean NOT NULL DEFAULT false,
    checks integer NOT NULL DEFAULT 0,
    check_after timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    FOREIGN KEY (sha256, size) REFERENCES evidence
);

CREATE INDEX upload_photo ON upload (sha256, size);

CREATE INDEX upload_due ON upload (check_after) WHERE state <> 'done';

-- Review and case -----------------------------------------------------------------------------------------

-- `authors` wrote what is not approved yet; `answers` is whose to-do a return becomes. `asked_by` and `asked_tier` are
-- the reader who is to decide now, null if nobody is; departments are written out as department:<code>. `note` and
-- `notes` may quote what they are about, so they are sealed under the item's key.
CREATE TABLE review (
    item_id uuid PRIMARY KEY REFERENCES item,
    version integer NOT NULL,
    rev bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'approved', 'returned')),
    level integer NOT NULL,
    steps jsonb NOT NULL,
    authors uuid[] NOT NULL,
    answers uuid NOT NULL REFERENCES users,
    approvals jsonb NOT NULL,
    sampled boolean NOT NULL,
    waits_for_evidence boolean NOT NULL,
    reason text,
    note bytea,
    notes bytea,
    approved_version integer,
    approved_rev bigint,
    asked_by text,
    asked_tier text,
    urgency_level smallint NOT NULL,
    submitted_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE INDEX review_queue ON review (urgency_level, submitted_at, item_id) WHERE asked_by IS NOT NULL;

-- `actor_id` is null where nobody was asked and the photos decided.
CREATE TABLE review_step (
    item_id uuid NOT NULL REFERENCES item,
    seq integer NOT NULL,
    version integer NOT NULL,
    action text NOT NULL
        CHECK (action IN ('submitted', 'resubmitted', 'approved', 'returned', 'undone')),
    level integer NOT NULL,
    actor_id uuid,
    reason text,
    note bytea,
    notes bytea,
    at timestamptz NOT NULL,
    PRIMARY KEY (item_id, seq)
);

-- `reopened_at` is the database's own clock: a photo from after the work counts only where it was linked later.
CREATE TABLE cases (
    item_id uuid PRIMARY KEY REFERENCES item,
    state text NOT NULL,
    urgency text NOT NULL,
    urgency_level smallint NOT NULL,
    department text NOT NULL,
    organisation_id uuid REFERENCES organisation,
    assisting uuid[] NOT NULL,
    asked jsonb,
    held jsonb,
    escalated_to text,
    accept_by timestamptz,
    respond_by timestamptz,
    handle_by timestamptz,
    year_flagged boolean NOT NULL,
    opened_at timestamptz NOT NULL,
    reopened_at timestamptz,
    dispatched_at timestamptz,
    signed_at timestamptz,
    handled_at timestamptz,
    handled_by uuid,
    closed_at timestamptz,
    waiver bytea,
    changed_at timestamptz NOT NULL
);

CREATE INDEX cases_queue ON cases (urgency_level, opened_at, item_id);

CREATE INDEX cases_queue_of_state ON cases (state, urgency_level, opened_at, item_id);

CREATE INDEX cases_organisation ON cases (organisation_id, state);

CREATE INDEX cases_assisting ON cases USING gin (assisting) WHERE assisting <> '{}';

-- `from_state` is null where the case begins; `actor_id` where the server acted by itself.
CREATE TABLE case_step (
    item_id uuid NOT NULL REFERENCES item,
    seq integer NOT NULL,
    action text NOT NULL,
    from_state text,
    to_state text NOT NULL,
    actor_id uuid,
    organisation_id uuid REFERENCES organisation,
    reason text,
    note bytea,
    detail jsonb NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (item_id, seq)
);
