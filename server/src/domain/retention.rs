//! What is removed by itself, and why: a plan is made of values and a time, and changes nothing.
//!
//! The rules in their order; each sees what those before it leave:
//! 1. *age*: recordings of a source that ended longer ago than its days;
//! 2. *source quota*: the oldest recordings of a source while they have more bytes than it may;
//! 3. *quota*: the oldest videos while all have more bytes than they may;
//! 4. *free space*: while the disk has less than is to be free, the trash from its oldest on, then the oldest videos. What goes by this
//!    rule goes at once; what goes by the others goes to the trash, where a person can still take it out.
//!
//! Never by any rule: what is protected, what is published (if that is to stay), what is being recorded or worked on, and what others are
//! spans of. A file that several videos have is counted once and is gone with the last of them. Quotas don't count the trash.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use super::status::RemovalReason;
use super::time::Micros;

/// What holds for all videos.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Policy {
    /// Bytes that all videos may have.
    pub(crate) total_quota: Option<u64>,
    /// Bytes of the disk that are to be free.
    pub(crate) min_free: Option<u64>,
    /// What is published stays.
    pub(crate) keep_published: bool,
}

/// What holds for the recordings of one source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Rule {
    /// What the source is called.
    pub(crate) name: String,
    /// How many days they are kept; 0 is for ever.
    pub(crate) days: u64,
    /// Bytes that they may have.
    pub(crate) quota: Option<u64>,
}

/// A file of a video.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct File {
    /// Relative to the storage folder.
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// What the rules look at of a video.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Video {
    pub(crate) id: i64,
    /// The source that it is a recording of.
    pub(crate) source: Option<i64>,
    /// When its recording ended, or when it was made.
    pub(crate) at: Micros,
    /// In the trash since then.
    pub(crate) binned_at: Option<Micros>,
    pub(crate) files: Vec<File>,
    pub(crate) is_protected: bool,
    pub(crate) is_published: bool,
    /// It is being recorded, or there is a job for it.
    pub(crate) is_busy: bool,
    /// Others are spans of it.
    pub(crate) has_clips: bool,
}

/// A video that goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Removal {
    /// Its number.
    pub(crate) id: i64,
    /// The rule.
    pub(crate) reason: RemovalReason,
    /// The limit and what was measured, for people.
    pub(crate) detail: String,
    /// Bytes of files that nothing else has.
    pub(crate) bytes: u64,
    /// It does not go through the trash.
    pub(crate) at_once: bool,
}

/// What goes, and what stays although a rule would have it go.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Plan {
    /// In the order in which they go.
    pub(crate) removals: Vec<Removal>,
    /// Videos that stay because they are protected.
    pub(crate) protected: usize,
    /// Videos that stay because they are published.
    pub(crate) published: usize,
    /// Bytes that the disk lacks when all of it is gone.
    pub(crate) lacking: u64,
}

impl Plan {
    /// Bytes of all that goes.
    pub(crate) fn bytes(&self) -> u64 {
        self.removals
            .iter()
            .fold(0, |sum, removal| removal.bytes.saturating_add(sum))
    }
}

/// Bytes of all videos that are not in the trash.
pub(crate) fn used(videos: &[Video]) -> u64 {
    distinct(videos.iter().filter(|video| video.binned_at.is_none()))
}

fn distinct<'a>(videos: impl Iterator<Item = &'a Video>) -> u64 {
    let mut seen = HashSet::new();
    videos
        .flat_map(|video| &video.files)
        .filter(|file| seen.insert(file.name.as_str()))
        .fold(0, |sum, file| file.bytes.saturating_add(sum))
}

/// Plans what goes of `videos` now, when the disk has `free` bytes.
pub(crate) fn plan(
    policy: &Policy,
    sources: &HashMap<i64, Rule>,
    videos: &[Video],
    free: u64,
    now: Micros,
) -> Plan {
    let mut planner = Planner::new(policy, videos);
    planner.by_age(sources, now);
    planner.by_source(sources);
    if let Some(quota) = policy.total_quota {
        let members = planner.live();
        planner.within(&members, quota, RemovalReason::Quota, "all videos");
    }
    let lacking = match policy.min_free {
        Some(wanted) => planner.by_free_space(wanted, free),
        None => 0,
    };
    Plan {
        removals: planner.removals,
        protected: planner.protected.len(),
        published: planner.published.len(),
        lacking,
    }
}

/// Why a video stays whatever a rule says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stays {
    Protected,
    Published,
    Needed,
}

struct Planner<'a> {
    policy: &'a Policy,
    videos: &'a [Video],
    /// Places of all videos, the oldest first.
    oldest: Vec<usize>,
    removals: Vec<Removal>,
    /// The place of a video that goes, in `removals`.
    gone: HashMap<usize, usize>,
    protected: BTreeSet<usize>,
    published: BTreeSet<usize>,
}

impl<'a> Planner<'a> {
    fn new(policy: &'a Policy, videos: &'a [Video]) -> Self {
        let mut oldest: Vec<usize> = (0..videos.len()).collect();
        oldest.sort_by_key(|place| videos.get(*place).map(|video| (video.at, video.id)));
        Self {
            policy,
            videos,
            oldest,
            removals: Vec::new(),
            gone: HashMap::new(),
            protected: BTreeSet::new(),
            published: BTreeSet::new(),
        }
    }

    /// What is in the library still, the oldest first.
    fn live(&self) -> Vec<(usize, &'a Video)> {
        self.oldest
            .iter()
            .filter(|place| !self.gone.contains_key(*place))
            .filter_map(|place| Some((*place, self.videos.get(*place)?)))
            .filter(|(_, video)| video.binned_at.is_none())
            .collect()
    }

    fn stays(&self, video: &Video) -> Option<Stays> {
        if video.is_protected {
            Some(Stays::Protected)
        } else if video.is_busy || video.has_clips {
            Some(Stays::Needed)
        } else if video.is_published && self.policy.keep_published && video.binned_at.is_none() {
            // What a person put into the trash is shown to nobody.
            Some(Stays::Published)
        } else {
            None
        }
    }

    /// Notes that a rule would have this one go.
    fn spare(&mut self, place: usize, why: Stays) {
        match why {
            Stays::Protected => self.protected.insert(place),
            Stays::Published => self.published.insert(place),
            Stays::Needed => false,
        };
    }

    fn by_age(&mut self, sources: &HashMap<i64, Rule>, now: Micros) {
        let members = self.live();
        let mut holders = Holders::of(&members);
        for (place, video) in members {
            let Some(rule) = video.source.and_then(|id| sources.get(&id)) else {
                continue;
            };
            let age = now.since(video.at);
            if rule.days == 0 || age < days(rule.days) {
                continue;
            }
            if let Some(why) = self.stays(video) {
                self.spare(place, why);
                continue;
            }
            let detail = format!(
                "recordings of {} are kept for {} d; this one ended {:.1} d ago",
                rule.name,
                rule.days,
                age.as_secs_f64() / DAY.as_secs_f64()
            );
            let bytes = holders.release(video);
            self.remove(place, video, RemovalReason::Age, detail, bytes, false);
        }
    }

    fn by_source(&mut self, sources: &HashMap<i64, Rule>) {
        let mut members: BTreeMap<i64, Vec<(usize, &Video)>> = BTreeMap::new();
        for (place, video) in self.live() {
            if let Some(id) = video.source {
                members.entry(id).or_default().push((place, video));
            }
        }
        for (id, members) in members {
            let Some((rule, quota)) = sources.get(&id).and_then(|rule| Some((rule, rule.quota?))) else {
                continue;
            };
            let whose = format!("recordings of {}", rule.name);
            self.within(&members, quota, RemovalReason::SourceQuota, &whose);
        }
    }

    /// Removes the oldest of `members` until they have no more than `quota` bytes.
    fn within(&mut self, members: &[(usize, &'a Video)], quota: u64, reason: RemovalReason, whose: &str) {
        let used = distinct(members.iter().map(|(_, video)| *video));
        let over = used.saturating_sub(quota);
        self.take(members, over, reason, false, |freed| {
            let now = Bytes(used.saturating_sub(freed));
            format!("{whose} have {now} of at most {}", Bytes(quota))
        });
    }

    /// Removes the trash and then videos until `wanted` bytes are free; how many are still lacking.
    fn by_free_space(&mut self, wanted: u64, free: u64) -> u64 {
        let mut members: Vec<(usize, &Video)> = self.videos.iter().enumerate().collect();
        members.sort_by_key(|(place, video)| {
            // What earlier rules put into the trash is the newest in it.
            let binned = match (video.binned_at, self.gone.contains_key(place)) {
                (Some(at), _) => at,
                (None, true) => Micros(i64::MAX - 1),
                (None, false) => Micros(i64::MAX),
            };
            (binned, video.at, video.id)
        });
        let needed = wanted.saturating_sub(free);
        let freed = self.take(&members, needed, RemovalReason::FreeSpace, true, |freed| {
            let now = Bytes(free.saturating_add(freed));
            format!("{now} of the disk are free, where {} are to be", Bytes(wanted))
        });
        needed.saturating_sub(freed)
    }

    /// Removes `members` in their order until `needed` bytes are freed; how many were.
    fn take(
        &mut self,
        members: &[(usize, &'a Video)],
        needed: u64,
        reason: RemovalReason,
        at_once: bool,
        words: impl Fn(u64) -> String,
    ) -> u64 {
        let mut holders = Holders::of(members);
        // Files of what stays can't be freed.
        let held: HashSet<&str> = members
            .iter()
            .filter(|(_, video)| self.stays(video).is_some())
            .flat_map(|(_, video)| video.files.iter().map(|file| file.name.as_str()))
            .collect();
        let mut freed: u64 = 0;
        for (place, video) in members {
            if freed >= needed {
                break;
            }
            if let Some(why) = self.stays(video) {
                self.spare(*place, why);
                continue;
            }
            let helps = |file: &File| file.bytes > 0 && !held.contains(file.name.as_str());
            if !video.files.iter().any(helps) {
                continue;
            }
            let detail = words(freed);
            let bytes = holders.release(video);
            freed = freed.saturating_add(bytes);
            self.remove(*place, video, reason, detail, bytes, at_once);
        }
        freed
    }

    fn remove(
        &mut self,
        place: usize,
        video: &Video,
        reason: RemovalReason,
        detail: String,
        bytes: u64,
        at_once: bool,
    ) {
        if let Some(known) = self.gone.get(&place).and_then(|at| self.removals.get_mut(*at)) {
            // It was on its way into the trash.
            known.at_once = at_once;
            known.detail = format!("{}; {detail}", known.detail);
            return;
        }
        self.gone.insert(place, self.removals.len());
        self.removals.push(Removal {
            id: video.id,
            reason,
            detail,
            bytes,
            at_once,
        });
    }
}

/// How many videos have a file.
struct Holders<'a>(HashMap<&'a str, usize>);

impl<'a> Holders<'a> {
    fn of(members: &[(usize, &'a Video)]) -> Self {
        let mut holders = HashMap::new();
        for file in members.iter().flat_map(|(_, video)| &video.files) {
            *holders.entry(file.name.as_str()).or_default() += 1;
        }
        Self(holders)
    }

    /// Bytes of the files that nobody has when `video` is gone.
    fn release(&mut self, video: &'a Video) -> u64 {
        let mut bytes: u64 = 0;
        for file in &video.files {
            if let Some(count) = self.0.get_mut(file.name.as_str()) {
                *count = count.saturating_sub(1);
                bytes = bytes.saturating_add(if *count == 0 { file.bytes } else { 0 });
            }
        }
        bytes
    }
}

const DAY: Duration = Duration::from_secs(86_400);

const fn days(count: u64) -> Duration {
    Duration::from_secs(count.saturating_mul(DAY.as_secs()))
}

/// A number of bytes, for people: in decimal units, as the pages have them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        let mut value = self.0 as f64;
        let mut unit = "B";
        for next in UNITS {
            if value < 1000.0 {
                break;
            }
            value /= 1000.0;
            unit = next;
        }
        match unit {
            "B" => write!(out, "{} B", self.0),
            unit => write!(out, "{value:.1} {unit}"),
        }
    }
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
