use super::*;
use crate::store::tests::stores;

const OLD: &str = "
CREATE TABLE admins (id integer, username varchar, password_hash varchar, created_at datetime, last_login_at datetime);
CREATE TABLE categories (id integer, name varchar, sort_order integer, created_at datetime);
CREATE TABLE tags (id integer, name varchar, created_at datetime);
CREATE TABLE live_sources (id integer, name varchar, protocol varchar, url varchar, category_id integer, retention_days integer,
    is_active boolean, is_online boolean, last_check_time datetime, created_at datetime, updated_at datetime);
CREATE TABLE record_tasks (id integer, source_id integer, status varchar, started_at datetime, ended_at datetime, file_path varchar,
    file_size bigint, duration integer, error_message text, created_at datetime);
CREATE TABLE schedules (id integer, source_id integer, cron_expr varchar, is_active boolean, last_run_at datetime, next_run_at datetime,
    created_at datetime);
CREATE TABLE video_files (id integer, task_id integer, category_id integer, title varchar, description text, file_path varchar,
    file_size bigint, duration integer, thumbnail varchar, view_count integer, source_type varchar, file_type varchar, status varchar,
    reviewed_at datetime, reviewed_by integer, created_at datetime);
CREATE TABLE video_images (id integer, video_id integer, image_path varchar, sort_order integer, created_at datetime);
CREATE TABLE video_links (id integer, video_id integer, title varchar, url varchar, sort_order integer, created_at datetime);
CREATE TABLE video_tags (video_id integer, tag_id integer);
CREATE TABLE video_texts (id integer, video_id integer, title varchar, content text, sort_order integer, created_at datetime);
CREATE TABLE view_codes (id integer, code varchar, is_active boolean, created_at datetime, expires_at datetime);
CREATE TABLE view_code_categories (code_id integer, category_id integer);
CREATE TABLE upload_tasks (id varchar, status varchar);
INSERT INTO admins VALUES (1, 'admin', '$2b$12$x', '2026-01-01T00:00:00', NULL);
INSERT INTO categories VALUES (1, '未分类', 0, '2026-01-01T00:00:00'), (5, 'talks', 1, '2026-01-01T00:00:00');
INSERT INTO tags VALUES (3, 'a', '2026-01-01T00:00:00');
INSERT INTO live_sources VALUES (2, 'Hall', 'rtmp', 'rtmp://h/x', 5, 30, 1, 0, '2026-01-02 08:00:00.5', '2026-01-01 00:00:00', NULL);
INSERT INTO schedules VALUES (4, 2, '0 8 * * 0-4', 1, NULL, NULL, '2026-01-01 00:00:00'), (5, 99, '0 8 * * *', 1, NULL, NULL, '2026-01-01 00:00:00');
INSERT INTO record_tasks VALUES (7, 2, 'recording', '2026-01-02 08:00:00', NULL, '/app/data/videos/record_1.mp4', NULL, NULL, NULL, '2026-01-02 00:00:00');
INSERT INTO video_files VALUES
    (11, 7, 5, 'Talk', NULL, '/app/data/videos/record_1.mp4', 1, 61, 'thumbnails/thumb_1.jpg', 9, 'recorded', 'video', 'published',
        '2026-01-02 09:00:00', 1, '2026-01-02 00:00:00'),
    (12, 88, 66, 'Gone', NULL, 'upload_1.mp4', 1, 1, NULL, 0, 'uploaded', 'video', 'pending', NULL, NULL, '2026-01-02 00:00:00');
INSERT INTO video_tags VALUES (11, 3), (11, 3), (12, 3);
INSERT INTO video_images VALUES (1, 11, 'images/p.png', 0, '2026-01-02 00:00:00');
INSERT INTO video_links VALUES (1, 11, 'a', 'https://x.example', 0, '2026-01-02 00:00:00');
INSERT INTO video_texts VALUES (1, 11, 'a', NULL, 0, '2026-01-02 00:00:00');
INSERT INTO view_codes VALUES (6, 'ABC123', 1, '2026-01-01 00:00:00', '2030-01-01 00:00:00');
INSERT INTO view_code_categories VALUES (6, 5), (6, 77);
INSERT INTO upload_tasks VALUES ('x', 'uploading');
";

#[tokio::test]
async fn an_installation_is_taken_over_with_its_numbers() {
    for (store, _folder) in stores().await {
        let folder = tempfile::tempdir().unwrap();
        let (media, storage) = (folder.path().join("old"), folder.path().join("new"));
        for path in ["old/thumbnails", "old/images", "new/thumbnails", "new/images"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        std::fs::write(media.join("record_1.mp4"), "film").unwrap();
        std::fs::write(media.join("thumbnails/thumb_1.jpg"), "picture").unwrap();
        std::fs::write(media.join("images/p.png"), "picture").unwrap();
        let database = folder.path().join("mediastack.db");
        let url = format!("sqlite:{}?mode=rwc", database.display());
        let old = sqlx::SqlitePool::connect(&url).await.unwrap();
        sqlx::raw_sql(OLD).execute(&old).await.unwrap();
        old.close().await;
        // What a new server makes for itself.
        store.add_admin("admin", "x").await.unwrap();
        store.add_category("未分类", 0).await.unwrap();

        let keys = Keys::new([1; 32]);
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let plan = Plan {
            database: &database,
            media: &media,
            zone: &zone,
            storage: &storage,
        };
        let taken = run(&plan, &store, &keys).await.unwrap();
        assert_eq!(
            (taken.videos, taken.sources, taken.schedules, taken.files),
            (1, 1, 1, 3),
            "{taken:?}"
        );
        assert!(
            taken.notes.iter().any(|note| note.contains("upload_1.mp4")),
            "{:?}",
            taken.notes
        );
        assert!(
            taken.notes.iter().any(|note| note.contains("1-5")),
            "{:?}",
            taken.notes
        );
        assert_eq!(std::fs::read(storage.join("record_1.mp4")).unwrap(), b"film");

        let video = store.video(11).await.unwrap().unwrap();
        assert_eq!(
            (video.title.as_str(), video.category_id, video.view_count),
            ("Talk", Some(5), 9)
        );
        assert_eq!(
            (video.file_name.as_str(), video.thumbnail.as_deref()),
            ("record_1.mp4", Some("thumb_1.jpg"))
        );
        assert_eq!(
            video.reviewed_at,
            Micros::parse("2026-01-02T01:00:00Z"),
            "local time of the old server"
        );
        assert_eq!(
            video.created_at,
            Micros::parse("2026-01-02T00:00:00Z").unwrap(),
            "that was UTC"
        );
        assert_eq!(
            store.task(7).await.unwrap().unwrap().status,
            TaskStatus::Interrupted
        );
        assert_eq!(store.tags_of(&[11]).await.unwrap().len(), 1);
        let codes = codes::Codes::open(&store, &crate::service::events::Events::default(), &keys)
            .await
            .unwrap();
        assert_eq!(
            codes.find("ABC123").map(|right| right.category_ids),
            Some(vec![5])
        );
        assert_eq!(
            store.add_category("new", 0).await.unwrap().id,
            6,
            "numbers go on behind the old ones"
        );
        assert!(
            run(&plan, &store, &keys).await.is_err(),
            "not into one that is used"
        );
    }
}
