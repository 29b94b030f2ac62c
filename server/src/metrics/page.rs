//! [`Page`]: metrics as text, in the format of Prometheus (0.0.4).

use std::fmt::Write;

/// The MIME type of a page.
pub(crate) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// It only grows, but for a restart.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is counted in buckets.
    Histogram,
}

/// A page that is being written.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// The head of a metric; its samples follow.
    pub(crate) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a text does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// One value of a metric.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0 += name;
        for (at, (label, value)) in labels.iter().enumerate() {
            self.0 += if at == 0 { "{" } else { "," };
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(self.0, "{label}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A metric of one value.
    pub(crate) fn one(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_is_escaped() {
        let mut page = Page::default();
        page.family("a_total", Kind::Counter, "one\\\ntwo");
        page.sample("a_total", &[("x", "a\"b\\c\nd"), ("y", "")], 1.5);
        page.one("b", Kind::Gauge, "b", 1e21);
        assert_eq!(
            page.finish(),
            "# HELP a_total one\\\\\\ntwo\n# TYPE a_total counter\na_total{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 1.5\n\
             # HELP b b\n# TYPE b gauge\nb 1000000000000000000000\n"
        );
    }
}
