ALTER TABLE item ALTER COLUMN touch TYPE bigint;

ALTER TABLE notice ALTER COLUMN version TYPE bigint;

ALTER TABLE feed ALTER COLUMN version TYPE bigint, ALTER COLUMN touch TYPE bigint;

UPDATE feed SET hash = ('x' || encode(substr(sha256(
    uuid_send(object_id) || int8send(version) || int8send(rev) || int8send(touch)
), 1, 8), 'hex'))::bit(64)::bigint
WHERE present;

UPDATE stream SET digest = coalesce((SELECT bit_xor(hash) FROM feed WHERE stream_id = stream.id AND present), 0);
