-- The city's registry with its legacy codes, the search over items, and what erasing an item needs.

-- The root secret, wrapped by the master key; null while the root is still the first master key itself.
ALTER TABLE installation
    ADD COLUMN root_wrapped bytea,
    ADD COLUMN master_key_since timestamptz NOT NULL DEFAULT now();

UPDATE installation SET master_key_since = created_at;

-- Territory -----------------------------------------------------------------------------------------------

-- `outline` as in grid_label; `host_county` is the county in whose outline a statistical zone lies. `changed_in`: the
-- registry version in which its names last changed; null for none since it was first filled in.
ALTER TABLE division
    ADD COLUMN outline jsonb,
    ADD COLUMN synthetic boolean NOT NULL DEFAULT false,
    ADD COLUMN host_county text REFERENCES division,
    ADD COLUMN changed_in integer REFERENCES registry_version;

CREATE INDEX division_parent ON division (parent);

ALTER TABLE registry_version ADD COLUMN published_by uuid REFERENCES users;

-- A code belongs to one grid for good; the same grid may bear it under several labels, one after the other.
CREATE TABLE grid_code (
    code text PRIMARY KEY CHECK (code ~ '^3411[0-9]{11}$'),
    grid_id uuid NOT NULL REFERENCES grid,
    UNIQUE (code, grid_id)
);

INSERT INTO grid_code (code, grid_id) SELECT DISTINCT code, grid_id FROM grid_label;

-- `given`: the outline as it was handed in, {crs, outline}, where that was not WGS-84. `valid_from` and `valid_to` are
-- days in the city's time, the last one inclusive; a temporary grid ends by itself.
ALTER TABLE grid_label
    DROP CONSTRAINT grid_label_code_key,
    ADD FOREIGN KEY (code, grid_id) REFERENCES grid_code (code, grid_id),
    ADD COLUMN compounds text[] NOT NULL DEFAULT '{}',
    ADD COLUMN micro_grids jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN given jsonb,
    ADD COLUMN valid_from date,
    ADD COLUMN valid_to date;

CREATE UNIQUE INDEX grid_label_current_code ON grid_label (code) WHERE to_version IS NULL;

CREATE INDEX grid_label_community ON grid_label (community) WHERE to_version IS NULL;

-- What a department's own code covered: a grid, or all grids of a community. `from_version` and `to_version` say when
-- the row stood in the registry, the two days when the code was in use. `sense`: it covers the place, belongs to one of
-- the places of its rows, or was retired without a successor.
CREATE TABLE crosswalk (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    department text NOT NULL,
    legacy_code text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    community text REFERENCES division,
    grid_id uuid REFERENCES grid,
    sense text NOT NULL DEFAULT 'covers' CHECK (sense IN ('covers', 'one_of', 'retired')),
    note text NOT NULL DEFAULT '',
    from_version integer NOT NULL REFERENCES registry_version,
    to_version integer REFERENCES registry_version,
    CHECK (num_nonnulls(community, grid_id) = 1),
    CHECK (valid_to >= valid_from)
);

CREATE INDEX crosswalk_code ON crosswalk (department, legacy_code) WHERE to_version IS NULL;

-- `claim`, of the kind `code`: {department, code, fault, candidates (grids), counties (of its author's posts)}.
ALTER TABLE conflict ADD COLUMN claim jsonb;

-- People and devices --------------------------------------------------------------------------------------

-- `replaces`: the device in whose place the one enrolled by this code will be.
ALTER TABLE enrolment_code ADD COLUMN replaces uuid REFERENCES device;

ALTER TABLE device
    ADD COLUMN replaces uuid REFERENCES device,
    ADD COLUMN revoked_by uuid REFERENCES users;

CREATE INDEX assignment_division ON assignment (division text_pattern_ops);

CREATE INDEX review_returned ON review (answers) WHERE state = 'returned';

-- Personal data -------------------------------------------------------------------------------------------

-- What is left of an erased item is that it was: no key, no values, no history of values.
ALTER TABLE item ADD COLUMN erased_at timestamptz;

CREATE INDEX item_deleted ON item (type, updated_at) WHERE deleted AND erased_at IS NULL;

ALTER TABLE revision DROP CONSTRAINT revision_op_check;

ALTER TABLE revision ADD CHECK (op IN ('create', 'update', 'delete', 'resolve', 'undo', 'erase'));

-- The key of a raw set is destroyed with the first of its items that is erased, and its bytes with it. What else the
-- set holds that stands nowhere else is sealed anew, under another key.
ALTER TABLE change_set ALTER COLUMN wrapped DROP NOT NULL, ALTER COLUMN sealed DROP NOT NULL;

ALTER TABLE forked_set ALTER COLUMN wrapped DROP NOT NULL, ALTER COLUMN sealed DROP NOT NULL;

-- Which sets were about an item.
CREATE INDEX change_set_items ON change_set USING gin (jsonb_path_query_array(receipt, '$.outcomes[*].item'));

CREATE INDEX quarantine_set ON quarantine (device_id, epoch, set_no);

-- Photos that no item holds since one was erased: their bytes are to be removed from the object store, and are not
-- taken in again before another item names them.
CREATE TABLE erased_photo (
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    removed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (sha256, size),
    FOREIGN KEY (sha256, size) REFERENCES evidence
);

CREATE INDEX erased_photo_due ON erased_photo (since) WHERE NOT removed;

-- What an item is found by: pairs of neighbouring characters of its clear text, and blind indexes of its marked values.
-- Apart from the item, so that a search costs its history nothing.
CREATE TABLE item_search (
    item_id uuid PRIMARY KEY REFERENCES item,
    terms text[] NOT NULL
);

CREATE INDEX item_search_terms ON item_search USING gin (terms);
