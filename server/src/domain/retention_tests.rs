use super::RemovalReason::{Age, FreeSpace, Quota, SourceQuota};
use super::*;

/// A thousand days after 1970.
const NOW: Micros = Micros(1_000 * 86_400 * 1_000_000);

fn ago(days_ago: u64) -> Micros {
    NOW.before(days(days_ago))
}

/// A recording of source 1 that ended some days ago and has 10 bytes.
fn video(id: i64, days_ago: u64) -> Video {
    Video {
        id,
        source: Some(1),
        at: ago(days_ago),
        binned_at: None,
        files: vec![file(&format!("{id}.mp4"), 10)],
        is_protected: false,
        is_published: false,
        is_busy: false,
        has_clips: false,
    }
}

fn file(name: &str, bytes: u64) -> File {
    File {
        name: name.to_owned(),
        bytes,
    }
}

fn binned(id: i64, days_ago: u64) -> Video {
    Video {
        binned_at: Some(ago(days_ago)),
        ..video(id, 100)
    }
}

const NONE: Policy = Policy {
    total_quota: None,
    min_free: None,
    keep_published: true,
};

fn rules(days: u64, quota: Option<u64>) -> HashMap<i64, Rule> {
    let rule = |name: &str, days, quota| Rule {
        name: name.to_owned(),
        days,
        quota,
    };
    HashMap::from([(1, rule("Hall", days, quota)), (2, rule("Yard", 0, None))])
}

const NOTHING: [(i64, RemovalReason, bool); 0] = [];

/// Numbers, reasons, and whether they go at once.
fn gone(plan: &Plan) -> Vec<(i64, RemovalReason, bool)> {
    plan.removals
        .iter()
        .map(|removal| (removal.id, removal.reason, removal.at_once))
        .collect()
}

#[test]
fn by_age_goes_what_ended_longer_ago_than_its_source_keeps() {
    let videos = [
        video(1, 31),
        video(2, 30),
        Video {
            at: ago(30).after(Duration::from_micros(1)),
            ..video(3, 30)
        },
        Video {
            source: Some(2),
            ..video(4, 900)
        },
        Video {
            source: None,
            ..video(5, 900)
        },
        Video {
            source: Some(9),
            ..video(6, 900)
        },
        binned(7, 1),
    ];
    let plan = plan(&NONE, &rules(30, None), &videos, 0, NOW);
    assert_eq!(gone(&plan), [(1, Age, false), (2, Age, false)]);
    assert_eq!(
        plan.removals[0].detail,
        "recordings of Hall are kept for 30 d; this one ended 31.0 d ago"
    );
    assert_eq!(plan.bytes(), 20);
}

#[test]
fn days_of_zero_are_for_ever_and_of_any_number_never_overflow() {
    let old = [video(1, 999)];
    assert_eq!(gone(&plan(&NONE, &rules(0, None), &old, 0, NOW)), NOTHING);
    assert_eq!(gone(&plan(&NONE, &rules(u64::MAX, None), &old, 0, NOW)), NOTHING);
    let future = [Video {
        at: NOW.after(days(5)),
        ..video(1, 0)
    }];
    assert_eq!(
        gone(&plan(&NONE, &rules(1, None), &future, 0, NOW)),
        NOTHING,
        "after a clock that was wrong"
    );
}

#[test]
fn a_source_keeps_its_newest_recordings() {
    let videos = [
        video(4, 1),
        video(1, 4),
        video(3, 2),
        video(2, 3),
        Video {
            source: Some(2),
            ..video(5, 50)
        },
        binned(6, 1),
    ];
    let plan_of = |quota| plan(&NONE, &rules(0, Some(quota)), &videos, 0, NOW);
    assert_eq!(gone(&plan_of(40)), NOTHING, "the trash and others don't count");
    assert_eq!(
        gone(&plan_of(39)),
        [(1, SourceQuota, false)],
        "one too many goes whole"
    );
    let plan = plan_of(20);
    assert_eq!(gone(&plan), [(1, SourceQuota, false), (2, SourceQuota, false)]);
    assert_eq!(
        plan.removals[1].detail,
        "recordings of Hall have 30 B of at most 20 B"
    );
    assert_eq!(gone(&plan_of(0)).len(), 4);
}

#[test]
fn all_videos_have_a_quota_uploads_too() {
    let videos = [
        video(1, 1),
        Video {
            source: None,
            ..video(2, 3)
        },
        Video {
            source: Some(2),
            ..video(3, 2)
        },
    ];
    let policy = Policy {
        total_quota: Some(10),
        ..NONE
    };
    let plan = plan(&policy, &rules(0, None), &videos, 0, NOW);
    assert_eq!(gone(&plan), [(2, Quota, false), (3, Quota, false)]);
    assert_eq!(plan.removals[0].detail, "all videos have 30 B of at most 10 B");
}

#[test]
fn each_rule_sees_what_those_before_it_leave() {
    let videos = [video(1, 40), video(2, 20), video(3, 10), video(4, 5)];
    let policy = Policy {
        total_quota: Some(10),
        ..NONE
    };
    let plan = plan(&policy, &rules(30, Some(20)), &videos, 0, NOW);
    assert_eq!(
        gone(&plan),
        [(1, Age, false), (2, SourceQuota, false), (3, Quota, false)]
    );
}

#[test]
fn the_disk_is_freed_of_the_trash_first_and_then_of_the_oldest() {
    let videos = [video(1, 9), video(2, 8), binned(3, 1), binned(4, 2)];
    let plan_of = |min_free, free| {
        let policy = Policy {
            min_free: Some(min_free),
            ..NONE
        };
        plan(&policy, &rules(0, None), &videos, free, NOW)
    };
    assert_eq!(gone(&plan_of(100, 100)), NOTHING);
    let plan = plan_of(100, 75);
    let expected = [(4, FreeSpace, true), (3, FreeSpace, true), (1, FreeSpace, true)];
    assert_eq!(gone(&plan), expected);
    assert_eq!(
        plan.removals[2].detail,
        "95 B of the disk are free, where 100 B are to be"
    );
    assert_eq!((plan.lacking, plan_of(1000, 0).lacking), (0, 960));
    assert_eq!(plan_of(u64::MAX, 1).removals.len(), 4);
}

#[test]
fn what_goes_to_the_trash_leaves_it_at_once_when_the_disk_is_short() {
    let videos = [video(1, 40), video(2, 1), binned(3, 1)];
    let policy = Policy {
        min_free: Some(20),
        ..NONE
    };
    let plan = plan(&policy, &rules(30, None), &videos, 0, NOW);
    assert_eq!(gone(&plan), [(1, Age, true), (3, FreeSpace, true)]);
    assert!(
        plan.removals[0]
            .detail
            .contains("ended 40.0 d ago; 10 B of the disk are free")
    );
}

#[test]
fn nothing_takes_what_is_protected_published_worked_on_or_cut_from() {
    let stays = [
        Video {
            is_protected: true,
            ..video(1, 90)
        },
        Video {
            is_published: true,
            ..video(2, 80)
        },
        Video {
            is_busy: true,
            ..video(3, 70)
        },
        Video {
            has_clips: true,
            ..video(4, 60)
        },
        Video {
            is_protected: true,
            is_published: true,
            ..video(5, 50)
        },
    ];
    for policy in [
        NONE,
        Policy {
            total_quota: Some(0),
            ..NONE
        },
        Policy {
            min_free: Some(u64::MAX),
            ..NONE
        },
    ] {
        for rules in [rules(1, None), rules(0, Some(0)), rules(1, Some(0))] {
            let plan = plan(&policy, &rules, &stays, 0, NOW);
            assert_eq!(gone(&plan), NOTHING, "{policy:?}");
            assert_eq!((plan.protected, plan.published), (2, 1), "each is counted once");
        }
    }
    let policy = Policy {
        keep_published: false,
        ..NONE
    };
    let plan = plan(&policy, &rules(1, None), &stays, 0, NOW);
    assert_eq!(gone(&plan), [(2, Age, false)]);
    assert_eq!((plan.protected, plan.published), (2, 0));
}

#[test]
fn what_stays_still_counts_and_newer_ones_go_for_it() {
    let videos = [
        Video {
            is_protected: true,
            ..video(1, 90)
        },
        video(2, 3),
        video(3, 2),
    ];
    let plan = plan(&NONE, &rules(0, Some(10)), &videos, 0, NOW);
    assert_eq!(gone(&plan), [(2, SourceQuota, false), (3, SourceQuota, false)]);
    assert_eq!(plan.protected, 1);
}

#[test]
fn the_trash_of_what_was_published_goes_and_of_what_is_protected_does_not() {
    let videos = [
        Video {
            is_published: true,
            ..binned(1, 3)
        },
        Video {
            is_protected: true,
            ..binned(2, 4)
        },
        Video {
            has_clips: true,
            ..binned(3, 5)
        },
    ];
    let policy = Policy {
        min_free: Some(1000),
        ..NONE
    };
    let plan = plan(&policy, &rules(0, None), &videos, 0, NOW);
    assert_eq!(gone(&plan), [(1, FreeSpace, true)]);
    assert_eq!(plan.lacking, 990);
}

#[test]
fn a_file_of_several_is_counted_once_and_freed_with_the_last() {
    let shared = |id, days_ago| Video {
        files: vec![file("both.mp4", 10)],
        ..video(id, days_ago)
    };
    let videos = [shared(1, 9), shared(2, 8), video(3, 7)];
    assert_eq!(used(&videos), 20);
    let plan_of = |videos: &[Video], quota| plan(&NONE, &rules(0, Some(quota)), videos, 0, NOW);
    assert_eq!(gone(&plan_of(&videos, 20)), NOTHING);
    let plan = plan_of(&videos, 19);
    let bytes: Vec<(i64, u64)> = plan
        .removals
        .iter()
        .map(|removal| (removal.id, removal.bytes))
        .collect();
    assert_eq!(bytes, [(1, 0), (2, 10)]);

    // Taking one of a pair helps nothing when the other stays.
    let pair = [
        shared(1, 9),
        Video {
            is_protected: true,
            ..shared(2, 8)
        },
        video(3, 7),
    ];
    assert_eq!(gone(&plan_of(&pair, 10)), [(3, SourceQuota, false)]);
}

#[test]
fn spans_of_other_videos_have_no_bytes_and_are_left_alone() {
    let clip = Video {
        files: Vec::new(),
        source: None,
        ..video(1, 500)
    };
    let policy = Policy {
        total_quota: Some(0),
        min_free: Some(1000),
        keep_published: true,
    };
    assert_eq!(gone(&plan(&policy, &rules(1, Some(0)), &[clip], 0, NOW)), NOTHING);
}

#[test]
fn many_videos_take_no_time_of_each_other() {
    let videos: Vec<Video> = (0..20_000)
        .map(|id| Video {
            source: Some(id % 2 + 1),
            ..video(id, 1 + u64::try_from(id).unwrap() % 900)
        })
        .collect();
    let policy = Policy {
        total_quota: Some(60_000),
        min_free: Some(100_000),
        ..NONE
    };
    let started = std::time::Instant::now();
    let plan = plan(&policy, &rules(30, Some(20_000)), &videos, 0, NOW);
    assert!(plan.removals.len() > 10_000 && plan.lacking == 0);
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn bytes_are_shown_as_people_read_them() {
    for (bytes, text) in [
        (0, "0 B"),
        (999, "999 B"),
        (1023, "1.0 kB"),
        (1536, "1.5 kB"),
        (10 << 30, "10.7 GB"),
        (u64::MAX, "18446.7 PB"),
    ] {
        assert_eq!(Bytes(bytes).to_string(), text);
    }
}
