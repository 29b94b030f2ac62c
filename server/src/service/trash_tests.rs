use super::*;
use crate::domain::status::{FileType, SourceType};
use crate::store::tests::stores;
use crate::store::videos::NewVideo;

#[tokio::test]
async fn what_was_deleted_long_ago_goes_with_its_files_and_nothing_else_does() {
    for (store, _folder) in stores().await {
        let folder = tempfile::tempdir().unwrap();
        let folders = Arc::new(Folders::open(folder.path(), &folder.path().join("videos")).unwrap());
        let events = Events::default();
        let day = Duration::from_secs(86_400);
        let jobs = Jobs::new(&store, &events, &folders, day);
        let trash = Trash::new(&store, &events, &folders, &jobs, day);
        let add = async |name: &str, parts: &[&str]| {
            for file in parts.iter().chain([&name]) {
                std::fs::write(folders.storage().join(file), "x").unwrap();
            }
            let new = NewVideo {
                task_id: None,
                category_id: None,
                title: name.to_owned(),
                description: None,
                file_name: name.to_owned(),
                file_size: Some(1),
                duration_us: Some(1),
                source_type: SourceType::Recorded,
                file_type: FileType::Video,
                tracks: "[]".to_owned(),
                gaps: "[]".to_owned(),
                parts: parts.iter().map(|part| ((*part).to_owned(), 1, 1)).collect(),
            };
            store.add_video(&new).await.unwrap()
        };
        let gone = add("a.parts.json", &["a.mp4", "b.mp4"]).await;
        // Another item has one of its files.
        add("b.mp4", &[]).await;
        let kept = add("c.mp4", &[]).await;
        std::fs::write(folders.storage().join("thumbnails/t.jpg"), "x").unwrap();
        store.set_video_thumbnail(gone, "t.jpg").await.unwrap();
        store.bin_videos(&[gone], true).await.unwrap();
        let there = |name: &str| folders.storage().join(name).exists();

        trash.empty(Micros::now()).await.unwrap();
        assert!(there("a.mp4"), "it can be taken out for a day");
        let later = Micros::now().after(day + Duration::from_secs(1));
        trash.empty(later).await.unwrap();
        assert!(store.video(gone).await.unwrap().is_none());
        for name in ["a.parts.json", "a.mp4", "thumbnails/t.jpg"] {
            assert!(!there(name), "{name}");
        }
        assert!(there("b.mp4") && there("c.mp4"));
        assert!(store.video(kept).await.unwrap().is_some());
        assert_eq!(store.removals().await.unwrap(), [(gone, "trash".to_owned())]);
    }
}
