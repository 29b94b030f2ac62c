//! [`Store`]: the only SQL. One file for each aggregate; the same text for SQLite and PostgreSQL.
//!
//! SQLite has one connection that writes and several that read (WAL); PostgreSQL has one pool for both. A statement stands
//! once, in a `read!` or `write!` that compiles it for both:
//! ```text
//! read!(self, pool => sqlx::query_as::<_, Row>("SELECT … WHERE id = $1").bind(id).fetch_optional(pool).await)
//! write!(self, pool => { let mut tx = pool.begin().await?; …execute(&mut *tx).await?; tx.commit().await })
//! ```
//! What a person was told is saved is on the disk: SQLite runs with `synchronous=FULL`.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

/// Runs a statement that only reads.
macro_rules! read {
    ($store:expr, $pool:ident => $body:expr) => {{
        let _timed = $crate::metrics::Timed::start(&$crate::metrics::DATABASE_READS);
        match &$store.pools {
            $crate::store::Pools::Sqlite { reads: $pool, .. } => $body,
            $crate::store::Pools::Postgres($pool) => $body,
        }
    }};
}

/// Runs a statement or a transaction that writes.
macro_rules! write {
    ($store:expr, $pool:ident => $body:expr) => {{
        let _timed = $crate::metrics::Timed::start(&$crate::metrics::DATABASE_WRITES);
        match &$store.pools {
            $crate::store::Pools::Sqlite { writes: $pool, .. } => $body,
            $crate::store::Pools::Postgres($pool) => $body,
        }
    }};
}

/// Runs a statement that writes and gives rows back. Without a transaction SQLite gives the row before it writes, and what goes wrong
/// then is told to nobody: a full disk would answer that all is well.
macro_rules! save {
    ($store:expr, $tx:ident => $body:expr) => {
        write!($store, pool => {
            let mut $tx = pool.begin().await?;
            let given = $body?;
            $tx.commit().await?;
            Ok(given)
        })
    };
}

pub(crate) mod admins;
pub(crate) mod catalogue;
pub(crate) mod categories;
pub(crate) mod check;
pub(crate) mod codes;
pub(crate) mod effects;
pub(crate) mod extras;
pub(crate) mod import;
pub(crate) mod jobs;
pub(crate) mod library;
mod migrate;
pub(crate) mod now;
pub(crate) mod outbox;
pub(crate) mod retention;
pub(crate) mod schedules;
pub(crate) mod sessions;
pub(crate) mod sources;
pub(crate) mod tasks;
pub(crate) mod uploads;
pub(crate) mod videos;
pub(crate) mod webhooks;

/// What a statement gives.
pub(crate) type Result<T> = std::result::Result<T, sqlx::Error>;

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pools: Pools,
}

#[derive(Clone, Debug)]
enum Pools {
    Sqlite { reads: SqlitePool, writes: SqlitePool },
    Postgres(PgPool),
}

/// Connections that read SQLite at a time.
const SQLITE_READERS: u32 = 4;

/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 16;

/// How long another program may hold SQLite's lock.
const BUSY: Duration = Duration::from_secs(5);

/// How long a statement waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);

/// How long a database that another program has locked is waited for at the start.
const LOCKED_AT_START: Duration = Duration::from_secs(60);

/// Whether opening failed because the database is locked.
fn was_away(error: &anyhow::Error) -> bool {
    let locked = |error: &sqlx::Error| matches!(sqlite_code(error), Some(BUSY_CODE | LOCKED));
    error
        .chain()
        .any(|cause| cause.downcast_ref::<sqlx::Error>().is_some_and(locked))
}

impl Store {
    /// Opens the database at `url` (`sqlite:PATH`, `postgres://…`), makes it when it is a SQLite file that is not there,
    /// and brings its tables up to date. The contract's `sqlite+aiosqlite:///PATH` is understood.
    ///
    /// # Errors
    /// A URL of another engine, a database that can't be opened, or that a newer version of this program wrote.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let begun = std::time::Instant::now();
        loop {
            match Self::open_now(url).await {
                // Another program holds it for a moment: a copy is being made, or it is being looked at.
                Err(error) if begun.elapsed() < LOCKED_AT_START && was_away(&error) => {
                    tracing::warn!("the database is waited for: {error:#}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                done => return done,
            }
        }
    }

    async fn open_now(url: &str) -> anyhow::Result<Self> {
        let store = Self::connect(url).await?;
        store.migrate().await?;
        Ok(store)
    }

    async fn connect(url: &str) -> anyhow::Result<Self> {
        let pools = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url)?.application_name("mediastack");
            let pool = PgPoolOptions::new()
                .max_connections(POSTGRES_CONNECTIONS)
                .acquire_timeout(ACQUIRE)
                .connect_with(options)
                .await?;
            Pools::Postgres(pool)
        } else {
            let options = SqliteConnectOptions::new()
                .filename(sqlite_path(url)?)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY);
            let writes = SqlitePoolOptions::new()
                .max_connections(1)
                .acquire_timeout(ACQUIRE)
                .connect_with(options.clone())
                .await?;
            let reads = SqlitePoolOptions::new()
                .max_connections(SQLITE_READERS)
                .acquire_timeout(ACQUIRE)
                .connect_with(options)
                .await?;
            Pools::Sqlite { reads, writes }
        };
        let store = Self { pools };
        store.refuse_foreign().await?;
        Ok(store)
    }

    /// Refuses the database of the stack that this server replaces, whose tables have the same names.
    async fn refuse_foreign(&self) -> anyhow::Result<()> {
        let Pools::Sqlite { reads, .. } = &self.pools else {
            return Ok(());
        };
        let sql = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'live_sources'";
        let foreign: i64 = sqlx::query_scalar(sql).fetch_one(reads).await?;
        anyhow::ensure!(
            foreign == 0,
            "this is the database of an installation of the former stack; it is not changed. Choose another DATABASE_URL, and take the \
             installation over with `mediastack import --sqlite FILE --media DIR`"
        );
        Ok(())
    }

    /// Whether it is PostgreSQL.
    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self.pools, Pools::Postgres(_))
    }

    /// Waits for what is running and closes the connections.
    pub(crate) async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { reads, writes } => {
                reads.close().await;
                writes.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it doesn't.
    pub(crate) async fn ping(&self) -> Result<()> {
        write!(self, pool => sqlx::query("SELECT 1").execute(pool).await.map(drop))
    }
}

/// The file of a SQLite URL.
///
/// # Errors
/// When it is the URL of something else.
pub(crate) fn sqlite_path(url: &str) -> anyhow::Result<&str> {
    let rest = url
        .strip_prefix("sqlite+aiosqlite:")
        .or_else(|| url.strip_prefix("sqlite:"))
        .ok_or_else(|| anyhow::anyhow!("DATABASE_URL starts with neither sqlite: nor postgres://"))?;
    // Three slashes stand before a relative path, four before an absolute one.
    let path = rest
        .strip_prefix("///")
        .or_else(|| rest.strip_prefix("//"))
        .unwrap_or(rest);
    let path = path.split('?').next().unwrap_or(path);
    anyhow::ensure!(
        !path.is_empty() && path != ":memory:",
        "DATABASE_URL names no file"
    );
    Ok(path)
}

/// Whether a statement failed because a row of that kind exists.
pub(crate) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation())
}

/// Whether a statement failed because the database is away for now: locked by another program, restarting, or on a disk that fails.
pub(crate) fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(told) => match sqlite_code(error) {
            Some(code) => matches!(code, BUSY_CODE | LOCKED | READ_ONLY | IO | FULL | CANT_OPEN),
            // Of PostgreSQL: the connection, what it has, that it stops or starts.
            None => told.code().is_some_and(|code| {
                ["08", "53", "57P", "55P03"]
                    .iter()
                    .any(|class| code.starts_with(class))
            }),
        },
        _ => false,
    }
}

/// Whether a statement failed because the disk of the database is full.
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    sqlite_code(error) == Some(FULL)
        || error
            .as_database_error()
            .and_then(|error| error.code())
            .as_deref()
            == Some("53100")
}

/// SQLite's primary result codes.
const BUSY_CODE: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const IO: i32 = 10;
const FULL: i32 = 13;
const CANT_OPEN: i32 = 14;

/// The primary result code of an error of SQLite.
fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    let error = error.as_database_error()?;
    error.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
    // The extended code has more in its upper bits.
    error.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A new store: SQLite, and a database of its own on the server that `MEDIASTACK_TEST_POSTGRES` names.
    pub(crate) async fn stores() -> Vec<(Store, tempfile::TempDir)> {
        let all = unmigrated().await;
        for (store, _) in &all {
            store.migrate().await.unwrap();
        }
        all
    }

    /// As [`stores`], without any table.
    pub(crate) async fn unmigrated() -> Vec<(Store, tempfile::TempDir)> {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Store::connect(&format!("sqlite:{}", folder.path().join("m.db").display()))
            .await
            .unwrap();
        let mut all = vec![(sqlite, folder)];
        if let Ok(server) = std::env::var("MEDIASTACK_TEST_POSTGRES") {
            let name = format!("t{}", uuid::Uuid::now_v7().simple());
            let admin = PgPool::connect(&server).await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
                .execute(&admin)
                .await
                .unwrap();
            let (base, query) = server.split_once('?').unwrap_or((&server, ""));
            let (base, _) = base.rsplit_once('/').unwrap();
            let store = Store::connect(&format!("{base}/{name}?{query}")).await.unwrap();
            all.push((store, tempfile::tempdir().unwrap()));
        }
        all
    }

    #[test]
    fn the_file_of_a_database_url() {
        for (url, path) in [
            ("sqlite+aiosqlite:///./data/db/m.db", Some("./data/db/m.db")),
            ("sqlite+aiosqlite:////data/m.db", Some("/data/m.db")),
            ("sqlite:m.db?mode=rwc", Some("m.db")),
            ("sqlite:/data/m.db", Some("/data/m.db")),
            ("mysql://x", None),
            ("sqlite::memory:", None),
        ] {
            assert_eq!(sqlite_path(url).ok(), path, "{url}");
        }
    }

    #[tokio::test]
    async fn the_database_of_the_former_stack_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("mediastack.db").display());
        let old = SqlitePool::connect(&format!("{url}?mode=rwc")).await.unwrap();
        sqlx::query("CREATE TABLE live_sources (id integer)")
            .execute(&old)
            .await
            .unwrap();
        old.close().await;
        let told = Store::open(&url).await.unwrap_err().to_string();
        assert!(told.contains("mediastack import"), "{told}");
    }

    #[tokio::test]
    async fn tables_are_made_once_and_foreign_keys_hold() {
        for (store, _folder) in stores().await {
            store.migrate().await.unwrap();
            let failed = write!(store, pool => sqlx::query("INSERT INTO video_tags (video_id, tag_id) VALUES (1, 1)").execute(pool).await.map(drop));
            assert!(
                failed
                    .unwrap_err()
                    .as_database_error()
                    .unwrap()
                    .is_foreign_key_violation()
            );
        }
    }
}
