//! Many videos in a server's database, without their files.

use std::io;
use std::path::Path;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

/// Adds `count` published videos in ten categories, with two tags each, to the SQLite file at `path`.
///
/// # Errors
/// The database refuses them.
pub fn fill(path: &Path, count: u32) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(insert(path, count)).map_err(io::Error::other)
}

async fn insert(path: &Path, count: u32) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).foreign_keys(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut tx = connection.begin().await?;
    for number in 0..10 {
        let sql =
            "INSERT INTO categories (name, sort_order, created_at) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING";
        sqlx::query(sql)
            .bind(format!("Category {number}"))
            .bind(number)
            .execute(&mut *tx)
            .await?;
        let sql = "INSERT INTO tags (name, created_at) VALUES ($1, 0) ON CONFLICT DO NOTHING";
        sqlx::query(sql)
            .bind(format!("tag {number}"))
            .execute(&mut *tx)
            .await?;
    }
    let categories: Vec<i64> = sqlx::query_scalar("SELECT id FROM categories ORDER BY id")
        .fetch_all(&mut *tx)
        .await?;
    let tags: Vec<i64> = sqlx::query_scalar("SELECT id FROM tags ORDER BY id")
        .fetch_all(&mut *tx)
        .await?;
    let pick = |of: &[i64], at: u32| of.get(at as usize % of.len().max(1)).copied();
    for number in 0..count {
        let sql = "INSERT INTO videos (title, description, file_name, file_size, duration_us, source_type, file_type, status, \
                   category_id, created_at, updated_at) \
                   VALUES ($1, $2, $3, 1000000000, 3600000000, 'recorded', 'video', 'published', $4, $5, $5) RETURNING id";
        let id: i64 = sqlx::query_scalar(sql)
            .bind(format!("Lecture {number} of the winter term"))
            .bind("What was said in the large hall, recorded as it was sent.")
            .bind(format!("benchmark-{number}.mp4"))
            .bind(pick(&categories, number))
            .bind(1_700_000_000_000_000_i64 + i64::from(number) * 1_000_000)
            .fetch_one(&mut *tx)
            .await?;
        for tag in [pick(&tags, number), pick(&tags, number + 3)]
            .into_iter()
            .flatten()
        {
            let sql = "INSERT INTO video_tags (video_id, tag_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            sqlx::query(sql).bind(id).bind(tag).execute(&mut *tx).await?;
        }
    }
    tx.commit().await?;
    connection.close().await
}
