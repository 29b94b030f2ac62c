use mediacore::codec::Kind;

use super::*;
use crate::domain::status::Protocol;
use crate::store::sources::SourceFields;
use crate::store::tasks::TaskFilter;
use crate::store::tests::stores;
use crate::store::videos::NewVideo;

async fn source(store: &Store) -> i64 {
    let fields = SourceFields {
        name: "Hall".to_owned(),
        protocol: Protocol::Rtmp,
        // Nobody listens there.
        url: "rtmp://127.0.0.1:1/live/x".to_owned(),
        category_id: None,
        retention_days: 1,
        quota_bytes: None,
        audio: "auto".to_owned(),
        transport: "auto".to_owned(),
        is_active: true,
    };
    store.add_source(&fields).await.unwrap()
}

fn recordings(store: &Store, folder: &std::path::Path) -> Arc<Recordings> {
    let folders = Arc::new(Folders::open(folder, &folder.join("videos")).unwrap());
    let egress = Egress {
        private: true,
        allow: Vec::new(),
    };
    Arc::new(Recordings::new(
        store,
        &Events::default(),
        &folders,
        &jiff::tz::TimeZone::UTC,
        egress,
        &Workers::here(),
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_starts_at_once_one_wins_and_nothing_recorded_makes_no_video() {
    for (store, _folder) in stores().await {
        let folder = tempfile::tempdir().unwrap();
        let recordings = recordings(&store, folder.path());
        let id = source(&store).await;
        let start = || {
            let recordings = Arc::clone(&recordings);
            tokio::spawn(async move { recordings.start(id, Request::default()).await })
        };
        let (one, two) = (start(), start());
        let both = [one.await.unwrap(), two.await.unwrap()];
        assert_eq!(
            both.iter().filter(|started| started.is_ok()).count(),
            1,
            "{both:?}"
        );
        let refused = both.iter().find_map(|started| started.as_ref().err()).unwrap();
        assert_eq!(refused.to_string(), "Source is already being recorded");
        assert_eq!(recordings.live().len(), 1);
        let stopped = recordings.stop(id).await.unwrap();
        assert_eq!((stopped.status, stopped.stop_asked), (TaskStatus::Failed, true));
        assert!(stopped.ended_at.is_some() && stopped.error_message.is_some());
        assert!(store.entries(None).await.unwrap().is_empty());
        assert_eq!(recordings.live().len(), 0);
        assert_eq!(
            recordings.stop(id).await.unwrap_err().to_string(),
            "No active recording for this source"
        );
        recordings.shut_down().await;
        assert!(matches!(
            recordings.start(id, Request::default()).await,
            Err(Fault::Unavailable(_))
        ));
    }
}

fn ending() -> Ending {
    Ending {
        status: TaskStatus::Interrupted,
        file_size: Some(10),
        duration_us: Some(2_000_000),
        reconnects: 0,
        gaps: "[]".to_owned(),
        error_message: None,
        last_media_at: None,
        source_id: None,
        ended_at: None,
    }
}

/// A video of a task.
pub(crate) fn item(task: i64, name: &str) -> NewVideo {
    NewVideo {
        task_id: Some(task),
        category_id: None,
        title: "Hall".to_owned(),
        description: None,
        file_name: name.to_owned(),
        file_size: Some(10),
        duration_us: Some(2_000_000),
        source_type: crate::domain::status::SourceType::Recorded,
        file_type: crate::domain::status::FileType::Video,
        tracks: "[]".to_owned(),
        gaps: "[]".to_owned(),
        parts: vec![(name.to_owned(), 10, 2_000_000)],
    }
}

#[tokio::test]
async fn a_task_ends_once_and_what_goes_on_is_put_behind_it() {
    for (store, _folder) in stores().await {
        let source_id = source(&store).await;
        let new = |continues_id| NewTask {
            source_id,
            source_name: "Hall".to_owned(),
            schedule_id: None,
            continues_id,
            window_end: None,
            file_name: "a.mp4".to_owned(),
        };
        let first = store.add_task(&new(None)).await.unwrap();
        assert!(is_unique_violation(
            &store.add_task(&new(None)).await.unwrap_err()
        ));
        assert!(
            store
                .move_task(first.id, TaskStatus::Pending, TaskStatus::Recording)
                .await
                .unwrap()
        );
        assert!(
            !store
                .move_task(first.id, TaskStatus::Pending, TaskStatus::Recording)
                .await
                .unwrap()
        );
        let mut alone = item(first.id, "a.mp4");
        alone.parts.clear();
        let video = store
            .end_task(first.id, &ending(), Some(&alone), None)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            store
                .end_task(first.id, &ending(), Some(&alone), None)
                .await
                .unwrap(),
            None,
            "once"
        );
        assert_eq!(store.next_task_of(&first).await.unwrap(), None);
        let second = store.add_task(&new(Some(first.id))).await.unwrap();
        assert_eq!(store.next_task_of(&first).await.unwrap(), Some(second.id));
        let behind = item(second.id, "b.mp4");
        let same = store
            .end_task(second.id, &ending(), Some(&behind), Some((video, "a.parts.json")))
            .await
            .unwrap();
        assert_eq!(same, Some(video));
        let parts = store.video_parts(video).await.unwrap();
        assert_eq!(
            parts,
            [
                ("a.mp4".to_owned(), 10, 2_000_000),
                ("b.mp4".to_owned(), 10, 2_000_000)
            ]
        );
        let row = store.video(video).await.unwrap().unwrap();
        assert_eq!(
            (row.file_name.as_str(), row.file_size, row.duration_us),
            ("a.parts.json", Some(20), Some(4_000_000))
        );
        // The third names the first, too: it goes on from the second all the same.
        let third = store.add_task(&new(Some(first.id))).await.unwrap();
        let filter = TaskFilter {
            limit: 10,
            ..TaskFilter::default()
        };
        let next: Vec<(i64, Option<i64>)> = store
            .tasks(&filter)
            .await
            .unwrap()
            .into_iter()
            .map(|row| (row.task.id, row.continued_by))
            .collect();
        assert_eq!(
            next,
            [
                (third.id, None),
                (second.id, Some(third.id)),
                (first.id, Some(second.id))
            ]
        );
        for (task, next) in [(&second, Some(third.id)), (&third, None)] {
            assert_eq!(store.next_task_of(task).await.unwrap(), next);
        }
        assert!(
            store
                .end_task(third.id, &ending(), None, None)
                .await
                .unwrap()
                .is_none()
        );
        assert!(store.remove_source(source_id).await.unwrap());
        assert_eq!(
            store.task(first.id).await.unwrap().unwrap().source_id,
            None,
            "history stays"
        );
    }
}

/// How the page says what the server tells, by the server's templates.
const SENTENCES: &str = include_str!("../../../ui/src/i18n/zh-CN/sentences.json");

/// Whether `text` is what `template` becomes with values: its pieces stand in it in their order, from the start to the end.
fn fits(text: &str, template: &str) -> bool {
    let pieces: Vec<&str> = template
        .split('{')
        .map(|piece| piece.split_once('}').map_or(piece, |(_, behind)| behind))
        .collect();
    let [first, between @ .., last] = pieces.as_slice() else {
        return text == template;
    };
    let inside = text
        .strip_prefix(*first)
        .and_then(|left| left.strip_suffix(*last));
    let behind = |left, piece: &&str| Some(str::split_once(left, *piece)?.1);
    inside.is_some_and(|left| between.iter().try_fold(left, behind).is_some())
}

#[test]
fn the_page_knows_in_chinese_what_is_told_of_a_recording() {
    let sentences: HashMap<String, String> = serde_json::from_str(SENTENCES).unwrap();
    // What is nothing but places and marks fits too much.
    let templates: Vec<&str> = sentences
        .keys()
        .map(String::as_str)
        .filter(|template| !template.starts_with("{why}; {") && !template.starts_with("{why} ({"))
        .collect();
    let is_known = |text: &str| templates.iter().any(|template| fits(text, template));
    assert!(!is_known("a text; of nobody (that is known)"));

    let codec = || "pcm_mulaw".to_owned();
    let gap = |kind| {
        Happened::Gap(record::Gap {
            at: Duration::from_millis(3_500),
            length: Duration::from_secs(12),
            cause: outcome::RESTARTED.to_owned(),
            kind,
        })
    };
    let dropped = |count| Notice::PacketsDropped {
        reason: "duplicate".to_owned(),
        count,
    };
    let notices = [
        Notice::TrackDropped {
            codec: codec(),
            reason: "audio is not wanted".to_owned(),
        },
        Notice::TrackTranscoded { codec: codec() },
        Notice::TrackMissing { codec: codec() },
        Notice::NoKeyFrame {
            waited: Duration::from_secs(12),
        },
        Notice::ClockReset {
            at: Duration::from_secs(60),
            from: Duration::from_millis(95_443_718),
            to: Duration::from_millis(40),
        },
        dropped(1),
        dropped(3),
    ];
    let events = [
        Happened::Part {
            path: PathBuf::from("/storage/a.part2.mp4"),
            number: 2,
        },
        Happened::Connected,
        Happened::Reconnecting {
            cause: "the source ended the connection".to_owned(),
            pause: Duration::from_millis(1_500),
        },
        gap(None),
        gap(Some(Kind::Video)),
        gap(Some(Kind::Audio)),
        Happened::DiskFull,
    ];
    let full = std::io::Error::from_raw_os_error(28);
    let report = record::Report {
        status: record::Status::Interrupted,
        end: record::End::Storage,
        error: Some(mediacore::Error::storage("write a.mp4 at byte 4096", full)),
        parts: Vec::new(),
        manifest: None,
        gaps: Vec::new(),
        reconnects: 0,
        repaired: Default::default(),
        finish_time: Duration::ZERO,
    };
    let messages = events
        .into_iter()
        .chain(notices.into_iter().map(Happened::Notice))
        .map(|event| told(&event).expect("it is worth keeping"))
        .chain(failed(&report))
        .map(|event| event.message);
    for text in messages.chain([outcome::RESTARTED, ALREADY].map(str::to_owned)) {
        assert!(is_known(&text), "{text}");
    }
}
