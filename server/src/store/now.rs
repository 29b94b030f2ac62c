//! How many there are of what, for whoever watches the server.

use super::{Result, Store};

impl Store {
    /// Jobs that are not over, by kind and status.
    pub(crate) async fn open_jobs(&self) -> Result<Vec<(String, String, i64)>> {
        let sql = "SELECT kind, status, COUNT(*) FROM jobs WHERE status IN ('pending', 'processing') GROUP BY kind, status ORDER BY kind, status";
        read!(self, pool => sqlx::query_as(sql).fetch_all(pool).await)
    }

    /// Videos that are not in the trash, by status.
    pub(crate) async fn counted_videos(&self) -> Result<Vec<(String, i64)>> {
        let sql =
            "SELECT status, COUNT(*) FROM videos WHERE deleted_at IS NULL GROUP BY status ORDER BY status";
        read!(self, pool => sqlx::query_as(sql).fetch_all(pool).await)
    }

    /// Active sources that are offline and online, uploads that are not over, messages that wait for webhooks.
    pub(crate) async fn counted(&self) -> Result<(i64, i64, i64, i64)> {
        let sql = "SELECT (SELECT COUNT(*) FROM sources WHERE is_active AND NOT is_online), \
                   (SELECT COUNT(*) FROM sources WHERE is_active AND is_online), \
                   (SELECT COUNT(*) FROM uploads WHERE status = 'uploading'), \
                   (SELECT COUNT(*) FROM webhook_deliveries WHERE status = 'pending')";
        read!(self, pool => sqlx::query_as(sql).fetch_one(pool).await)
    }
}
