use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use super::*;
use crate::domain::status::RunOutcome;
use crate::store::schedules::tests::source;
use crate::store::tests::stores;
use std::sync::Arc;

/// Source, schedule, end of the window, and when.
type Begun = (i64, i64, Option<Micros>, Instant);

/// Notes what is started, and when.
#[derive(Default)]
struct Fake {
    started: Arc<Mutex<Vec<Begun>>>,
    /// A source that is being recorded, and one that can't be.
    busy: AtomicI64,
    broken: AtomicI64,
}

impl Start for Fake {
    fn start(&self, source_id: i64, schedule_id: i64, window_end: Option<Micros>) -> Starting {
        let started = Arc::clone(&self.started);
        let busy = self.busy.load(Ordering::Relaxed) == source_id;
        let broken = self.broken.load(Ordering::Relaxed) == source_id;
        Box::pin(async move {
            if busy {
                return Ok(Started::Already);
            }
            if broken {
                return Err(Fault::bad("The source does not answer"));
            }
            started
                .lock()
                .unwrap()
                .push((source_id, schedule_id, window_end, Instant::now()));
            Ok(Started::Already)
        })
    }
}

fn new(source_id: i64, cron_expr: &str, duration_s: Option<i64>) -> NewSchedule {
    NewSchedule {
        source_id,
        cron_expr: cron_expr.to_owned(),
        zone: Some("Europe/Berlin".to_owned()),
        duration_s,
        ends_at: None,
        is_active: true,
    }
}

fn schedules(store: &Store) -> Arc<Schedules> {
    Arc::new(Schedules::new(store, &Events::default(), &TimeZone::UTC))
}

async fn tick(schedules: &Arc<Schedules>, now: Micros, fake: &Arc<dyn Start>) -> Duration {
    let mut starts = JoinSet::new();
    let wait = schedules.tick(now, fake, &mut starts).await.unwrap();
    while starts.join_next().await.is_some() {}
    wait
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_schedule_is_made_shown_changed_and_removed() {
    for (store, _folder) in stores().await {
        let schedules = schedules(&store);
        let source = source(&store, "Camera").await;
        let missing = schedules
            .add(new(source + 1, "0 8 * * *", None), Language::English)
            .await;
        assert!(matches!(missing, Err(Fault::NotFound(text)) if text == "Source not found"));
        let wrong = schedules
            .add(new(source, "@daily", None), Language::English)
            .await;
        assert!(matches!(wrong, Err(Fault::BadRequest(text)) if text.starts_with("Invalid cron expression")));
        let mut bad = new(source, "0 8 * * *", Some(9));
        assert!(matches!(
            schedules.add(bad.clone(), Language::English).await,
            Err(Fault::Invalid(_))
        ));
        bad.duration_s = None;
        bad.zone = Some("Mars/Olympus".to_owned());
        assert!(matches!(
            schedules.add(bad, Language::English).await,
            Err(Fault::Invalid(_))
        ));

        let made = schedules
            .add(new(source, "0 8 * * *", Some(3600)), Language::Chinese)
            .await
            .unwrap();
        assert_eq!(made.schedule.source_name, "Camera");
        assert_eq!(made.next_runs.len(), 5);
        assert_eq!(made.next_run_at.as_ref(), made.next_runs.first());
        let next = made.next_run_at.unwrap();
        assert!(next.contains("T08:00:00+0"), "{next}");
        assert_eq!(made.description, "每天 08:00");
        let id = made.schedule.id;
        let off = ScheduleChange {
            is_active: Some(false),
            duration_s: Some(None),
            ..ScheduleChange::default()
        };
        let changed = schedules.change(id, off, Language::English).await.unwrap();
        assert_eq!(changed.schedule.duration_s, None);
        assert_eq!(changed.schedule.cron_expr, "0 8 * * *");
        assert!(changed.next_run_at.is_none() && changed.next_runs.is_empty());
        assert!(store.earliest_run().await.unwrap().is_none());
        let ended = ScheduleChange {
            is_active: Some(true),
            ends_at: Some(Some(Micros::now())),
            ..ScheduleChange::default()
        };
        let ended = schedules.change(id, ended, Language::English).await.unwrap();
        assert!(ended.next_run_at.is_none(), "nothing starts after its end");
        schedules.remove(id).await.unwrap();
        assert!(matches!(schedules.remove(id).await, Err(Fault::NotFound(_))));
        let unknown = schedules
            .change(id, ScheduleChange::default(), Language::English)
            .await;
        assert!(matches!(unknown, Err(Fault::NotFound(text)) if text == "Schedule not found"));
    }
}

#[tokio::test]
async fn five_hundred_on_one_second_start_within_a_second() {
    for (store, _folder) in stores().await {
        let schedules = schedules(&store);
        let source = source(&store, "Camera").await;
        for _ in 0..500 {
            schedules
                .add(new(source, "0 8 * * *", Some(60)), Language::English)
                .await
                .unwrap();
        }
        let due = store.earliest_run().await.unwrap().unwrap();
        let fake = Arc::new(Fake::default());
        let starter: Arc<dyn Start> = Arc::clone(&fake) as Arc<dyn Start>;
        tick(&schedules, Micros(due.0 - 1), &starter).await;
        assert!(fake.started.lock().unwrap().is_empty());
        let began = Instant::now();
        tick(&schedules, due, &starter).await;
        let started = fake.started.lock().unwrap().clone();
        assert_eq!(started.len(), 500);
        let last = started.iter().map(|started| started.3).max().unwrap();
        assert!(last - began < Duration::from_secs(1), "{:?}", last - began);
        assert_eq!(started[0].2, Some(due.after(MINUTE)));
        tick(&schedules, due.after(Duration::from_secs(1)), &starter).await;
        assert_eq!(fake.started.lock().unwrap().len(), 500, "once each");
        let ledger = store.runs_between(due, due.after(MINUTE)).await.unwrap();
        assert_eq!(ledger.len(), 500);
    }
}

#[tokio::test]
async fn after_a_time_without_the_server_the_newest_run_starts_late_and_the_others_are_missed() {
    for (store, _folder) in stores().await {
        let schedules = schedules(&store);
        let source = source(&store, "Camera").await;
        let fake = Arc::new(Fake::default());
        let starter: Arc<dyn Start> = Arc::clone(&fake) as Arc<dyn Start>;
        let long = schedules
            .add(new(source, "0 * * * *", Some(1800)), Language::English)
            .await
            .unwrap()
            .schedule;
        let due = store.earliest_run().await.unwrap().unwrap();
        // Three hours later, 20 minutes into the window of half an hour.
        let now = due.after(MINUTE * 200);
        tick(&schedules, now, &starter).await;
        let started = fake.started.lock().unwrap().clone();
        assert_eq!(started.len(), 1);
        assert_eq!(
            started[0].2,
            Some(due.after(MINUTE * 210)),
            "to the end of its window"
        );
        let ledger = store.runs_of(long.id, 10).await.unwrap();
        let outcomes: Vec<RunOutcome> = ledger.iter().map(|run| run.outcome).collect();
        use RunOutcome::{AlreadyRecording, Missed};
        assert_eq!(outcomes, [AlreadyRecording, Missed, Missed, Missed]);
        assert_eq!(ledger[0].planned_at, due.after(MINUTE * 180));
        // Its next run is in the future; half an hour past the window nothing starts.
        let next = store.earliest_run().await.unwrap().unwrap();
        assert_eq!(next, due.after(MINUTE * 240));
        tick(&schedules, next.after(MINUTE * 31), &starter).await;
        assert_eq!(fake.started.lock().unwrap().len(), 1);
        assert_eq!(store.runs_of(long.id, 1).await.unwrap()[0].outcome, Missed);
        schedules.remove(long.id).await.unwrap();

        // A year of minutes: the ledger takes the last 100.
        let often = schedules
            .add(new(source, "* * * * *", None), Language::English)
            .await
            .unwrap()
            .schedule;
        let due = store.earliest_run().await.unwrap().unwrap();
        let began = Instant::now();
        tick(&schedules, due.after(MINUTE * 525_600), &starter).await;
        assert!(began.elapsed() < Duration::from_secs(2));
        assert_eq!(store.runs_of(often.id, 1000).await.unwrap().len(), 101);
        assert_eq!(fake.started.lock().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn the_ledger_says_why_a_run_did_not_start() {
    for (store, _folder) in stores().await {
        let schedules = schedules(&store);
        let (busy, broken) = (source(&store, "Busy").await, source(&store, "Broken").await);
        let fake = Fake::default();
        fake.busy.store(busy, Ordering::Relaxed);
        fake.broken.store(broken, Ordering::Relaxed);
        let starter: Arc<dyn Start> = Arc::new(fake);
        let one = schedules
            .add(new(busy, "0 8 * * *", None), Language::English)
            .await
            .unwrap()
            .schedule;
        let other = schedules
            .add(new(broken, "0 8 * * *", None), Language::English)
            .await
            .unwrap()
            .schedule;
        let due = store.earliest_run().await.unwrap().unwrap();
        tick(&schedules, due, &starter).await;
        let run = |id| {
            let schedules = Arc::clone(&schedules);
            async move { schedules.runs_of(id).await.unwrap().remove(0) }
        };
        assert_eq!(run(one.id).await.outcome, RunOutcome::AlreadyRecording);
        let failed = run(other.id).await;
        assert_eq!(failed.outcome, RunOutcome::Failed);
        assert_eq!(failed.reason.as_deref(), Some("The source does not answer"));
        assert!(
            store
                .schedule(other.id)
                .await
                .unwrap()
                .unwrap()
                .last_run_at
                .is_none()
        );
    }
}

#[tokio::test]
async fn what_comes_is_merged_in_order_and_bounded() {
    for (store, _folder) in stores().await {
        let schedules = schedules(&store);
        let source = source(&store, "Camera").await;
        for text in ["0 8 * * *", "0 20 * * *", "* * * * *"] {
            schedules
                .add(new(source, text, Some(60)), Language::English)
                .await
                .unwrap();
        }
        let week = schedules.upcoming(None, 168).await.unwrap();
        // The one of each minute does not hide the two of each day.
        assert_eq!(week.len(), MAX_OF_ONE + 14);
        let later = Micros::now().after(Duration::from_secs(72 * 3600));
        let fourth = schedules.upcoming(Some(later), 24).await.unwrap();
        assert_eq!(fourth.len(), MAX_OF_ONE + 2);
        assert!(Micros::parse(&fourth[0].starts_at).unwrap() >= later);
        let day = schedules.upcoming(Some(Micros(0)), 2).await.unwrap();
        assert!((119..=123).contains(&day.len()), "{}", day.len());
        let times: Vec<Micros> = day
            .iter()
            .map(|run| Micros::parse(&run.starts_at).unwrap())
            .collect();
        assert!(times.is_sorted());
        assert!(day[0].ends_at.is_some());
        for _ in 0..2 {
            schedules
                .add(new(source, "* * * * *", Some(60)), Language::English)
                .await
                .unwrap();
        }
        let crowded = schedules.upcoming(None, 168).await.unwrap();
        assert_eq!(crowded.len(), MAX_UPCOMING);
    }
}
