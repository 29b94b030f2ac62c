use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::domain::status::{FileType, SourceType, VideoStatus};
use crate::domain::time::Micros;
use crate::store::effects::{Effect, Ended};
use crate::store::tests::stores;
use crate::store::videos::{NewVideo, Video};

/// Lies in the fixtures.
pub(super) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/media")).join(name)
}

/// A store, folders, a queue, and somebody who works on it.
struct Place {
    store: Store,
    jobs: Jobs,
    folders: Arc<Folders>,
    stop: watch::Sender<bool>,
    worker: Option<tokio::task::JoinHandle<()>>,
    _data: tempfile::TempDir,
    _database: tempfile::TempDir,
}

impl Place {
    async fn all() -> Vec<Self> {
        let mut places = Vec::new();
        for (store, database) in stores().await {
            let data = tempfile::tempdir().unwrap();
            let folders = Folders::open(data.path(), &data.path().join("videos")).unwrap();
            let folders = Arc::new(folders);
            let jobs = Jobs::new(
                &store,
                &Events::default(),
                &folders,
                &Workers::here(),
                Duration::from_secs(3600),
            );
            places.push(Self {
                store,
                jobs,
                folders,
                stop: watch::channel(false).0,
                worker: None,
                _data: data,
                _database: database,
            });
        }
        places
    }

    fn work(&mut self) {
        self.worker = Some(tokio::spawn(
            self.jobs.clone().run(WORKERS, self.stop.subscribe()),
        ));
    }

    async fn rest(&mut self) {
        self.stop.send_replace(true);
        self.worker.take().unwrap().await.unwrap();
        self.stop.send_replace(false);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folders.storage().join(name)
    }

    async fn video(&self, from: &str, name: &str) -> Video {
        let size = fs::copy(fixture(from), self.path(name)).unwrap();
        let new = NewVideo {
            task_id: None,
            category_id: None,
            title: "A talk".to_owned(),
            description: None,
            file_name: name.to_owned(),
            file_size: i64::try_from(size).ok(),
            duration_us: Some(10_000_000),
            source_type: SourceType::Recorded,
            file_type: FileType::Video,
            tracks: "[]".to_owned(),
            gaps: "[]".to_owned(),
            parts: Vec::new(),
        };
        let id = self.store.add_video(&new).await.unwrap();
        self.store.video(id).await.unwrap().unwrap()
    }

    async fn over(&self, id: i64) -> Job {
        for _ in 0..600 {
            let job = self.store.job(id).await.unwrap().unwrap();
            if !matches!(job.status, JobStatus::Pending | JobStatus::Processing) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("job {id} does not end");
    }

    async fn trim(&self, video: i64, keep: bool, is_virtual: bool, sound: bool) -> Job {
        let payload = TrimPayload {
            start: 2.0,
            end: 5.0,
            extract_audio: sound,
            keep_original: keep,
            is_virtual,
            audio_bitrate: "64k".to_owned(),
            output: format!("{}.mp4", uuid::Uuid::now_v7()),
            audio: sound.then(|| AudioPayload::new("mp3", "64k")),
        };
        let job = self.jobs.add("trim", Some(video), &json!(payload)).await;
        self.over(job.unwrap().unwrap().id).await
    }
}

#[tokio::test]
async fn a_job_is_held_by_one_and_done_again_when_its_holder_is_gone() {
    for place in Place::all().await {
        let store = &place.store;
        let job = store.add_job("purge", None, &json!({"files": []})).await.unwrap();
        let lease = Duration::from_secs(60);
        let held = store.claim_job("a/1", lease, None).await.unwrap().unwrap();
        assert_eq!(
            (held.id, held.attempts, held.status),
            (job.id, 1, JobStatus::Processing)
        );
        assert!(store.claim_job("b/1", lease, None).await.unwrap().is_none());
        let other = store.add_job("audio", None, &json!({})).await.unwrap();
        assert!(
            store
                .claim_job("b/1", lease, Some("audio"))
                .await
                .unwrap()
                .is_none()
        );
        assert!(store.cancel_job(other.id).await.unwrap().is_some());
        assert!(!store.renew_job(job.id, "b/1", 500, lease).await.unwrap());
        assert!(store.renew_job(job.id, "a/1", 500, lease).await.unwrap());
        assert_eq!(store.free_jobs("b/").await.unwrap(), 0);
        assert_eq!(store.free_jobs("a/").await.unwrap(), 1);
        let again = store.claim_job("a/2", lease, None).await.unwrap().unwrap();
        assert_eq!((again.id, again.attempts), (job.id, 2));
        let late = store.finish_job(&held, "a/1", &json!({}), &Effect::Nothing).await;
        assert_eq!(late.unwrap(), Ended::Lost, "who lost it changes nothing");
        let done = store
            .finish_job(&again, "a/2", &json!({}), &Effect::Nothing)
            .await;
        assert_eq!(done.unwrap(), Ended::Done(None));
        assert_eq!(
            store.job(job.id).await.unwrap().unwrap().status,
            JobStatus::Completed
        );
    }
}

#[tokio::test]
async fn a_failure_of_the_disk_is_tried_again_later_and_a_stop_costs_no_try() {
    for place in Place::all().await {
        let store = &place.store;
        let job = store.add_job("purge", None, &json!({"files": []})).await.unwrap();
        let lease = Duration::from_secs(60);
        store.claim_job("a/1", lease, None).await.unwrap().unwrap();
        assert!(
            store
                .postpone_job(job.id, "a/1", Duration::ZERO, None)
                .await
                .unwrap()
        );
        let held = store.claim_job("a/2", lease, None).await.unwrap().unwrap();
        assert_eq!(held.attempts, 1);
        let wait = Duration::from_secs(50);
        assert!(
            store
                .postpone_job(job.id, "a/2", wait, Some("disk full"))
                .await
                .unwrap()
        );
        assert!(store.claim_job("a/3", lease, None).await.unwrap().is_none());
        let waiting = store.job(job.id).await.unwrap().unwrap();
        assert_eq!(waiting.error_message.as_deref(), Some("disk full"));
        assert!(waiting.run_after > Micros::now());
    }
}

#[tokio::test]
async fn a_job_is_cancelled_and_tried_again_by_a_person() {
    for mut place in Place::all().await {
        let video = place.video("av_h264_aac_faststart.mp4", "a.mp4").await;
        let payload = json!(AudioPayload::new("mp3", "128k"));
        let job = place
            .jobs
            .add("audio", Some(video.id), &payload)
            .await
            .unwrap()
            .unwrap();
        assert!(
            place
                .jobs
                .add("audio", Some(video.id), &payload)
                .await
                .unwrap()
                .is_none(),
            "one at a time"
        );
        assert_eq!(
            place.jobs.cancel(job.id).await.unwrap().status,
            JobStatus::Cancelled
        );
        assert!(matches!(
            place.jobs.cancel(job.id).await,
            Err(Fault::BadRequest(_))
        ));
        assert!(matches!(place.jobs.cancel(99).await, Err(Fault::NotFound(_))));
        place.work();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(place.over(job.id).await.status, JobStatus::Cancelled);
        place.jobs.retry(job.id).await.unwrap();
        let done = place.over(job.id).await;
        assert_eq!(done.status, JobStatus::Completed, "{:?}", done.error_message);
        let made: AudioResult = serde_json::from_str(done.result.as_deref().unwrap()).unwrap();
        assert_eq!(
            fs::metadata(place.path(&made.path)).unwrap().len(),
            u64::try_from(made.size).unwrap()
        );
        assert!(matches!(
            place.jobs.retry(job.id).await,
            Err(Fault::BadRequest(_))
        ));
        place.rest().await;
    }
}

#[tokio::test]
async fn a_video_gets_a_picture_and_sound_alone_needs_none() {
    for mut place in Place::all().await {
        place.work();
        let video = place.video("av_h264_aac_faststart.mp4", "a.mp4").await;
        let sound = place.video("audio_mp3.mp3", "b.mp3").await;
        for id in [video.id, sound.id] {
            let job = place
                .jobs
                .add("thumbnail", Some(id), &json!({}))
                .await
                .unwrap()
                .unwrap();
            let job = place.over(job.id).await;
            assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
        }
        let name = place
            .store
            .video(video.id)
            .await
            .unwrap()
            .unwrap()
            .thumbnail
            .unwrap();
        assert!(name.starts_with("thumb_"));
        let jpeg = fs::read(place.path(&format!("thumbnails/{name}"))).unwrap();
        assert!(jpeg.starts_with(&[0xff, 0xd8]));
        assert_eq!(
            place.store.video(sound.id).await.unwrap().unwrap().thumbnail,
            None
        );
        // One that is there may be one that a person chose.
        for (payload, stays) in [(json!({}), true), (json!({"anew": true}), false)] {
            let job = place.jobs.add("thumbnail", Some(video.id), &payload).await;
            let job = place.over(job.unwrap().unwrap().id).await;
            assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
            let now = place.store.video(video.id).await.unwrap().unwrap().thumbnail;
            assert_eq!(now.as_deref() == Some(name.as_str()), stays, "{payload}");
            assert_eq!(place.path(&format!("thumbnails/{name}")).exists(), stays);
        }
        fs::remove_file(place.path("a.mp4")).unwrap();
        let job = place
            .jobs
            .add("thumbnail", Some(video.id), &json!({}))
            .await
            .unwrap()
            .unwrap();
        let job = place.over(job.id).await;
        assert_eq!(job.status, JobStatus::Failed);
        assert_eq!(job.error_message.as_deref(), Some("Video file not found: a.mp4"));
        place.rest().await;
    }
}

#[tokio::test]
async fn a_trim_in_place_keeps_the_old_file_until_it_is_purged() {
    for mut place in Place::all().await {
        place.work();
        let video = place.video("av_h264_aac_faststart.mp4", "a.mp4").await;
        let job = place.trim(video.id, false, false, true).await;
        assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
        let after = place.store.video(video.id).await.unwrap().unwrap();
        assert_ne!(after.file_name, "a.mp4");
        assert_eq!(
            (after.status, after.duration_us),
            (VideoStatus::Pending, Some(3_000_000))
        );
        let size = fs::metadata(place.path(&after.file_name)).unwrap().len();
        assert_eq!(after.file_size, i64::try_from(size).ok());
        // Files follow their rows.
        let end = std::time::Instant::now() + Duration::from_secs(5);
        while !place.path("trash/a.mp4").exists() && std::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!place.path("a.mp4").exists() && place.path("trash/a.mp4").exists());
        let sound = place.store.video_jobs(video.id, "audio").await.unwrap().remove(0);
        assert_eq!(sound.status, JobStatus::Completed, "its sound is on offer");
        let purge = place.store.jobs(Some(JobStatus::Pending)).await.unwrap();
        let purge = purge.iter().find(|job| job.kind == "purge").unwrap();
        assert!(purge.run_after > Micros::now());
        place.rest().await;
    }
}

#[tokio::test]
async fn a_trim_beside_the_original_and_one_that_costs_no_copy() {
    for mut place in Place::all().await {
        place.work();
        let video = place.video("av_h264_aac_faststart.mp4", "a.mp4").await;
        let job = place.trim(video.id, true, false, false).await;
        let made: TrimResult = serde_json::from_str(job.result.as_deref().unwrap()).unwrap();
        let copy = place.store.video(made.video_id.unwrap()).await.unwrap().unwrap();
        assert_eq!(
            (copy.title.as_str(), copy.duration_us),
            ("A talk (trimmed)", Some(3_000_000))
        );
        assert!(place.path(&copy.file_name).exists() && place.path("a.mp4").exists());

        let job = place.trim(video.id, false, true, false).await;
        let made: TrimResult = serde_json::from_str(job.result.as_deref().unwrap()).unwrap();
        let clip = place.store.video(made.video_id.unwrap()).await.unwrap().unwrap();
        assert_eq!((clip.file_name.as_str(), clip.clip_of), ("a.mp4", Some(video.id)));
        assert_eq!(
            (clip.clip_from_us, clip.clip_to_us),
            (Some(2_000_000), Some(5_000_000))
        );
        assert_eq!(clip.duration_us, Some(3_000_000));

        let sound = json!(AudioPayload::new("m4a", "64k"));
        let job = place
            .jobs
            .add("audio", Some(clip.id), &sound)
            .await
            .unwrap()
            .unwrap();
        let job = place.over(job.id).await;
        assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
        let made: AudioResult = serde_json::from_str(job.result.as_deref().unwrap()).unwrap();
        let report = mediacore::probe::probe(&place.path(&made.path), &Interrupt::new()).unwrap();
        let length = report.duration.unwrap().as_secs_f64();
        assert!((2.9..3.2).contains(&length), "{length}");

        let job = place.trim(video.id, false, false, false).await;
        assert_eq!(job.status, JobStatus::Failed, "a clip needs the file");
        assert!(place.path("a.mp4").exists());
        place.rest().await;
    }
}

#[tokio::test]
async fn a_recording_of_several_files_is_one_timeline() {
    for mut place in Place::all().await {
        place.work();
        let length = mediacore::probe::probe(&fixture("av_h264_aac_faststart.mp4"), &Interrupt::new());
        let length = to_micros(length.unwrap().duration.unwrap());
        let size = fs::copy(fixture("av_h264_aac_faststart.mp4"), place.path("r.mp4")).unwrap();
        fs::copy(place.path("r.mp4"), place.path("r.part2.mp4")).unwrap();
        fs::write(place.path("r.parts.json"), "{}").unwrap();
        let size = i64::try_from(size).unwrap();
        let new = NewVideo {
            task_id: None,
            category_id: None,
            title: "Long".to_owned(),
            description: None,
            file_name: "r.parts.json".to_owned(),
            file_size: Some(size * 2),
            duration_us: Some(length * 2),
            source_type: SourceType::Recorded,
            file_type: FileType::Video,
            tracks: "[]".to_owned(),
            gaps: "[]".to_owned(),
            parts: vec![
                ("r.mp4".to_owned(), size, length),
                ("r.part2.mp4".to_owned(), size, length),
            ],
        };
        let id = place.store.add_video(&new).await.unwrap();
        let sound = json!(AudioPayload::new("mp3", "64k"));
        let job = place.jobs.add("audio", Some(id), &sound).await.unwrap().unwrap();
        let job = place.over(job.id).await;
        assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
        let made: AudioResult = serde_json::from_str(job.result.as_deref().unwrap()).unwrap();
        let report = mediacore::probe::probe(&place.path(&made.path), &Interrupt::new()).unwrap();
        let (is, should) = (to_micros(report.duration.unwrap()), length * 2);
        assert!((is - should).abs() < 300_000, "{is} for {should}");
        let picture = place
            .jobs
            .add("thumbnail", Some(id), &json!({}))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(place.over(picture.id).await.status, JobStatus::Completed);

        let payload = TrimPayload {
            start: length as f64 / 1e6 - 2.0,
            end: length as f64 / 1e6 + 3.0,
            extract_audio: false,
            keep_original: false,
            is_virtual: false,
            audio_bitrate: "64k".to_owned(),
            output: "new.mp4".to_owned(),
            audio: None,
        };
        let job = place
            .jobs
            .add("trim", Some(id), &json!(payload))
            .await
            .unwrap()
            .unwrap();
        let job = place.over(job.id).await;
        assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error_message);
        let video = place.store.video(id).await.unwrap().unwrap();
        assert_eq!(video.file_name, "new.parts.json");
        assert!((video.duration_us.unwrap() - 5_000_000).abs() < 100_000);
        let parts = place.store.video_parts(id).await.unwrap();
        assert_eq!(
            (parts[0].0.as_str(), parts[1].0.as_str()),
            ("new.mp4", "new.part2.mp4")
        );
        for old in ["r.mp4", "r.part2.mp4", "r.parts.json"] {
            assert!(!place.path(old).exists() && place.path("trash").join(old).exists());
        }
        place.rest().await;
    }
}
