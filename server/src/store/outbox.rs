//! What webhooks are told, written in the transaction that makes it true: a crash loses either both or neither. `tell!` stands in that
//! transaction and costs one look at a small table while nobody wants to know.

use serde_json::{Value, json};

use super::{Result, Store};
use crate::domain::status::{FileType, Protocol, SourceType, TaskStatus, Topic, VideoStatus};
use crate::domain::time::Micros;

/// How long a message that can't be delivered is kept trying.
pub(crate) const LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Webhooks that want a topic, given as [`pattern`] has it.
pub(super) const WANTED: &str = "SELECT id FROM webhooks WHERE is_active AND events LIKE $1 ORDER BY id";

/// A message for one of them.
pub(super) const PUT: &str = "INSERT INTO webhook_deliveries (webhook_id, message_id, event, payload, status, next_attempt_at, give_up_at, \
                              created_at, updated_at) VALUES ($1, $2, $3, $4, 'pending', $5, $6, $5, $5)";

/// A topic as it stands in a list of them in JSON.
pub(super) fn pattern(topic: Topic) -> String {
    format!("%\"{topic}\"%")
}

/// What a message is about.
pub(super) trait Subject {
    /// Reads it by its number.
    const SELECT: &str;

    /// What is told of it.
    fn data(&self) -> Value;
}

/// Tells those webhooks of `$topic` that want it, in the transaction `$tx`: what `$subject` with the number `$id` is now, with `$more` beside.
macro_rules! tell {
    ($tx:ident, $topic:expr, $subject:ty, $id:expr) => {
        tell!($tx, $topic, $subject, $id, serde_json::json!({}))
    };
    ($tx:ident, $topic:expr, $subject:ty, $id:expr, $more:expr) => {{
        use $crate::store::outbox::Subject as _;
        let topic: $crate::domain::status::Topic = $topic;
        let wanted: Vec<i64> = sqlx::query_scalar($crate::store::outbox::WANTED)
            .bind($crate::store::outbox::pattern(topic))
            .fetch_all(&mut *$tx)
            .await?;
        if !wanted.is_empty() {
            let subject: $subject = sqlx::query_as(<$subject>::SELECT)
                .bind($id)
                .fetch_one(&mut *$tx)
                .await?;
            let message = $crate::store::outbox::Message::new(topic, subject.data(), $more);
            for webhook in wanted {
                sqlx::query($crate::store::outbox::PUT)
                    .bind(webhook)
                    .bind(&message.id)
                    .bind(message.topic)
                    .bind(&message.body)
                    .bind(message.at)
                    .bind(message.at.after($crate::store::outbox::LIFE))
                    .execute(&mut *$tx)
                    .await?;
            }
        }
    }};
}

pub(super) use tell;

/// A message as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) topic: Topic,
    pub(crate) body: String,
    pub(crate) at: Micros,
}

impl Message {
    pub(super) fn new(topic: Topic, mut data: Value, more: Value) -> Self {
        if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        let at = Micros::now();
        Self {
            id: message_id(),
            topic,
            body: body(topic.as_str(), at, &data),
            at,
        }
    }
}

/// A name that no other message has.
pub(crate) fn message_id() -> String {
    format!("msg_{}", uuid::Uuid::now_v7().simple())
}

/// The body of a message.
pub(crate) fn body(kind: &str, at: Micros, data: &Value) -> String {
    json!({"type": kind, "timestamp": at, "data": data}).to_string()
}

fn seconds(micros: Option<i64>) -> Option<f64> {
    micros.map(|micros| micros as f64 / 1e6)
}

/// A task.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Task {
    id: i64,
    source_id: Option<i64>,
    source_name: String,
    schedule_id: Option<i64>,
    continues_id: Option<i64>,
    status: TaskStatus,
    started_at: Option<Micros>,
    ended_at: Option<Micros>,
    duration_us: Option<i64>,
    file_size: Option<i64>,
    reconnects: i64,
    gaps: String,
    error_message: Option<String>,
    video_id: Option<i64>,
}

impl Subject for Task {
    const SELECT: &str = "SELECT t.*, (SELECT MIN(v.id) FROM videos v WHERE v.task_id = t.id OR v.task_id = t.continues_id) AS video_id \
                          FROM tasks t WHERE t.id = $1";

    fn data(&self) -> Value {
        json!({
            "task_id": self.id,
            "source_id": self.source_id,
            "source_name": self.source_name,
            "schedule_id": self.schedule_id,
            "continues_id": self.continues_id,
            "status": self.status,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "duration_s": seconds(self.duration_us),
            "size_bytes": self.file_size,
            "reconnects": self.reconnects,
            "gaps": serde_json::from_str::<Value>(&self.gaps).unwrap_or_default(),
            "error": self.error_message,
            "video_id": self.video_id,
        })
    }
}

/// A video.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Video {
    id: i64,
    title: String,
    status: VideoStatus,
    task_id: Option<i64>,
    source_id: Option<i64>,
    source_name: Option<String>,
    category_id: Option<i64>,
    category_name: Option<String>,
    duration_us: Option<i64>,
    file_size: Option<i64>,
    source_type: SourceType,
    file_type: FileType,
    created_at: Micros,
}

impl Subject for Video {
    const SELECT: &str = "SELECT v.*, t.source_id AS source_id, t.source_name AS source_name, c.name AS category_name FROM videos v \
                          LEFT JOIN tasks t ON t.id = v.task_id LEFT JOIN categories c ON c.id = v.category_id WHERE v.id = $1";

    fn data(&self) -> Value {
        json!({
            "video_id": self.id,
            "title": self.title,
            "status": self.status,
            "task_id": self.task_id,
            "source_id": self.source_id,
            "source_name": self.source_name,
            "category_id": self.category_id,
            "category_name": self.category_name,
            "duration_s": seconds(self.duration_us),
            "size_bytes": self.file_size,
            "source_type": self.source_type,
            "file_type": self.file_type,
            "created_at": self.created_at,
        })
    }
}

/// A source.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Source {
    id: i64,
    name: String,
    protocol: Protocol,
    is_online: bool,
    last_error: Option<String>,
}

impl Subject for Source {
    const SELECT: &str = "SELECT id, name, protocol, is_online, last_error FROM sources WHERE id = $1";

    fn data(&self) -> Value {
        json!({
            "source_id": self.id,
            "source_name": self.name,
            "protocol": self.protocol,
            "is_online": self.is_online,
            "error": self.last_error,
        })
    }
}

/// What becomes of a video that is shown again, or not any more.
pub(super) const fn topic_of(status: VideoStatus) -> Topic {
    match status {
        VideoStatus::Pending => Topic::VideoCreated,
        VideoStatus::Published => Topic::VideoPublished,
        VideoStatus::Offline => Topic::VideoOffline,
    }
}

/// What is told of the end of a task.
pub(super) const fn topic_of_end(status: TaskStatus) -> Option<Topic> {
    match status {
        TaskStatus::Completed => Some(Topic::TaskCompleted),
        TaskStatus::Failed => Some(Topic::TaskFailed),
        TaskStatus::Interrupted => Some(Topic::TaskInterrupted),
        TaskStatus::Pending | TaskStatus::Recording => None,
    }
}

impl Store {
    /// Tells those webhooks of `topic` that want it, of what no row says.
    pub(crate) async fn tell(&self, topic: Topic, data: Value) -> Result<()> {
        let message = Message::new(topic, data, Value::Null);
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            let wanted: Vec<i64> = sqlx::query_scalar(WANTED).bind(pattern(topic)).fetch_all(&mut *tx).await?;
            for webhook in wanted {
                sqlx::query(PUT)
                    .bind(webhook)
                    .bind(&message.id)
                    .bind(message.topic)
                    .bind(&message.body)
                    .bind(message.at)
                    .bind(message.at.after(LIFE))
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await
        })
    }
}
