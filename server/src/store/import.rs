//! Rows of another installation, with their numbers, written all at once.

use super::{Result, Store};

/// Where a row belongs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Table {
    Admins,
    Categories,
    Tags,
    Sources,
    Schedules,
    Tasks,
    Videos,
    VideoTags,
    Images,
    Texts,
    Links,
    Codes,
    CodeCategories,
}

impl Table {
    const NUMBERED: [Self; 11] = [
        Self::Admins,
        Self::Categories,
        Self::Tags,
        Self::Sources,
        Self::Schedules,
        Self::Tasks,
        Self::Videos,
        Self::Images,
        Self::Texts,
        Self::Links,
        Self::Codes,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Admins => "admins",
            Self::Categories => "categories",
            Self::Tags => "tags",
            Self::Sources => "sources",
            Self::Schedules => "schedules",
            Self::Tasks => "tasks",
            Self::Videos => "videos",
            Self::VideoTags => "video_tags",
            Self::Images => "video_images",
            Self::Texts => "video_texts",
            Self::Links => "video_links",
            Self::Codes => "view_codes",
            Self::CodeCategories => "view_code_categories",
        }
    }
}

#[derive(Clone, Debug)]
enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Flag(bool),
    Bytes(Vec<u8>),
}

/// A row to be written.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    table: Table,
    columns: Vec<(&'static str, Value)>,
}

impl Row {
    /// The row of this number.
    pub(crate) fn new(table: Table, id: i64) -> Self {
        Self {
            table,
            columns: vec![("id", Value::Int(Some(id)))],
        }
    }

    /// A row that joins two others.
    pub(crate) fn pair(table: Table, one: (&'static str, i64), other: (&'static str, i64)) -> Self {
        let columns = [one, other].map(|(name, id)| (name, Value::Int(Some(id))));
        Self {
            table,
            columns: columns.into(),
        }
    }

    fn with(mut self, name: &'static str, value: Value) -> Self {
        self.columns.push((name, value));
        self
    }

    pub(crate) fn int(self, name: &'static str, value: i64) -> Self {
        self.with(name, Value::Int(Some(value)))
    }

    pub(crate) fn maybe_int(self, name: &'static str, value: Option<i64>) -> Self {
        self.with(name, Value::Int(value))
    }

    pub(crate) fn text(self, name: &'static str, value: &str) -> Self {
        self.with(name, Value::Text(Some(value.to_owned())))
    }

    pub(crate) fn maybe_text(self, name: &'static str, value: Option<&str>) -> Self {
        self.with(name, Value::Text(value.map(str::to_owned)))
    }

    pub(crate) fn flag(self, name: &'static str, value: bool) -> Self {
        self.with(name, Value::Flag(value))
    }

    pub(crate) fn bytes(self, name: &'static str, value: Vec<u8>) -> Self {
        self.with(name, Value::Bytes(value))
    }

    fn sql(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let places: Vec<String> = (1..=names.len()).map(|place| format!("${place}")).collect();
        let key = if self.table == Table::VideoTags || self.table == Table::CodeCategories {
            ""
        } else {
            "(id) "
        };
        // The accounts and the category that a new server made for itself give way.
        let update: Vec<String> = names
            .iter()
            .skip(1)
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let conflict = match self.table {
            Table::Admins | Table::Categories => format!("{key}DO UPDATE SET {}", update.join(", ")),
            _ => format!("{key}DO NOTHING"),
        };
        format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT {conflict}",
            self.table.name(),
            names.join(", "),
            places.join(", ")
        )
    }
}

impl Store {
    /// Whether nobody has put anything into it: no videos, sources, tasks, tags or codes, and no category but the first.
    pub(crate) async fn is_unused(&self) -> Result<bool> {
        let sql = "SELECT (SELECT COUNT(*) FROM videos) + (SELECT COUNT(*) FROM sources) + (SELECT COUNT(*) FROM tasks) + \
                   (SELECT COUNT(*) FROM tags) + (SELECT COUNT(*) FROM view_codes) + \
                   (SELECT COUNT(*) FROM categories WHERE id > 1) + (SELECT COUNT(*) FROM admins WHERE id > 1)";
        let count: i64 = read!(self, pool => sqlx::query_scalar(sql).fetch_one(pool).await)?;
        Ok(count == 0)
    }

    /// Writes rows of another installation, all or none.
    pub(crate) async fn import(&self, rows: &[Row]) -> Result<()> {
        write!(self, pool => {
            let mut tx = pool.begin().await?;
            sqlx::query("DELETE FROM categories").execute(&mut *tx).await?;
            sqlx::query("DELETE FROM admins").execute(&mut *tx).await?;
            for row in rows {
                let mut query = sqlx::query(sqlx::AssertSqlSafe(row.sql()));
                for (_, value) in &row.columns {
                    query = match value {
                        Value::Int(number) => query.bind(*number),
                        Value::Text(text) => query.bind(text.clone()),
                        Value::Flag(flag) => query.bind(*flag),
                        Value::Bytes(bytes) => query.bind(bytes.clone()),
                    };
                }
                query.execute(&mut *tx).await?;
            }
            let sources = "UPDATE videos SET source_id = (SELECT source_id FROM tasks WHERE tasks.id = videos.task_id), \
                           recorded_at = (SELECT ended_at FROM tasks WHERE tasks.id = videos.task_id) WHERE task_id IS NOT NULL";
            sqlx::query(sources).execute(&mut *tx).await?;
            tx.commit().await
        })?;
        if let super::Pools::Postgres(pool) = &self.pools {
            for table in Table::NUMBERED {
                let name = table.name();
                let sql = format!(
                    "SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT COALESCE(MAX(id), 0) + 1 FROM {name}), false)"
                );
                sqlx::query(sqlx::AssertSqlSafe(sql)).execute(pool).await?;
            }
        }
        Ok(())
    }

    /// Videos that have no picture.
    pub(crate) async fn videos_without_thumbnail(&self) -> Result<Vec<i64>> {
        let sql = "SELECT id FROM videos WHERE thumbnail IS NULL AND file_type = 'video' ORDER BY id";
        read!(self, pool => sqlx::query_scalar(sql).fetch_all(pool).await)
    }
}
