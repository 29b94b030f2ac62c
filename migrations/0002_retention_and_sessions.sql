-- What retention goes by, and who is signed in where. How this text is read: 0001_start.sql.

-- No rule removes it.
ALTER TABLE videos ADD COLUMN is_protected BOOLEAN NOT NULL DEFAULT FALSE;
-- The source that it is a recording of, whose rules it is under: also when its task is gone from the history. NULL for what was
-- uploaded or cut out of a recording.
ALTER TABLE videos ADD COLUMN source_id BIGINT REFERENCES sources (id) ON DELETE SET NULL;
-- When its recording ended.
ALTER TABLE videos ADD COLUMN recorded_at BIGINT;
UPDATE videos SET
    source_id = (SELECT tasks.source_id FROM tasks WHERE tasks.id = videos.task_id),
    recorded_at = (SELECT tasks.ended_at FROM tasks WHERE tasks.id = videos.task_id)
WHERE task_id IS NOT NULL;
CREATE INDEX videos_source ON videos (source_id) WHERE source_id IS NOT NULL;
CREATE INDEX videos_clip ON videos (clip_of) WHERE clip_of IS NOT NULL;
CREATE INDEX tasks_continues ON tasks (continues_id) WHERE continues_id IS NOT NULL;

-- What is removed by itself: one row. Ages and quotas of single sources stand in sources.
CREATE TABLE retention (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- Nothing is removed by a rule until a person says so.
    is_active BOOLEAN NOT NULL DEFAULT FALSE,
    -- Bytes of all videos that are kept; NULL is no limit.
    total_quota_bytes BIGINT,
    -- Bytes of the media's disk that are kept free; NULL is off.
    min_free_bytes BIGINT,
    -- Published videos stay.
    keep_published BOOLEAN NOT NULL DEFAULT TRUE,
    last_run_at BIGINT
);
INSERT INTO retention (id) VALUES (1);

-- Sign-ins that last.
CREATE TABLE sessions (
    -- The token's own name.
    id TEXT PRIMARY KEY,
    admin_id BIGINT NOT NULL REFERENCES admins (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- At most a minute behind.
    last_seen_at BIGINT NOT NULL,
    -- Of the client, as trusted proxies tell it.
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL
);
CREATE INDEX sessions_admin ON sessions (admin_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
