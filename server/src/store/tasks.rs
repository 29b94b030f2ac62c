//! Tasks: attempts to record a source.

use super::outbox::{self, tell};
use super::videos::NewVideo;
use super::{Result, Store};
use crate::domain::status::{TaskStatus, Topic};
use crate::domain::time::Micros;

/// A row of `tasks`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Task {
    pub(crate) id: i64,
    pub(crate) source_id: Option<i64>,
    pub(crate) source_name: String,
    pub(crate) schedule_id: Option<i64>,
    pub(crate) status: TaskStatus,
    pub(crate) continues_id: Option<i64>,
    pub(crate) window_end: Option<Micros>,
    pub(crate) stop_asked: bool,
    pub(crate) started_at: Option<Micros>,
    pub(crate) ended_at: Option<Micros>,
    pub(crate) file_name: Option<String>,
    pub(crate) file_size: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    pub(crate) reconnects: i64,
    /// JSON.
    pub(crate) gaps: String,
    pub(crate) error_message: Option<String>,
    pub(crate) created_at: Micros,
    pub(crate) updated_at: Micros,
}

/// A row of the list, with the category of its source.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct ListedTask {
    #[sqlx(flatten)]
    pub(crate) task: Task,
    pub(crate) category_id: Option<i64>,
    pub(crate) category_name: Option<String>,
    pub(crate) video_id: Option<i64>,
    /// The task that goes on from it.
    pub(crate) continued_by: Option<i64>,
}

/// What a new task is.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub(crate) source_id: i64,
    pub(crate) source_name: String,
    pub(crate) schedule_id: Option<i64>,
    pub(crate) continues_id: Option<i64>,
    pub(crate) window_end: Option<Micros>,
    pub(crate) file_name: String,
}

/// A recording that was found, for which there is no task.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) source_name: String,
    pub(crate) file_name: String,
    pub(crate) continues_id: Option<i64>,
    pub(crate) started_at: Option<Micros>,
}

/// How a task ended.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) status: TaskStatus,
    pub(crate) file_size: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    pub(crate) reconnects: i64,
    /// JSON.
    pub(crate) gaps: String,
    pub(crate) error_message: Option<String>,
    /// When the last media that is there came.
    pub(crate) last_media_at: Option<Micros>,
    /// The source of a recording that was found, whose task has none.
    pub(crate) source_id: Option<i64>,
    /// When it ended; `None` is now.
    pub(crate) ended_at: Option<Micros>,
}

/// Something that happened during a task.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct TaskEvent {
    pub(crate) happened_at: Micros,
    pub(crate) kind: String,
    pub(crate) message: String,
}

/// Which tasks are listed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TaskFilter {
    pub(crate) source_id: Option<i64>,
    pub(crate) status: Option<TaskStatus>,
    pub(crate) skip: i64,
    pub(crate) limit: i64,
}

impl Store {
    /// Makes a task that is pending; one for a source that has an active one is a unique violation.
    pub(crate) async fn add_task(&self, new: &NewTask) -> Result<Task> {
        let sql = "INSERT INTO tasks (source_id, source_name, schedule_id, continues_id, window_end, file_name, status, started_at, \
                   created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $7, $7) RETURNING *";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let task = sqlx::query_as(sql)
                .bind(new.source_id)
                .bind(&new.source_name)
                .bind(new.schedule_id)
                .bind(new.continues_id)
                .bind(new.window_end)
                .bind(&new.file_name)
                .bind(Micros::now())
                .fetch_one(&mut *tx)
                .await?;
            // What of the source was to go on does so now.
            let sql = "UPDATE tasks SET goes_on = FALSE WHERE source_id = $1 AND goes_on";
            sqlx::query(sql).bind(new.source_id).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(task)
        })
    }

    /// Makes a task of no source for a file that was found.
    pub(crate) async fn add_orphan_task(&self, found: &Found) -> Result<Task> {
        let sql = "INSERT INTO tasks (source_name, file_name, continues_id, started_at, status, created_at, updated_at) \
                   VALUES ($1, $2, $3, $4, 'pending', $5, $5) RETURNING *";
        save!(self, tx => sqlx::query_as(sql)
            .bind(&found.source_name)
            .bind(&found.file_name)
            .bind(found.continues_id)
            .bind(found.started_at)
            .bind(Micros::now())
            .fetch_one(&mut *tx)
            .await)
    }

    /// The first of the chain of tasks that the file belongs to.
    pub(crate) async fn task_of_file(&self, name: &str) -> Result<Option<i64>> {
        let sql = "SELECT COALESCE(continues_id, id) FROM tasks WHERE file_name = $1 ORDER BY id LIMIT 1";
        read!(self, pool => sqlx::query_scalar(sql).bind(name).fetch_optional(pool).await)
    }

    /// One task.
    pub(crate) async fn task(&self, id: i64) -> Result<Option<Task>> {
        read!(self, pool => sqlx::query_as("SELECT * FROM tasks WHERE id = $1").bind(id).fetch_optional(pool).await)
    }

    /// Tasks whose source is still there, newest first.
    pub(crate) async fn tasks(&self, filter: &TaskFilter) -> Result<Vec<ListedTask>> {
        let sql = "SELECT t.*, s.category_id AS category_id, c.name AS category_name, \
                   (WITH RECURSIVE chain (id, before) AS (SELECT t.id, t.continues_id UNION ALL \
                   SELECT p.id, p.continues_id FROM chain JOIN tasks p ON p.id = chain.before) \
                   SELECT MAX(v.id) FROM videos v JOIN chain ON chain.id = v.task_id WHERE v.deleted_at IS NULL) AS video_id, \
                   (SELECT MIN(n.id) FROM tasks n WHERE n.source_id = t.source_id AND n.id > t.id \
                   AND n.continues_id = COALESCE(t.continues_id, t.id)) AS continued_by \
                   FROM tasks t JOIN sources s ON s.id = t.source_id LEFT JOIN categories c ON c.id = s.category_id \
                   WHERE (CAST($1 AS BIGINT) IS NULL OR t.source_id = $1) AND (CAST($2 AS TEXT) IS NULL OR t.status = $2) \
                   ORDER BY t.id DESC LIMIT $3 OFFSET $4";
        let status = filter.status.map(TaskStatus::as_str);
        read!(self, pool => sqlx::query_as(sql).bind(filter.source_id).bind(status).bind(filter.limit).bind(filter.skip).fetch_all(pool).await)
    }

    /// Tasks that have not ended, and those that are to go on.
    pub(crate) async fn left_over_tasks(&self) -> Result<Vec<Task>> {
        let sql = "SELECT * FROM tasks WHERE status IN ('pending', 'recording') OR goes_on ORDER BY id";
        read!(self, pool => sqlx::query_as(sql).fetch_all(pool).await)
    }

    /// Notes whether a task is to go on at the next start, until its source is recorded again.
    pub(crate) async fn note_task_goes_on(&self, id: i64, goes_on: bool) -> Result<()> {
        let sql = "UPDATE tasks SET goes_on = $2, updated_at = $3 WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).bind(goes_on).bind(Micros::now()).execute(pool).await.map(drop))
    }

    /// Notes that these tasks, as far as they have not ended and nobody asked them to stop, are to go on at the next start.
    pub(crate) async fn note_tasks_go_on(&self, ids: &[i64]) -> Result<()> {
        let sql = "UPDATE tasks SET goes_on = TRUE, updated_at = $2 WHERE id = $1 AND status IN ('pending', 'recording') AND NOT stop_asked";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            for id in ids {
                sqlx::query(sql).bind(id).bind(Micros::now()).execute(&mut *tx).await?;
            }
            tx.commit().await
        })
    }

    /// From one status to another; false when it had another one.
    pub(crate) async fn move_task(&self, id: i64, from: TaskStatus, to: TaskStatus) -> Result<bool> {
        if !from.may_become(to) {
            return Ok(false);
        }
        let sql = "UPDATE tasks SET status = $3, updated_at = $4 WHERE id = $1 AND status = $2";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let done = sqlx::query(sql).bind(id).bind(from).bind(to).bind(Micros::now()).execute(&mut *tx).await?;
            let moved = done.rows_affected() == 1;
            if moved && to == TaskStatus::Recording {
                tell!(tx, Topic::TaskStarted, outbox::Task, id);
            }
            tx.commit().await?;
            Ok(moved)
        })
    }

    /// When the last media came of what the task `first` and those that go on from it recorded before the task `id`.
    pub(crate) async fn last_media_before(&self, first: i64, id: i64) -> Result<Option<Micros>> {
        let sql = "SELECT MAX(last_media_at) FROM tasks WHERE (id = $1 OR continues_id = $1) AND id < $2";
        read!(self, pool => sqlx::query_scalar(sql).bind(first).bind(id).fetch_one(pool).await)
    }

    /// Says what a task that runs is missing so far.
    pub(crate) async fn set_task_gaps(&self, id: i64, gaps: &str) -> Result<()> {
        let sql = "UPDATE tasks SET gaps = $2, updated_at = $3 WHERE id = $1 AND status IN ('pending', 'recording')";
        write!(self, pool => sqlx::query(sql).bind(id).bind(gaps).bind(Micros::now()).execute(pool).await.map(drop))
    }

    /// Notes that a person asked a task to stop: it does not go on after a restart.
    pub(crate) async fn note_task_stop(&self, id: i64) -> Result<()> {
        let sql = "UPDATE tasks SET stop_asked = $2, updated_at = $3 WHERE id = $1";
        write!(self, pool => sqlx::query(sql).bind(id).bind(true).bind(Micros::now()).execute(pool).await.map(drop))
    }

    /// Ends a task and puts what it recorded into the library, both or neither: as a new video, or behind the video of the task that it
    /// goes on from (then `manifest` names the list of all their files). The video's number; `None` when there is none, or when the
    /// task had ended already.
    pub(crate) async fn end_task(
        &self,
        id: i64,
        ending: &Ending,
        video: Option<&NewVideo>,
        behind: Option<(i64, &str)>,
    ) -> Result<Option<i64>> {
        let end = "UPDATE tasks SET status = $2, file_size = $3, duration_us = $4, reconnects = $5, gaps = $6, error_message = $7, \
                   ended_at = $8, updated_at = $10, last_media_at = $9, source_id = COALESCE(source_id, $11) \
                   WHERE id = $1 AND status IN ('pending', 'recording')";
        let add = "INSERT INTO videos (task_id, category_id, title, description, file_name, file_size, duration_us, \
                   source_type, file_type, status, tracks, gaps, created_at, updated_at, recorded_at, source_id) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11, $12, $12, $13, \
                   (SELECT source_id FROM tasks WHERE id = $1)) RETURNING id";
        let extend = "UPDATE videos SET file_name = $2, file_size = COALESCE(file_size, 0) + $3, duration_us = COALESCE(duration_us, 0) + $4, \
                      gaps = $5, recorded_at = $7, updated_at = $6 WHERE id = $1";
        let part = "INSERT INTO video_parts (video_id, position, file_name, file_size, duration_us) \
                    VALUES ($1, (SELECT COUNT(*) FROM video_parts WHERE video_id = $1), $2, $3, $4)";
        let now = Micros::now();
        let ended = ending.ended_at.unwrap_or(now);
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let done = sqlx::query(end)
                .bind(id)
                .bind(ending.status)
                .bind(ending.file_size)
                .bind(ending.duration_us)
                .bind(ending.reconnects)
                .bind(&ending.gaps)
                .bind(&ending.error_message)
                .bind(ended)
                .bind(ending.last_media_at)
                .bind(now)
                .bind(ending.source_id)
                .execute(&mut *tx)
                .await?;
            let is_first = done.rows_affected() == 1;
            let told = outbox::topic_of_end(ending.status).filter(|_| is_first);
            let Some(video) = video.filter(|_| is_first) else {
                if let Some(topic) = told {
                    tell!(tx, topic, outbox::Task, id);
                }
                tx.commit().await?;
                return Ok(None);
            };
            let video_id: i64 = match behind {
                Some((video_id, manifest)) => {
                    let had: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM video_parts WHERE video_id = $1").bind(video_id).fetch_one(&mut *tx).await?;
                    if had == 0 {
                        let first = "INSERT INTO video_parts (video_id, position, file_name, file_size, duration_us) \
                                     SELECT id, 0, file_name, COALESCE(file_size, 0), COALESCE(duration_us, 0) FROM videos WHERE id = $1";
                        sqlx::query(first).bind(video_id).execute(&mut *tx).await?;
                    }
                    sqlx::query(extend)
                        .bind(video_id)
                        .bind(manifest)
                        .bind(video.file_size.unwrap_or(0))
                        .bind(video.duration_us.unwrap_or(0))
                        .bind(&video.gaps)
                        .bind(now)
                        .bind(ended)
                        .execute(&mut *tx)
                        .await?;
                    video_id
                }
                None => sqlx::query_scalar(add)
                    .bind(video.task_id)
                    .bind(video.category_id)
                    .bind(&video.title)
                    .bind(&video.description)
                    .bind(&video.file_name)
                    .bind(video.file_size)
                    .bind(video.duration_us)
                    .bind(video.source_type)
                    .bind(video.file_type)
                    .bind(&video.tracks)
                    .bind(&video.gaps)
                    .bind(now)
                    .bind(ended)
                    .fetch_one(&mut *tx)
                    .await?,
            };
            for (name, size, duration) in &video.parts {
                sqlx::query(part).bind(video_id).bind(name).bind(size).bind(duration).execute(&mut *tx).await?;
            }
            if let Some(topic) = told {
                tell!(tx, topic, outbox::Task, id);
            }
            if behind.is_none() {
                tell!(tx, Topic::VideoCreated, outbox::Video, video_id);
            }
            tx.commit().await?;
            Ok(Some(video_id))
        })
    }

    /// The video of a task.
    pub(crate) async fn video_of_task(&self, id: i64) -> Result<Option<i64>> {
        let sql = "SELECT id FROM videos WHERE task_id = $1 ORDER BY id LIMIT 1";
        read!(self, pool => sqlx::query_scalar(sql).bind(id).fetch_optional(pool).await)
    }

    /// The video that has what a task recorded, as its own or behind that of a task that it goes on from; not one in the trash.
    pub(crate) async fn kept_video_of_task(&self, id: i64) -> Result<Option<i64>> {
        let sql = "WITH RECURSIVE chain (id, before) AS (SELECT id, continues_id FROM tasks WHERE id = $1 UNION ALL \
                   SELECT p.id, p.continues_id FROM chain JOIN tasks p ON p.id = chain.before) \
                   SELECT MAX(v.id) FROM videos v JOIN chain ON chain.id = v.task_id WHERE v.deleted_at IS NULL";
        read!(self, pool => sqlx::query_scalar(sql).bind(id).fetch_one(pool).await)
    }

    /// The task that goes on from one: all of a chain name its first.
    pub(crate) async fn next_task_of(&self, task: &Task) -> Result<Option<i64>> {
        let sql = "SELECT MIN(id) FROM tasks WHERE continues_id = $1 AND id > $2";
        let first = task.continues_id.unwrap_or(task.id);
        read!(self, pool => sqlx::query_scalar(sql).bind(first).bind(task.id).fetch_one(pool).await)
    }

    /// Removes the row of a task that has ended; what it recorded stays in the library.
    pub(crate) async fn remove_task(&self, id: i64) -> Result<bool> {
        let sql = "DELETE FROM tasks WHERE id = $1 AND status NOT IN ('pending', 'recording')";
        write!(self, pool => sqlx::query(sql).bind(id).execute(pool).await.map(|done| done.rows_affected() == 1))
    }

    /// Notes what happened during a task.
    pub(crate) async fn add_task_events(&self, id: i64, events: &[TaskEvent]) -> Result<()> {
        let sql = "INSERT INTO task_events (task_id, happened_at, kind, message) VALUES ($1, $2, $3, $4)";
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            for event in events {
                sqlx::query(sql).bind(id).bind(event.happened_at).bind(&event.kind).bind(&event.message).execute(&mut *tx).await?;
            }
            tx.commit().await
        })
    }

    /// What happened during a task; the first 1 000.
    pub(crate) async fn task_events(&self, id: i64) -> Result<Vec<TaskEvent>> {
        let sql =
            "SELECT happened_at, kind, message FROM task_events WHERE task_id = $1 ORDER BY id LIMIT 1000";
        read!(self, pool => sqlx::query_as(sql).bind(id).fetch_all(pool).await)
    }

    /// Whether a file of the storage folder is known: as a task's or a video's.
    pub(crate) async fn knows_file(&self, name: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM tasks WHERE file_name = $1) OR EXISTS (SELECT 1 FROM videos WHERE file_name = $1) \
                   OR EXISTS (SELECT 1 FROM video_parts WHERE file_name = $1)";
        read!(self, pool => sqlx::query_scalar(sql).bind(name).fetch_one(pool).await)
    }
}
