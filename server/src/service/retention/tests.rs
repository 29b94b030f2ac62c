use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::app::Folders;
use crate::domain::status::{FileType, Protocol, SourceType, VideoStatus};
use crate::service::jobs::{Jobs, WORKERS};
use crate::service::keys::Keys;
use crate::service::playback::Playback;
use crate::store::sources::SourceFields;
use crate::store::tests::stores;
use crate::store::videos::NewVideo;
use crate::worker::Workers;

const DAY: Duration = Duration::from_secs(86_400);

/// A library of small files.
struct Shelf {
    store: Store,
    folders: Arc<Folders>,
    jobs: Jobs,
    disk: Disk,
    stop: watch::Sender<bool>,
    retention: Retention,
    source: i64,
    _folder: tempfile::TempDir,
}

impl Shelf {
    async fn new(store: &Store) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let folders = Arc::new(Folders::open(folder.path(), &folder.path().join("videos")).unwrap());
        let events = Events::default();
        let jobs = Jobs::new(store, &events, &folders, &Workers::here(), DAY);
        let playback = Playback::open(store, &events, &Keys::new([1; 32]), folders.storage()).unwrap();
        let remover = Remover::new(store, &events, &folders, &jobs, &Arc::new(playback));
        let disk = Disk::of(folders.storage());
        *disk.pretended.lock().unwrap() = Some(1000);
        let (stop, stopping) = watch::channel(false);
        let retention = Retention::new(store, &events, &remover, disk.clone(), 100, stopping);
        let fields = SourceFields {
            name: "Hall".to_owned(),
            protocol: Protocol::Rtmp,
            url: "rtmp://127.0.0.1:1/live/x".to_owned(),
            category_id: None,
            retention_days: 30,
            quota_bytes: None,
            audio: "auto".to_owned(),
            transport: "auto".to_owned(),
            is_active: true,
        };
        let source = store.add_source(&fields).await.unwrap();
        Self {
            store: store.clone(),
            folders,
            jobs,
            disk,
            stop,
            retention,
            source,
            _folder: folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folders.storage().join(name)
    }

    fn there(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// A recording of the source that ended some days ago and has 10 bytes.
    async fn recorded(&self, name: &str, days: u32) -> i64 {
        let id = self.uploaded(name).await;
        let at = Micros::now().before(DAY * days);
        self.store.pretend_recorded(id, self.source, at).await.unwrap();
        id
    }

    async fn uploaded(&self, name: &str) -> i64 {
        std::fs::write(self.path(name), "0123456789").unwrap();
        let new = NewVideo {
            task_id: None,
            category_id: None,
            title: format!("of {name}"),
            description: None,
            file_name: name.to_owned(),
            file_size: Some(10),
            duration_us: Some(1),
            source_type: SourceType::Uploaded,
            file_type: FileType::Video,
            tracks: "[]".to_owned(),
            gaps: "[]".to_owned(),
            parts: Vec::new(),
        };
        self.store.add_video(&new).await.unwrap()
    }

    async fn is_binned(&self, id: i64) -> bool {
        let row = self.store.video(id).await.unwrap().unwrap();
        row.deleted_at.is_some()
    }

    async fn activate(&self, change: Change) {
        let change = Change {
            is_active: Some(true),
            ..change
        };
        self.retention.change(change).await.unwrap();
    }

    async fn planned(&self) -> Vec<i64> {
        let preview = self.retention.preview(Change::default()).await.unwrap();
        assert_eq!(preview.total_count, preview.items.len());
        preview.items.iter().map(|item| item.video_id).collect()
    }

    async fn removals(&self) -> Vec<(i64, RemovalReason)> {
        let all = self.retention.removals(None, 100).await.unwrap();
        all.into_iter().map(|note| (note.video_id, note.reason)).collect()
    }
}

#[tokio::test]
async fn what_the_preview_says_goes_and_can_be_taken_back() {
    for (store, _folder) in stores().await {
        let shelf = Shelf::new(&store).await;
        let old = shelf.recorded("a.mp4", 31).await;
        let young = shelf.recorded("b.mp4", 29).await;
        let upload = shelf.uploaded("c.mp4").await;
        let protected = shelf.recorded("d.mp4", 90).await;
        store.protect_videos(&[protected], true).await.unwrap();
        let published = shelf.recorded("e.mp4", 80).await;
        let admin = store.add_admin("a", "x").await.unwrap().id;
        store
            .review_videos(&[published], VideoStatus::Published, admin)
            .await
            .unwrap();
        let busy = shelf.recorded("f.mp4", 70).await;
        store.add_job("audio", Some(busy), &json!({})).await.unwrap();

        assert_eq!(shelf.planned().await, [old], "before it is active");
        let refused = shelf.retention.run().await.unwrap_err();
        assert!(matches!(refused, Fault::BadRequest(_)), "{refused:?}");
        assert!(!shelf.is_binned(old).await);

        shelf.activate(Change::default()).await;
        let preview = shelf.retention.preview(Change::default()).await.unwrap();
        assert_eq!((preview.protected, preview.published), (1, 1));
        let item = preview.items.first().unwrap();
        assert_eq!(item.source.as_ref().unwrap(), &(shelf.source, "Hall".to_owned()));
        let ran = shelf.retention.run().await.unwrap();
        assert_eq!(ran, Ran { count: 1, bytes: 10 });
        for (id, binned) in [
            (old, true),
            (young, false),
            (upload, false),
            (protected, false),
            (published, false),
            (busy, false),
        ] {
            assert_eq!(shelf.is_binned(id).await, binned, "{id}");
        }
        assert!(shelf.there("a.mp4"), "it can be taken back");
        let note = shelf.retention.removals(None, 1).await.unwrap().remove(0);
        assert_eq!((note.video_id, note.reason), (old, RemovalReason::Age));
        assert!(note.detail.contains("kept for 30 d"), "{}", note.detail);
        let state = shelf.retention.state().await.unwrap();
        assert_eq!((state.used, state.free), (50, 1000));
        assert!(state.policy.last_run_at.is_some());
        assert_eq!(store.bin_videos(&[old], false).await.unwrap(), [old]);
        assert_eq!(
            shelf.retention.removals(Some(note.id), 10).await.unwrap().len(),
            0
        );
    }
}

#[tokio::test]
async fn a_full_disk_is_freed_of_the_trash_and_of_old_videos_with_their_files() {
    for (store, _folder) in stores().await {
        let shelf = Shelf::new(&store).await;
        let first = shelf.recorded("a.mp4", 3).await;
        let second = shelf.uploaded("b.mp4").await;
        let binned = shelf.recorded("c.mp4", 1).await;
        store.bin_videos(&[binned], true).await.unwrap();
        // Another item of the same file.
        let twin = shelf.uploaded("a.mp4").await;
        store.protect_videos(&[twin], true).await.unwrap();
        std::fs::write(shelf.path("thumbnails/t.jpg"), "x").unwrap();
        store.set_video_thumbnail(second, "t.jpg").await.unwrap();
        *shelf.disk.pretended.lock().unwrap() = Some(985);
        shelf
            .activate(Change {
                min_free_bytes: Some(Some(1000)),
                ..Change::default()
            })
            .await;
        assert_eq!(
            shelf.planned().await,
            [binned, second],
            "taking one of a pair frees nothing"
        );
        let ran = shelf.retention.run().await.unwrap();
        assert_eq!(ran, Ran { count: 2, bytes: 20 });
        for name in ["b.mp4", "c.mp4", "thumbnails/t.jpg"] {
            assert!(!shelf.there(name), "{name}");
        }
        assert!(shelf.there("a.mp4"));
        assert!(store.video(second).await.unwrap().is_none());
        assert!(!shelf.is_binned(first).await);
        let freed = RemovalReason::FreeSpace;
        assert_eq!(shelf.removals().await, [(second, freed), (binned, freed)]);
        assert!(
            store.jobs(None).await.unwrap().is_empty(),
            "nothing is left to do"
        );
        // The disk says the same still, and nothing is left for it.
        assert_eq!(shelf.retention.run().await.unwrap(), Ran::default());
    }
}

#[tokio::test]
async fn what_changed_since_the_plan_is_left_alone() {
    for (store, _folder) in stores().await {
        let shelf = Shelf::new(&store).await;
        let mut ids = Vec::new();
        for name in ["a.mp4", "b.mp4", "c.mp4", "d.mp4"] {
            ids.push(shelf.recorded(name, 40).await);
        }
        *shelf.disk.pretended.lock().unwrap() = Some(0);
        for min_free in [None, Some(10_000)] {
            shelf
                .activate(Change {
                    min_free_bytes: Some(min_free),
                    ..Change::default()
                })
                .await;
            let policy = shelf.retention.rules(&store.retention().await.unwrap());
            let ground = shelf.retention.ground().await.unwrap();
            let plan = rules::plan(&policy, &ground.sources, &ground.videos, 0, Micros::now());
            assert_eq!(plan.removals.len(), 4);
            let [protected, published, busy, gone] = ids.as_slice() else {
                panic!("{ids:?}");
            };
            store.protect_videos(&[*protected], true).await.unwrap();
            let admin = store.add_admin(&format!("{min_free:?}"), "x").await.unwrap().id;
            store
                .review_videos(&[*published], VideoStatus::Published, admin)
                .await
                .unwrap();
            store.add_job("trim", Some(*busy), &json!({})).await.unwrap();
            store.bin_videos(&[*gone], true).await.unwrap();
            let ran = shelf.retention.carry_out(&ground, &plan, true).await.unwrap();
            let at_once = usize::from(min_free.is_some());
            assert_eq!(ran.count, at_once, "only the trash may be taken");
            for id in [*protected, *published, *busy] {
                assert!(!shelf.is_binned(id).await);
            }
            // As it was, for the other way of going.
            store.protect_videos(&[*protected], false).await.unwrap();
            store
                .review_videos(&[*published], VideoStatus::Offline, admin)
                .await
                .unwrap();
            for job in store.jobs(None).await.unwrap() {
                store.cancel_job(job.id).await.unwrap();
            }
            store.bin_videos(&[*gone], false).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_recording_that_goes_on_keeps_its_video() {
    for (store, _folder) in stores().await {
        let shelf = Shelf::new(&store).await;
        let new = |continues_id| crate::store::tasks::NewTask {
            source_id: shelf.source,
            source_name: "Hall".to_owned(),
            schedule_id: None,
            continues_id,
            window_end: None,
            file_name: "a.mp4".to_owned(),
        };
        let ending = crate::store::tasks::Ending {
            status: crate::domain::status::TaskStatus::Interrupted,
            file_size: Some(10),
            duration_us: Some(1),
            reconnects: 0,
            gaps: "[]".to_owned(),
            error_message: None,
            last_media_at: None,
            source_id: None,
            ended_at: None,
        };
        let task = store.add_task(&new(None)).await.unwrap();
        let video = NewVideo {
            task_id: Some(task.id),
            category_id: None,
            title: "Hall".to_owned(),
            description: None,
            file_name: "a.mp4".to_owned(),
            file_size: Some(10),
            duration_us: Some(1),
            source_type: SourceType::Recorded,
            file_type: FileType::Video,
            tracks: "[]".to_owned(),
            gaps: "[]".to_owned(),
            parts: Vec::new(),
        };
        let id = store
            .end_task(task.id, &ending, Some(&video), None)
            .await
            .unwrap()
            .unwrap();
        std::fs::write(shelf.path("a.mp4"), "0123456789").unwrap();
        let policy = Change {
            total_quota_bytes: Some(Some(1)),
            ..Change::default()
        };
        shelf.activate(policy).await;
        assert_eq!(shelf.planned().await, [id], "it belongs to its source");
        let going_on = store.add_task(&new(Some(task.id))).await.unwrap();
        assert_eq!(shelf.planned().await, [0_i64; 0]);
        store.end_task(going_on.id, &ending, None, None).await.unwrap();
        store.note_task_goes_on(task.id, true).await.unwrap();
        assert_eq!(shelf.planned().await, [0_i64; 0], "it will go on");
        store.note_task_goes_on(task.id, false).await.unwrap();
        assert!(store.remove_task(task.id).await.unwrap());
        let by_source = shelf.retention.ground().await.unwrap();
        assert_eq!(
            by_source.videos.first().unwrap().source,
            Some(shelf.source),
            "without its task too"
        );
    }
}

#[tokio::test]
async fn nothing_is_removed_without_the_disk_or_while_the_server_stops() {
    for (store, _folder) in stores().await {
        let shelf = Shelf::new(&store).await;
        let old = shelf.recorded("a.mp4", 31).await;
        shelf.activate(Change::default()).await;
        let away = shelf.folders.storage().with_extension("away");
        std::fs::rename(shelf.folders.storage(), &away).unwrap();
        let refused = shelf.retention.run().await.unwrap_err();
        assert!(matches!(refused, Fault::Unavailable(_)), "{refused:?}");
        std::fs::rename(&away, shelf.folders.storage()).unwrap();
        shelf.stop.send_replace(true);
        assert_eq!(shelf.retention.run().await.unwrap(), Ran::default());
        assert!(!shelf.is_binned(old).await);
        shelf.stop.send_replace(false);
        assert_eq!(shelf.retention.run().await.unwrap().count, 1);
    }
}

#[tokio::test]
async fn a_server_that_died_between_row_and_file_leaves_no_file() {
    for (store, _folder) in stores().await {
        let shelf = Shelf::new(&store).await;
        let id = shelf.recorded("a.mp4", 31).await;
        let note = Note {
            video_id: id,
            title: "t".to_owned(),
            bytes: 10,
            reason: RemovalReason::FreeSpace,
            detail: "d".to_owned(),
        };
        let by = By::Rule { keep_published: true };
        let files = ["a.mp4".to_owned()];
        let stale = store.remove_video(&note, by, "b.mp4", &files, Micros(0)).await;
        assert_eq!(stale.unwrap(), None, "its file is another now");
        let job = store.remove_video(&note, by, "a.mp4", &files, Micros(0)).await;
        assert!(job.unwrap().is_some() && shelf.there("a.mp4"));
        // The next start.
        let (stop, stopping) = watch::channel(false);
        let working = tokio::spawn(shelf.jobs.clone().run(WORKERS, stopping));
        for _ in 0..400 {
            if !shelf.there("a.mp4") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert!(!shelf.there("a.mp4"));
        stop.send_replace(true);
        working.await.unwrap();
    }
}

#[tokio::test]
async fn limits_that_make_no_sense_are_refused() {
    let (store, _folder) = stores().await.remove(0);
    let shelf = Shelf::new(&store).await;
    let with = |quota: Option<i64>, free: Option<i64>| Change {
        total_quota_bytes: Some(quota),
        min_free_bytes: Some(free),
        ..Change::default()
    };
    for change in [
        with(Some(0), None),
        with(Some(-1), None),
        with(None, Some(0)),
        with(None, Some(99)),
    ] {
        let refused = shelf.retention.change(change).await.unwrap_err();
        assert!(matches!(refused, Fault::Invalid(_)), "{change:?} {refused:?}");
    }
    let state = shelf.retention.change(with(Some(1), Some(100))).await.unwrap();
    assert_eq!(
        (state.policy.total_quota_bytes, state.policy.min_free_bytes),
        (Some(1), Some(100))
    );
    assert!(!state.policy.is_active && state.next_run_at.is_none());
    let state = shelf.retention.change(with(None, None)).await.unwrap();
    assert_eq!(state.policy.total_quota_bytes, None);
}

#[tokio::test]
async fn a_disk_that_is_short_is_noticed_while_the_rules_are_active() {
    let (store, _folder) = stores().await.remove(0);
    let shelf = Shelf::new(&store).await;
    let wanted = Change {
        min_free_bytes: Some(Some(2000)),
        ..Change::default()
    };
    shelf.retention.change(wanted).await.unwrap();
    assert!(!shelf.retention.is_short().await, "it is not active");
    shelf.activate(Change::default()).await;
    assert!(shelf.retention.is_short().await);
    *shelf.disk.pretended.lock().unwrap() = Some(2000);
    assert!(!shelf.retention.is_short().await);
}
