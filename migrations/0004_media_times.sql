-- When the last packet of what a task recorded came: what goes on from it knows how much is missing between.
ALTER TABLE tasks ADD COLUMN last_media_at BIGINT;
