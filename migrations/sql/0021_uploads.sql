-- Bytes that came by appends (tus 1.0.0): `received` of them, in objects of their own until the photo was checked.
-- `pieces` are what is added to `object_key` for each, in their order; `tail` are the bytes in the last one. They stand
-- in the upload's own row, so that whoever closes it, or moves it on, sees all of them.
ALTER TABLE upload
    ADD COLUMN received bigint NOT NULL DEFAULT 0,
    ADD COLUMN pieces text[] NOT NULL DEFAULT '{}',
    ADD COLUMN tail integer NOT NULL DEFAULT 0;
