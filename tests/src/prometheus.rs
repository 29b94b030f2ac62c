//! A strict reader of Prometheus' text format (0.0.4): what it does not like, a scraper might not like either.

use std::collections::{BTreeMap, BTreeSet};

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Page {
    /// Kind of each metric.
    kinds: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

/// One value.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The name as it stands in the line.
    pub name: String,
    /// Its labels, in their order.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !text.is_empty() && text.chars().all(good) && !text.starts_with(|c: char| c.is_ascii_digit())
}

impl Page {
    /// Reads a page.
    ///
    /// # Panics
    /// At the first line that is not as the format wants it.
    #[track_caller]
    pub fn parse(text: &str) -> Page {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut page = Page::default();
        let mut helped = BTreeSet::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(helped.insert(name.to_owned()), "helped twice: {line}");
                family = name.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert_eq!(name, family, "HELP and TYPE stand together");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(
                    (kind == "counter") == name.ends_with("_total"),
                    "only counters end in _total: {line}"
                );
                page.kinds.insert(name.to_owned(), kind.to_owned());
            } else {
                assert!(!line.starts_with('#') && !line.is_empty(), "{line:?}");
                let sample = sample(line);
                let own = match page.kinds.get(&family).map(String::as_str) {
                    Some("histogram") => ["_bucket", "_sum", "_count"]
                        .iter()
                        .any(|end| sample.name == format!("{family}{end}")),
                    Some(_) => sample.name == family,
                    None => false,
                };
                assert!(own, "a sample outside of its family {family}: {line}");
                page.samples.push(sample);
            }
        }
        let mut seen = BTreeSet::new();
        for sample in &page.samples {
            let mut labels = sample.labels.clone();
            labels.sort();
            assert!(
                seen.insert((sample.name.clone(), labels)),
                "said twice: {sample:?}"
            );
            if page.kinds.get(&sample.name).is_some_and(|kind| kind == "counter") {
                assert!(sample.value >= 0.0, "{sample:?}");
            }
        }
        page.check_histograms();
        page
    }

    fn check_histograms(&self) {
        for (family, _) in self.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
            let name = format!("{family}_count");
            for count in self.samples.iter().filter(|sample| sample.name == name) {
                let bucket = format!("{family}_bucket");
                let own = |sample: &&Sample| {
                    let without = sample.labels.iter().filter(|(name, _)| name != "le");
                    sample.name == bucket && without.eq(count.labels.iter())
                };
                let buckets: Vec<&Sample> = self.samples.iter().filter(own).collect();
                assert!(
                    buckets.is_sorted_by(|a, b| a.value <= b.value),
                    "{family}: buckets add up"
                );
                let last = buckets.last().expect("a bucket");
                assert_eq!(last.label("le"), Some("+Inf"), "{family}");
                assert_eq!(last.value, count.value, "{family}");
            }
        }
    }

    /// The samples with this name and these labels among theirs.
    pub fn samples(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        self.samples
            .iter()
            .filter(|sample| sample.name == name)
            .filter(|sample| {
                labels
                    .iter()
                    .all(|(name, value)| sample.label(name) == Some(value))
            })
            .collect()
    }

    /// The sum of the samples with this name and these labels among theirs.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.samples(name, labels);
        assert!(!samples.is_empty(), "there is no {name} with {labels:?}");
        samples.iter().map(|sample| sample.value).sum()
    }
}

#[track_caller]
fn sample(line: &str) -> Sample {
    let (head, value) = line.rsplit_once(' ').expect(line);
    let value = value.parse().unwrap_or_else(|_| panic!("a number: {line}"));
    let (name, labels) = match head.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
        None => (head, ""),
    };
    assert!(is_name(name), "{line}");
    let mut rest = labels;
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (label, more) = rest.split_once("=\"").expect(line);
        assert!(is_name(label) && !label.contains(':'), "{line}");
        let mut value = String::new();
        let mut letters = more.char_indices();
        let end = loop {
            match letters.next().expect(line) {
                (at, '"') => break at,
                (_, '\\') => match letters.next().expect(line).1 {
                    'n' => value.push('\n'),
                    c @ ('\\' | '"') => value.push(c),
                    c => panic!("\\{c}: {line}"),
                },
                (_, c) => value.push(c),
            }
        };
        labels.push((label.to_owned(), value));
        rest = &more[end + 1..];
        if let Some(next) = rest.strip_prefix(',') {
            assert!(!next.is_empty(), "{line}");
            rest = next;
        } else {
            assert!(rest.is_empty(), "{line}");
        }
    }
    Sample {
        name: name.to_owned(),
        labels,
        value,
    }
}
