//! [`Mappings`]: the JSON behind paths, from files below a directory or from an upstream server.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mediacore::hls::{Reason, Refusal, Set, parts};
use mediacore::{Error, ErrorKind, Result};
use tokio::sync::{Semaphore, watch};
use ureq::Agent;

use super::condition;
use super::files::{Folder, Identity};

/// How long a mapping of an upstream server is believed.
pub(crate) const BELIEVED: Duration = Duration::from_secs(5);

/// How long an upstream server may take for one mapping, from the name look-up to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// Mappings that are fetched at the same time.
const FETCHES: usize = 16;

/// Mappings that are kept.
const KEPT: usize = 10_000;

/// One mapping as it was read.
#[derive(Debug)]
pub(crate) struct Mapping {
    set: Result<Set, Refusal>,
    tag: u64,
    /// The file it was read from.
    identity: Option<Identity>,
}

impl Mapping {
    fn new(path: &str, text: &[u8], identity: Option<Identity>) -> Self {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Self {
            set: match path.ends_with(parts::SUFFIX) {
                true => Set::of_parts(text, folder),
                false => Set::parse(text),
            },
            tag: condition::sum(&text),
            identity,
        }
    }

    /// What it says.
    ///
    /// # Errors
    /// Those of [`Set::parse`].
    pub(crate) fn set(&self) -> Result<Set, Refusal> {
        self.set.clone()
    }

    /// Stands for the text.
    pub(crate) const fn tag(&self) -> u64 {
        self.tag
    }
}

type Answer = Result<Arc<Mapping>, Refusal>;

/// Where mappings come from, and the ones at hand.
#[derive(Clone, Debug)]
pub(crate) struct Mappings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Origin,
    /// Bytes of the longest mapping.
    limit: u64,
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
enum Origin {
    Folder(Folder),
    Upstream {
        agent: Agent,
        base: String,
        places: Semaphore,
    },
}

#[derive(Debug)]
enum Kept {
    Read(Instant, Arc<Mapping>),
    /// On the way, for everybody who wants it.
    Coming(watch::Receiver<Option<Answer>>),
}

impl Mappings {
    /// Mappings of at most `limit` bytes from the files of `root`.
    ///
    /// # Errors
    /// When there is no such directory.
    pub(crate) fn of_files(root: &Path, limit: u64) -> Result<Self> {
        Ok(Self::new(Origin::Folder(Folder::open(root)?), limit))
    }

    /// Mappings of at most `limit` bytes by GET of `base` and the path.
    ///
    /// # Errors
    /// `InvalidInput` when `base` is no HTTP address.
    pub(crate) fn of_upstream(base: &str, limit: u64) -> Result<Self> {
        let http = ["http://", "https://"]
            .iter()
            .any(|scheme| base.starts_with(scheme));
        if !http || base.contains(['?', '#']) {
            let text = "--mapping-upstream is an http or https address without a query";
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent("mediastack")
            .build();
        let upstream = Origin::Upstream {
            agent: config.into(),
            base: base.trim_end_matches('/').to_owned(),
            places: Semaphore::new(FETCHES),
        };
        Ok(Self::new(upstream, limit))
    }

    fn new(origin: Origin, limit: u64) -> Self {
        Self(Arc::new(Inner {
            origin,
            limit,
            kept: Mutex::default(),
        }))
    }

    /// The mapping at `path`, which starts with a slash.
    ///
    /// # Errors
    /// That of opening a file; `Upstream` when the server fails; `BadMapping` when the text is too long.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let mut coming = match self.0.at_hand(path) {
            Ok(mapping) => return Ok(mapping),
            Err(Some(coming)) => coming,
            Err(None) => self.start(path),
        };
        let done = coming.wait_for(Option::is_some).await;
        match done.ok().and_then(|answer| answer.clone()) {
            Some(answer) => answer,
            None => {
                self.0.forget(path);
                Err(Refusal::new(Reason::Internal, "a fetching task ended"))
            }
        }
    }

    /// Starts to fetch, unless somebody else just did.
    fn start(&self, path: &str) -> watch::Receiver<Option<Answer>> {
        let (done, coming) = watch::channel(None);
        if let Some(before) = self.0.announce(path, &coming) {
            return before;
        }
        let (inner, path) = (Arc::clone(&self.0), path.to_owned());
        tokio::spawn(async move {
            let answer = inner.read(&path).await;
            match &answer {
                Ok(mapping) => inner.keep(&path, mapping),
                Err(_) => inner.forget(&path),
            }
            done.send_replace(Some(answer));
        });
        coming
    }
}

impl Inner {
    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mapping when it is here and still true, else the one that is on its way.
    fn at_hand(&self, path: &str) -> Result<Arc<Mapping>, Option<watch::Receiver<Option<Answer>>>> {
        let kept = self.kept();
        match (kept.get(path), &self.origin) {
            (Some(Kept::Coming(coming)), _) => Err(Some(coming.clone())),
            (Some(Kept::Read(at, mapping)), Origin::Upstream { .. }) if at.elapsed() < BELIEVED => {
                Ok(Arc::clone(mapping))
            }
            (Some(Kept::Read(_, mapping)), Origin::Folder(folder))
                if mapping.identity.is_some() && folder.identity(path) == mapping.identity =>
            {
                Ok(Arc::clone(mapping))
            }
            _ => Err(None),
        }
    }

    /// Says that a mapping is on its way; the one that was said before, if any.
    fn announce(
        &self,
        path: &str,
        coming: &watch::Receiver<Option<Answer>>,
    ) -> Option<watch::Receiver<Option<Answer>>> {
        let mut kept = self.kept();
        if let Some(Kept::Coming(before)) = kept.get(path) {
            return Some(before.clone());
        }
        if kept.len() >= KEPT {
            kept.retain(|_, one| matches!(one, Kept::Coming(_)));
        }
        kept.insert(path.to_owned(), Kept::Coming(coming.clone()));
        None
    }

    fn keep(&self, path: &str, mapping: &Arc<Mapping>) {
        let read = Kept::Read(Instant::now(), Arc::clone(mapping));
        self.kept().insert(path.to_owned(), read);
    }

    fn forget(&self, path: &str) {
        self.kept().remove(path);
    }

    async fn read(self: &Arc<Self>, path: &str) -> Answer {
        let place = match &self.origin {
            Origin::Folder(_) => None,
            Origin::Upstream { places, .. } => {
                let place = tokio::time::timeout(PATIENCE, places.acquire()).await;
                Some(place.map_err(|_| upstream("too many mappings are awaited"))?)
            }
        };
        let (inner, path) = (Arc::clone(self), path.to_owned());
        let read = tokio::task::spawn_blocking(move || inner.read_blocking(&path)).await;
        drop(place);
        read.unwrap_or_else(|_| Err(Refusal::new(Reason::Internal, "a fetching thread ended")))
    }

    fn read_blocking(&self, path: &str) -> Answer {
        let too_long = || {
            let text = format!("the mapping {path} has more than {} bytes", self.limit);
            Refusal::new(Reason::BadMapping, text)
        };
        match &self.origin {
            Origin::Folder(folder) => {
                let (file, identity) = folder.file(path)?;
                if identity.size() > self.limit {
                    return Err(too_long());
                }
                let failed =
                    |error| Refusal::new(Reason::Internal, format!("read the mapping {path}: {error}"));
                let mut text = Vec::new();
                file.take(self.limit).read_to_end(&mut text).map_err(failed)?;
                Ok(Arc::new(Mapping::new(path, &text, Some(identity))))
            }
            Origin::Upstream { agent, base, .. } => {
                // The address itself may hold a password.
                let failed =
                    |error: ureq::Error| upstream(format!("the mapping {path} can't be fetched: {error}"));
                let mut url = base.clone();
                escape(path, &mut url);
                let mut response = agent.get(&url).call().map_err(failed)?;
                if response.status() != 200 {
                    let status = response.status();
                    return Err(upstream(format!(
                        "the mapping {path}: the upstream server says {status}"
                    )));
                }
                let body = response.body_mut().with_config().limit(self.limit).read_to_vec();
                match body {
                    Ok(text) => Ok(Arc::new(Mapping::new(path, &text, None))),
                    Err(ureq::Error::BodyExceedsLimit(_)) => Err(too_long()),
                    Err(error) => Err(failed(error)),
                }
            }
        }
    }
}

fn upstream(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::Upstream, text)
}

/// Appends `path` to an address.
fn escape(path: &str, url: &mut String) {
    use std::fmt::Write;
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// An upstream server that answers so, slowly, and counts.
    fn server(answer: &'static str) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 2000];
                let size = stream.read(&mut request).unwrap();
                assert!(request[..size].starts_with(b"GET /up/a%20b.json HTTP/1.1\r\n"));
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        (format!("http://{address}/up/"), count)
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    }

    fn fetch(answer: &'static str) -> Answer {
        let mappings = Mappings::of_upstream(&server(answer).0, 10).unwrap();
        runtime().block_on(mappings.get("/a b.json"))
    }

    #[test]
    fn an_upstream_server_is_asked_once_for_many() {
        let (url, count) = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
        let mappings = Mappings::of_upstream(&url, 10).unwrap();
        runtime().block_on(async {
            let asked: Vec<_> = (0..20)
                .map(|_| {
                    let mappings = mappings.clone();
                    tokio::spawn(async move { mappings.get("/a b.json").await })
                })
                .collect();
            for one in asked {
                assert_eq!(
                    one.await.unwrap().unwrap().set().unwrap_err().reason,
                    Reason::BadMapping
                );
            }
        });
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_is_wrong_upstream_is_a_bad_gateway() {
        let reason = |answer| fetch(answer).unwrap_err().reason;
        for answer in [
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n{",
            "nonsense\r\n\r\n",
        ] {
            assert_eq!(reason(answer), Reason::Upstream, "{answer}");
        }
        let long = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n12345678901";
        assert_eq!(reason(long), Reason::BadMapping);
        let nobody = Mappings::of_upstream("http://127.0.0.1:1", 10).unwrap();
        let refused = runtime().block_on(nobody.get("/a")).unwrap_err();
        assert_eq!(refused.reason, Reason::Upstream);
        assert!(Mappings::of_upstream("ftp://a", 10).is_err());
    }

    #[test]
    fn a_mapping_file_is_read_again_when_it_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let mappings = Mappings::of_files(dir.path(), 10).unwrap();
        let get = || runtime().block_on(mappings.get("/a.json"));
        assert_eq!(get().unwrap_err().reason, Reason::NotFound);
        std::fs::write(dir.path().join("a.json"), "{}").unwrap();
        let first = get().unwrap();
        assert!(Arc::ptr_eq(&first, &get().unwrap()));
        std::fs::write(dir.path().join("b.json"), "[]").unwrap();
        std::fs::rename(dir.path().join("b.json"), dir.path().join("a.json")).unwrap();
        let second = get().unwrap();
        assert_ne!(first.tag(), second.tag());
        std::fs::write(dir.path().join("a.json"), "12345678901").unwrap();
        assert_eq!(get().unwrap_err().reason, Reason::BadMapping);
    }
}
