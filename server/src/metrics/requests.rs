//! [`Http`]: requests by route, method and class of status.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};

use super::{Counters, Histogram, Kind, Page};

/// Methods by name; the last is any other.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "other",
];

/// What a request that no route is for counts as.
const NO_ROUTE: &str = "none";

/// All requests.
#[derive(Debug)]
pub(crate) struct Http(Mutex<BTreeMap<Box<str>, Arc<Route>>>);

/// Requests of one route.
#[derive(Debug, Default)]
struct Route([OnceLock<Box<Requests>>; METHODS.len()]);

/// Requests of one route and method.
#[derive(Debug)]
struct Requests {
    statuses: Counters<5>,
    times: Histogram,
}

thread_local! {
    /// The routes that this thread has counted, so that no request waits for another's.
    static KNOWN: RefCell<HashMap<Box<str>, Arc<Route>>> = RefCell::default();
}

impl Http {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// A request for `route`, as the router has it, was answered after `length`.
    pub(crate) fn count(&self, route: Option<&str>, method: &Method, status: StatusCode, length: Duration) {
        let name = route.unwrap_or(NO_ROUTE);
        let at = METHODS.iter().position(|known| *known == method.as_str());
        let at = at.unwrap_or(METHODS.len() - 1);
        let add = |route: &Route| {
            let requests = route.0[at].get_or_init(Box::default);
            requests.statuses.count(class(status));
            requests.times.observe(length);
        };
        KNOWN.with_borrow_mut(|known| match known.get(name) {
            Some(route) => add(route),
            None => {
                let route = {
                    let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    Arc::clone(all.entry(name.into()).or_default())
                };
                add(&route);
                known.insert(name.into(), route);
            }
        });
    }

    pub(super) fn render(&self, page: &mut Page) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let each = || {
            all.iter().flat_map(|(name, route)| {
                let methods = METHODS.iter().zip(&route.0);
                methods.filter_map(move |(method, requests)| Some((&**name, *method, requests.get()?)))
            })
        };
        let name = "mediastack_http_requests_total";
        page.family(
            name,
            Kind::Counter,
            "Requests by route, method and class of the answer's status.",
        );
        for (route, method, requests) in each() {
            for (status, count) in requests.statuses.each().filter(|(_, count)| *count > 0) {
                let labels = [("route", route), ("method", method), ("status", status)];
                page.sample(name, &labels, count as f64);
            }
        }
        let name = "mediastack_http_request_duration_seconds";
        page.family(
            name,
            Kind::Histogram,
            "Time from a request to the head of its answer.",
        );
        for (route, method, requests) in each() {
            requests
                .times
                .render(page, name, &[("route", route), ("method", method)]);
        }
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            statuses: Counters::new(["1xx", "2xx", "3xx", "4xx", "5xx"]),
            times: Histogram::new(),
        }
    }
}

const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_all_threads_are_in_one_sum() {
        static ALL: Http = Http::new();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    for _ in 0..100 {
                        ALL.count(Some("/x/{id}"), &Method::GET, StatusCode::OK, Duration::ZERO);
                    }
                    ALL.count(None, &Method::TRACE, StatusCode::NOT_FOUND, Duration::ZERO);
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let mut page = Page::default();
        ALL.render(&mut page);
        let text = page.finish();
        let sum = "{route=\"/x/{id}\",method=\"GET\",status=\"2xx\"} 400\n";
        assert!(text.contains(sum), "{text}");
        let other = "{route=\"none\",method=\"other\",status=\"4xx\"} 4\n";
        assert!(text.contains(other), "{text}");
    }
}
