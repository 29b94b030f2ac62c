use std::time::Duration;

use serde_json::Value;

use super::run::tell_low;
use super::*;
use crate::domain::status::{DeliveryStatus, RemovalReason, TaskStatus, VideoStatus};
use crate::service::monitor::Sample;
use crate::store::retention::{By, Note};
use crate::store::schedules::tests::source;
use crate::store::tasks::{Ending, NewTask};
use crate::store::tests::stores;
use crate::store::webhooks::Attempt;

const LEASE: Duration = Duration::from_secs(30);

fn webhooks(store: &Store, private: bool) -> Webhooks {
    let egress = Egress {
        private,
        ..Egress::default()
    };
    Webhooks::new(
        store,
        &Events::default(),
        &Keys::new([7; 32]),
        egress,
        "this server",
    )
}

fn new(url: &str, events: &[Topic]) -> NewWebhook {
    NewWebhook {
        url: url.to_owned(),
        description: "d".to_owned(),
        events: events.to_vec(),
        is_active: true,
    }
}

async fn messages(store: &Store, webhook: i64) -> Vec<(String, Value)> {
    let mut all = store.deliveries(webhook).await.unwrap();
    all.reverse();
    all.into_iter()
        .map(|one| {
            let body: Value = serde_json::from_str(&one.payload).unwrap();
            assert_eq!(body["type"], one.event);
            assert!(body["timestamp"].is_string());
            (one.event, body["data"].clone())
        })
        .collect()
}

fn ending(status: TaskStatus) -> Ending {
    Ending {
        status,
        file_size: Some(10),
        duration_us: Some(2_500_000),
        reconnects: 1,
        gaps: "[]".to_owned(),
        error_message: None,
        last_media_at: None,
        source_id: None,
        ended_at: None,
    }
}

#[tokio::test]
async fn what_changes_is_told_with_it_and_only_to_those_who_want_it() {
    for (store, _folder) in stores().await {
        let webhooks = webhooks(&store, true);
        let both = [
            Topic::TaskStarted,
            Topic::TaskInterrupted,
            Topic::VideoCreated,
            Topic::VideoPublished,
            Topic::VideoDeleted,
            Topic::SourceOffline,
        ];
        let one = webhooks.add(new("http://127.0.0.1:9/a", &both)).await.unwrap().0;
        let other = webhooks
            .add(new("http://127.0.0.1:9/b", &[Topic::VideoPublished]))
            .await
            .unwrap()
            .0;
        let admin = store.add_admin("a", "no hash").await.unwrap().id;
        let source_id = source(&store, "Hall").await;
        let task = NewTask {
            source_id,
            source_name: "Hall".to_owned(),
            schedule_id: None,
            continues_id: None,
            window_end: None,
            file_name: "a.mp4".to_owned(),
        };
        let task = store.add_task(&task).await.unwrap();
        let started = store
            .move_task(task.id, TaskStatus::Pending, TaskStatus::Recording)
            .await;
        assert!(started.unwrap());
        let video = crate::service::recordings::tests::item(task.id, "a.mp4");
        let end = ending(TaskStatus::Interrupted);
        let video = store.end_task(task.id, &end, Some(&video), None).await.unwrap();
        let video = video.unwrap();
        assert_eq!(store.end_task(task.id, &end, None, None).await.unwrap(), None);
        for _ in 0..2 {
            store
                .review_videos(&[video], VideoStatus::Published, admin)
                .await
                .unwrap();
        }
        store.bin_videos(&[video], true).await.unwrap();
        store.bin_videos(&[video], false).await.unwrap();
        let note = |reason| Note {
            video_id: video,
            title: "Hall".to_owned(),
            bytes: 10,
            reason,
            detail: "a limit".to_owned(),
        };
        let binned = store
            .bin_by_rule(&[note(RemovalReason::Age)], false)
            .await
            .unwrap();
        assert_eq!(binned, [video]);
        let gone = store
            .remove_video(&note(RemovalReason::Trash), By::Trash, "a.mp4", &[], Micros(0))
            .await
            .unwrap();
        assert!(gone.is_some());
        for online in [false, true, true, false] {
            store.note_source_check(source_id, online, None).await.unwrap();
        }

        let told = messages(&store, one.row.id).await;
        let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "task.started",
                "task.interrupted",
                "video.created",
                "video.published",
                "video.deleted",
                "video.published",
                "video.deleted",
                "video.deleted",
                "source.offline",
            ]
        );
        assert_eq!(told[1].1["video_id"], video);
        assert_eq!(told[1].1["source_name"], "Hall");
        assert_eq!(
            (&told[1].1["duration_s"], &told[1].1["size_bytes"]),
            (&json!(2.5), &json!(10))
        );
        assert_eq!(told[2].1["source_name"], "Hall");
        assert_eq!(told[4].1["permanent"], false);
        assert_eq!(told[5].1["restored"], true);
        assert_eq!(
            (
                &told[6].1["permanent"],
                &told[6].1["reason"],
                &told[6].1["detail"]
            ),
            (&json!(false), &json!("age"), &json!("a limit"))
        );
        assert_eq!(
            (&told[7].1["permanent"], &told[7].1["reason"]),
            (&json!(true), &json!("trash"))
        );
        assert_eq!(messages(&store, other.row.id).await.len(), 2);
        let text = format!("{told:?}");
        assert!(!text.contains("rtmp://"), "no address of a source: {text}");
    }
}

#[tokio::test]
async fn a_message_is_held_by_one_sender_until_its_lease_ends() {
    for (store, _folder) in stores().await {
        let webhooks = webhooks(&store, true);
        let hook = webhooks
            .add(new("http://127.0.0.1:9/", &[Topic::StorageLow]))
            .await
            .unwrap()
            .0;
        let id = hook.row.id;
        store.tell(Topic::StorageLow, json!({"n": 1})).await.unwrap();
        store.tell(Topic::StorageLow, json!({"n": 2})).await.unwrap();
        store.tell(Topic::TaskFailed, json!({})).await.unwrap();
        assert_eq!(store.waiting_webhooks().await.unwrap().len(), 1);
        let first = store.claim_delivery(id, "a", LEASE).await.unwrap().unwrap();
        let second = store.claim_delivery(id, "b", LEASE).await.unwrap().unwrap();
        assert!(first.id < second.id && first.attempts == 1);
        assert!(store.claim_delivery(id, "c", LEASE).await.unwrap().is_none());
        let waiting = store.waiting_webhooks().await.unwrap();
        assert!(
            waiting[0].1 > Micros::now(),
            "not before the leases end: {waiting:?}"
        );
        assert_eq!(store.free_deliveries("a").await.unwrap(), 1);
        let again = store.claim_delivery(id, "c", LEASE).await.unwrap().unwrap();
        assert_eq!((again.id, again.attempts), (first.id, 2));
        let note = |status, is_gone| Attempt {
            status,
            next_attempt_at: None,
            response_status: Some(200),
            error: None,
            is_gone,
        };
        store
            .note_attempt(&again, "c", &note(DeliveryStatus::Delivered, false))
            .await
            .unwrap();
        let shown = webhooks.list().await.unwrap().remove(0);
        assert_eq!(shown.row.failures_in_row, 0);
        store
            .note_attempt(&second, "b", &note(DeliveryStatus::Failed, true))
            .await
            .unwrap();
        let shown = webhooks.list().await.unwrap().remove(0);
        assert_eq!((shown.row.failures_in_row, shown.row.is_active), (1, false));
        assert_eq!(shown.row.last_status, Some(DeliveryStatus::Failed));
        store.tell(Topic::StorageLow, json!({})).await.unwrap();
        assert_eq!(
            store.deliveries(id).await.unwrap().len(),
            2,
            "one that is off is told nothing"
        );
        let retried = webhooks.retry(second.id).await.unwrap();
        assert_eq!(retried.status, DeliveryStatus::Pending);
        assert!(
            store.claim_delivery(id, "c", LEASE).await.unwrap().is_none(),
            "and sent nothing"
        );
        store.tidy_deliveries(Micros::now().after(LEASE)).await.unwrap();
        assert_eq!(
            store.deliveries(id).await.unwrap().len(),
            1,
            "what waits is not forgotten"
        );
        webhooks.remove(id).await.unwrap();
        assert!(store.delivery(second.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn fields_are_judged_and_secrets_are_not_shown_again() {
    let (store, _folder) = stores().await.remove(0);
    let webhooks = webhooks(&store, false);
    let wrong = |new: NewWebhook| {
        let webhooks = &webhooks;
        async move { webhooks.add(new).await.unwrap_err().to_string() }
    };
    let topics = [Topic::TaskFailed, Topic::TaskFailed];
    assert!(
        wrong(new("http://127.0.0.1/", &topics))
            .await
            .contains("allow_private_sources")
    );
    assert!(wrong(new("http://[::1]/", &topics)).await.contains("body.url"));
    assert!(
        wrong(new("rtmp://example.org/", &topics))
            .await
            .contains("body.url")
    );
    assert!(
        wrong(new("https://example.org/", &[]))
            .await
            .contains("body.events")
    );
    let (shown, secret) = webhooks
        .add(new("https://me:s3cret@example.org/h?key=k3y", &topics))
        .await
        .unwrap();
    assert!(secret.starts_with("whsec_") && shown.events == [Topic::TaskFailed]);
    assert!(
        !shown.url.contains("s3cret") && !shown.url.contains("k3y"),
        "{}",
        shown.url
    );
    let change = WebhookChange {
        url: Some(shown.url.clone()),
        is_active: Some(false),
        ..WebhookChange::default()
    };
    let changed = webhooks.change(shown.row.id, change).await.unwrap();
    assert!(changed.row.url.contains("s3cret") && !changed.row.is_active);
    let sealed = changed.row.secret_sealed;
    assert_ne!(webhooks.rotate(shown.row.id).await.unwrap(), secret);
    assert_ne!(
        store.webhook(shown.row.id).await.unwrap().unwrap().secret_sealed,
        sealed
    );
    for _ in 1..MOST {
        webhooks.add(new("https://example.org/", &topics)).await.unwrap();
    }
    assert!(matches!(
        webhooks.add(new("https://example.org/", &topics)).await,
        Err(Fault::Conflict(_))
    ));
}

#[tokio::test]
async fn that_the_disk_is_getting_full_is_told_once() {
    let (store, _folder) = stores().await.remove(0);
    let webhooks = webhooks(&store, true);
    let hook = webhooks
        .add(new("http://127.0.0.1:9/", &[Topic::StorageLow]))
        .await
        .unwrap()
        .0;
    for (free, told) in [(50, 0), (9, 1), (5, 1), (10, 1), (9, 1), (11, 1), (9, 2)] {
        let now = Sample {
            disk_free: free,
            disk_total: 100,
            ..Sample::default()
        };
        tell_low(&store, &now, 10).await.unwrap();
        assert_eq!(messages(&store, hook.row.id).await.len(), told, "{free}");
    }
}
