-- Since when a check found the media of a video gone. The row stays, and with the media back it is NULL again.
ALTER TABLE videos ADD COLUMN missing_since BIGINT;
