-- The first tables. One text for SQLite and PostgreSQL:
--   @id     a row's own number, ascending, never given twice
--   @bytes  a string of bytes
-- A line that starts with "--sqlite:" or "--postgres:" is for that engine alone. Times are microseconds since 1970 (UTC).

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE admins (
    id @id,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    -- Raised to end every session of the account.
    token_version BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    last_login_at BIGINT
);

-- Sessions that were signed out of before they expired.
CREATE TABLE revoked_tokens (
    token_id TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE TABLE categories (
    id @id,
    name TEXT NOT NULL UNIQUE,
    sort_order BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);

CREATE TABLE tags (
    id @id,
    name TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE sources (
    id @id,
    name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    -- With its credentials; never shown.
    url TEXT NOT NULL,
    category_id BIGINT REFERENCES categories (id) ON DELETE SET NULL,
    retention_days BIGINT NOT NULL,
    -- Bytes of recordings that are kept; NULL is no limit.
    quota_bytes BIGINT,
    -- auto, copy, aac, none
    audio TEXT NOT NULL DEFAULT 'auto',
    -- auto, tcp, udp
    transport TEXT NOT NULL DEFAULT 'auto',
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    is_online BOOLEAN NOT NULL DEFAULT FALSE,
    last_check_time BIGINT,
    -- Why it was offline at the last check.
    last_error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE schedules (
    id @id,
    source_id BIGINT NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    cron_expr TEXT NOT NULL,
    -- An IANA zone.
    zone TEXT NOT NULL,
    -- How long each run records, in seconds; NULL is until the source ends or a person stops it.
    duration_s BIGINT,
    -- No run starts after it.
    ends_at BIGINT,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    last_run_at BIGINT,
    next_run_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX schedules_next ON schedules (next_run_at) WHERE is_active;
CREATE INDEX schedules_source ON schedules (source_id);

CREATE TABLE tasks (
    id @id,
    -- NULL when the source was deleted.
    source_id BIGINT REFERENCES sources (id) ON DELETE SET NULL,
    source_name TEXT NOT NULL,
    schedule_id BIGINT REFERENCES schedules (id) ON DELETE SET NULL,
    -- pending, recording, completed, failed, interrupted
    status TEXT NOT NULL,
    -- The task that this one goes on from after a restart.
    continues_id BIGINT REFERENCES tasks (id) ON DELETE SET NULL,
    -- It is to end then; NULL is when the source ends or a person stops it.
    window_end BIGINT,
    -- A person asked it to stop: it doesn't go on after a restart.
    stop_asked BOOLEAN NOT NULL DEFAULT FALSE,
    -- The server ended it because it had to stop: it goes on at the next start.
    goes_on BOOLEAN NOT NULL DEFAULT FALSE,
    started_at BIGINT,
    ended_at BIGINT,
    -- Relative to the storage folder.
    file_name TEXT,
    file_size BIGINT,
    duration_us BIGINT,
    reconnects BIGINT NOT NULL DEFAULT 0,
    -- JSON: [{"at_s", "length_s", "cause"}]
    gaps TEXT NOT NULL DEFAULT '[]',
    error_message TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
-- One active recording for a source.
CREATE UNIQUE INDEX tasks_active ON tasks (source_id) WHERE status IN ('pending', 'recording');
CREATE INDEX tasks_source ON tasks (source_id, id);

-- What happened during a recording, for people.
CREATE TABLE task_events (
    id @id,
    task_id BIGINT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    happened_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX task_events_task ON task_events (task_id, id);

-- The ledger: how each planned run ended.
CREATE TABLE schedule_runs (
    id @id,
    schedule_id BIGINT NOT NULL,
    source_id BIGINT NOT NULL,
    planned_at BIGINT NOT NULL,
    decided_at BIGINT NOT NULL,
    -- started, already_recording, missed, failed
    outcome TEXT NOT NULL,
    reason TEXT,
    task_id BIGINT REFERENCES tasks (id) ON DELETE SET NULL,
    UNIQUE (schedule_id, planned_at)
);
CREATE INDEX schedule_runs_planned ON schedule_runs (planned_at);

CREATE TABLE videos (
    id @id,
    task_id BIGINT REFERENCES tasks (id) ON DELETE SET NULL,
    category_id BIGINT REFERENCES categories (id) ON DELETE SET NULL,
    title TEXT NOT NULL,
    description TEXT,
    -- The first or only file, or the manifest of several; relative to the storage folder.
    file_name TEXT NOT NULL,
    file_size BIGINT,
    duration_us BIGINT,
    -- A file in the folder of thumbnails.
    thumbnail TEXT,
    view_count BIGINT NOT NULL DEFAULT 0,
    -- recorded, uploaded
    source_type TEXT NOT NULL,
    -- video, audio
    file_type TEXT NOT NULL,
    -- pending, published, offline
    status TEXT NOT NULL,
    reviewed_at BIGINT,
    reviewed_by BIGINT REFERENCES admins (id) ON DELETE SET NULL,
    -- JSON: what the file holds.
    tracks TEXT NOT NULL DEFAULT '[]',
    -- JSON, as a task's.
    gaps TEXT NOT NULL DEFAULT '[]',
    -- A span of another video, which costs no copy.
    clip_of BIGINT REFERENCES videos (id) ON DELETE CASCADE,
    clip_from_us BIGINT,
    clip_to_us BIGINT,
    -- In the trash since then.
    deleted_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX videos_status ON videos (status, id) WHERE deleted_at IS NULL;
CREATE INDEX videos_category ON videos (category_id, id) WHERE deleted_at IS NULL;
CREATE INDEX videos_file ON videos (file_name);
CREATE INDEX videos_task ON videos (task_id);
CREATE INDEX videos_thumbnail ON videos (thumbnail) WHERE thumbnail IS NOT NULL;
CREATE INDEX videos_deleted ON videos (deleted_at) WHERE deleted_at IS NOT NULL;

-- The files of a video of several parts, in order.
CREATE TABLE video_parts (
    video_id BIGINT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    file_name TEXT NOT NULL,
    file_size BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    PRIMARY KEY (video_id, position)
);
CREATE INDEX video_parts_file ON video_parts (file_name);

CREATE TABLE video_tags (
    video_id BIGINT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    tag_id BIGINT NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    PRIMARY KEY (video_id, tag_id)
);
CREATE INDEX video_tags_tag ON video_tags (tag_id, video_id);

CREATE TABLE video_images (
    id @id,
    video_id BIGINT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    file_name TEXT NOT NULL UNIQUE,
    sort_order BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);
CREATE INDEX video_images_video ON video_images (video_id);

CREATE TABLE video_texts (
    id @id,
    video_id BIGINT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    content TEXT,
    sort_order BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);
CREATE INDEX video_texts_video ON video_texts (video_id);

CREATE TABLE video_links (
    id @id,
    video_id BIGINT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    url TEXT NOT NULL,
    sort_order BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);
CREATE INDEX video_links_video ON video_links (video_id);

CREATE TABLE view_codes (
    id @id,
    -- Keyed hash, for the look-up.
    code_hash @bytes NOT NULL UNIQUE,
    -- Encrypted under the server's key, for the list.
    code_sealed @bytes NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    expires_at BIGINT,
    use_count BIGINT NOT NULL DEFAULT 0,
    last_used_at BIGINT,
    created_at BIGINT NOT NULL
);

CREATE TABLE view_code_categories (
    code_id BIGINT NOT NULL REFERENCES view_codes (id) ON DELETE CASCADE,
    category_id BIGINT NOT NULL REFERENCES categories (id) ON DELETE CASCADE,
    PRIMARY KEY (code_id, category_id)
);

CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    -- chunks, tus
    protocol TEXT NOT NULL,
    file_name TEXT NOT NULL,
    file_size BIGINT NOT NULL,
    chunk_size BIGINT NOT NULL,
    total_chunks BIGINT NOT NULL,
    -- Bytes that came and are on the disk.
    received BIGINT NOT NULL DEFAULT 0,
    -- Chunks that came.
    chunks BIGINT NOT NULL DEFAULT 0,
    -- uploading, completed, failed
    status TEXT NOT NULL,
    -- JSON: what the client said about it.
    metadata TEXT NOT NULL DEFAULT '{}',
    -- The name that its file gets in the storage folder, once all of it is there.
    target TEXT,
    video_id BIGINT REFERENCES videos (id) ON DELETE SET NULL,
    error_message TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX uploads_expiry ON uploads (expires_at);

CREATE TABLE upload_chunks (
    upload_id TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    chunk_index BIGINT NOT NULL,
    PRIMARY KEY (upload_id, chunk_index)
);

-- Long work, done by one queue.
CREATE TABLE jobs (
    id @id,
    -- thumbnail, audio, trim, import, purge
    kind TEXT NOT NULL,
    video_id BIGINT REFERENCES videos (id) ON DELETE CASCADE,
    -- JSON: what is to be done.
    payload TEXT NOT NULL,
    -- JSON: what came of it.
    result TEXT,
    -- pending, processing, completed, failed, cancelled
    status TEXT NOT NULL,
    -- 0 to 1000.
    progress BIGINT NOT NULL DEFAULT 0,
    attempts BIGINT NOT NULL DEFAULT 0,
    run_after BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    error_message TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    completed_at BIGINT
);
CREATE INDEX jobs_due ON jobs (run_after, id) WHERE status IN ('pending', 'processing');
CREATE INDEX jobs_video ON jobs (video_id, kind, id);
-- One at a time of each kind for a video.
CREATE UNIQUE INDEX jobs_open ON jobs (video_id, kind) WHERE status IN ('pending', 'processing');

-- What was removed, and why.
CREATE TABLE removals (
    id @id,
    removed_at BIGINT NOT NULL,
    video_id BIGINT NOT NULL,
    title TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    -- trash, age, source_quota, quota, free_space
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX removals_time ON removals (removed_at);

-- Text search: parts of titles and descriptions.
--sqlite:CREATE VIRTUAL TABLE video_search USING fts5(title, description, content='videos', content_rowid='id', tokenize='trigram');
--sqlite:CREATE TRIGGER video_search_insert AFTER INSERT ON videos BEGIN INSERT INTO video_search (rowid, title, description) VALUES (new.id, new.title, new.description); END;
--sqlite:CREATE TRIGGER video_search_delete AFTER DELETE ON videos BEGIN INSERT INTO video_search (video_search, rowid, title, description) VALUES ('delete', old.id, old.title, old.description); END;
--sqlite:CREATE TRIGGER video_search_update AFTER UPDATE OF title, description ON videos BEGIN INSERT INTO video_search (video_search, rowid, title, description) VALUES ('delete', old.id, old.title, old.description); INSERT INTO video_search (rowid, title, description) VALUES (new.id, new.title, new.description); END;
--postgres:CREATE INDEX videos_search ON videos USING gin (to_tsvector('simple', title || ' ' || coalesce(description, '')));
