use std::sync::Arc;

use super::*;
use crate::app::Folders;
use crate::domain::status::{FileType, SourceType};
use crate::service::events::Events;
use crate::service::jobs::Jobs;
use crate::service::keys::Keys;
use crate::service::playback::Playback;
use crate::store::tests::stores;
use crate::store::videos::NewVideo;
use crate::worker::Workers;

#[tokio::test]
async fn what_was_deleted_long_ago_goes_with_its_files_and_nothing_else_does() {
    for (store, _folder) in stores().await {
        let folder = tempfile::tempdir().unwrap();
        let folders = Arc::new(Folders::open(folder.path(), &folder.path().join("videos")).unwrap());
        let events = Events::default();
        let day = Duration::from_secs(86_400);
        let jobs = Jobs::new(&store, &events, &folders, &Workers::here(), day);
        let playback = Playback::open(&store, &events, &Keys::new([1; 32]), folders.storage()).unwrap();
        let remover = Remover::new(&store, &events, &folders, &jobs, &Arc::new(playback));
        let trash = Trash::new(&store, &remover, day);
        let (stop, stopping) = watch::channel(false);
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

        trash.empty(Micros::now(), &stopping).await.unwrap();
        assert!(there("a.mp4"), "it can be taken out for a day");
        let later = Micros::now().after(day + Duration::from_secs(1));
        stop.send_replace(true);
        trash.empty(later, &stopping).await.unwrap();
        assert!(there("a.mp4"), "a server that stops begins nothing");
        stop.send_replace(false);
        std::fs::rename(folders.storage(), folder.path().join("away")).unwrap();
        assert!(trash.empty(later, &stopping).await.is_err(), "its disk is gone");
        std::fs::rename(folder.path().join("away"), folders.storage()).unwrap();
        assert!(store.video(gone).await.unwrap().is_some());
        trash.empty(later, &stopping).await.unwrap();
        assert!(store.video(gone).await.unwrap().is_none());
        for name in ["a.parts.json", "a.mp4", "thumbnails/t.jpg"] {
            assert!(!there(name), "{name}");
        }
        assert!(there("b.mp4") && there("c.mp4"));
        assert!(store.video(kept).await.unwrap().is_some());
        let noted = store.removals(None, 10).await.unwrap();
        assert_eq!(noted.len(), 1);
        let note = noted.first().unwrap();
        assert_eq!(
            (note.video_id, note.reason, note.bytes),
            (gone, RemovalReason::Trash, 1)
        );
        assert!(
            note.detail.ends_with("where videos stay for 24 h"),
            "{}",
            note.detail
        );
        assert!(
            store.jobs(None).await.unwrap().is_empty(),
            "nothing is left to do"
        );
    }
}
