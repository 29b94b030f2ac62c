//! The server's side of one worker: starts it, asks, listens, and sees to it that it ends.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use mediacore::remux::{Observer, Progress};
use mediacore::source::Interrupt;
use mediacore::{Error, ErrorKind, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use super::LONGEST;
use super::end::{self, Ending};
use super::limits::Limits;
use super::lines::Lines;
use super::wire::{Confined, Done, Frame, Reply, Request, Work};
use crate::config::Sandbox;

/// How often it is looked at whether somebody wants a worker to stop.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// How long a worker may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(2);

/// How much longer than its patience a worker may wait for the disk: `fsync` of many gigabytes is no fault of the media.
const DISK: u32 = 10;

/// Bytes of one line of its standard error, and lines that are kept.
const LOG_LINE: usize = 4096;
const LOG_LINES: usize = 20;

/// What one worker is asked.
pub(super) struct Call<'a> {
    pub(super) work: Work,
    pub(super) sandbox: Sandbox,
    /// Bytes of the input.
    pub(super) input: u64,
    pub(super) interrupt: &'a Interrupt,
    pub(super) progress: Option<&'a Observer>,
}

/// A worker that runs. It is gone when this is.
#[derive(Debug)]
struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    log: Option<ChildStderr>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was heard of a worker.
#[derive(Debug)]
struct Heard {
    lines: Lines,
    log: Lines,
    logged: Vec<String>,
    confined: Option<Confined>,
    answer: Option<Result<Done>>,
    /// The furthest that it got, and when.
    furthest: (u64, Duration),
    moved: Instant,
}

/// How a worker's process ended, and why the server ended it, if it did.
type Ended = (Option<Ending>, ExitStatus);

/// A worker that was started, and what it is asked first.
struct Begun {
    worker: Worker,
    heard: Heard,
    limits: Limits,
    request: Vec<u8>,
}

/// A worker that takes one film after the other.
#[derive(Debug)]
pub(super) struct Standing {
    worker: Worker,
    heard: Heard,
    limits: Limits,
}

/// Has a worker do the work. Returns when the worker's process is gone.
///
/// # Errors
/// The worker's own; otherwise why it had to end or ended.
pub(super) fn call(call: &Call<'_>) -> Result<(Done, Confined)> {
    let Begun {
        mut worker,
        mut heard,
        limits,
        request,
    } = begin(call.sandbox, call.work.clone(), call.input)?;
    let ended = worker.attend(call, &limits, &request, false, &mut heard);
    let (ending, status) = match ended.map_err(deaf)? {
        Some(ended) => ended,
        None => return Err(Error::new(ErrorKind::Internal, "a worker stays that should not")),
    };
    heard.pass_on(&call.work);
    let confined = heard.confined.unwrap_or_default();
    match (heard.answer.take(), ending) {
        (Some(Ok(done)), _) => Ok((done, confined)),
        // Whether it was asked to stop is known here, and what one says that was is of no interest.
        (Some(Err(error)), None) if error.kind() != ErrorKind::Cancelled => Err(error),
        _ => Err(heard.lost(&call.work, &limits, (ending, status))),
    }
}

/// Has the standing worker make a picture of a film; starts one when there is none, or when it ended since the last one.
///
/// # Errors
/// As [`call`]. The worker is gone then, unless the error is its own.
pub(super) fn picture(
    standing: &mut Option<Standing>,
    sandbox: Sandbox,
    film: &[u8],
    width: u32,
) -> Result<(Done, Confined)> {
    let bytes = film.len();
    let frame = line(&Frame { bytes, width })?;
    loop {
        let is_fresh = standing.is_none();
        let (mut one, request) = match standing.take() {
            Some(one) => (one, Vec::new()),
            None => {
                let begun = begin(sandbox, Work::Pictures, 0)?;
                let one = Standing {
                    worker: begun.worker,
                    heard: begun.heard,
                    limits: begun.limits,
                };
                (one, begun.request)
            }
        };
        let call = Call {
            work: Work::Pictures,
            sandbox,
            input: 0,
            interrupt: &Interrupt::new(),
            progress: None,
        };
        let unsent = [request.as_slice(), &frame, film].concat();
        let ended = one
            .worker
            .attend(&call, &one.limits, &unsent, true, &mut one.heard)
            .map_err(deaf)?;
        one.heard.pass_on(&call.work);
        let confined = one.heard.confined.unwrap_or_default();
        match (one.heard.answer.take(), ended) {
            (Some(Ok(Done::Nothing)), _) if !is_fresh => {}
            // It said so of itself before it was asked for this one.
            (Some(Err(error)), _) if !is_fresh && error.kind() == ErrorKind::Internal => {}
            (Some(answer), None) => {
                one.heard.logged.clear();
                *standing = Some(one);
                return Ok((answer?, confined));
            }
            // It ended since the last picture, or this one is the first that it can't make: another may, once.
            (_, Some((None, _))) if !is_fresh => {}
            (Some(answer), Some(_)) => return Ok((answer?, confined)),
            (None, Some(ended)) => return Err(one.heard.lost(&call.work, &one.limits, ended)),
            (None, None) => return Err(Error::new(ErrorKind::Internal, "a worker says nothing")),
        }
    }
}

/// Starts a worker.
fn begin(sandbox: Sandbox, work: Work, input: u64) -> Result<Begun> {
    let limits = Limits::of(&work, input);
    let request = line(&Request {
        parent: std::process::id(),
        sandbox,
        limits,
        work,
    })?;
    let worker =
        start().map_err(|cause| Error::new(ErrorKind::Internal, "start a worker").with_source(cause))?;
    let heard = Heard {
        lines: Lines::new(LONGEST),
        log: Lines::new(LOG_LINE),
        logged: Vec::new(),
        confined: None,
        answer: None,
        furthest: (0, Duration::ZERO),
        moved: Instant::now(),
    };
    Ok(Begun {
        worker,
        heard,
        limits,
        request,
    })
}

fn line(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)
        .map_err(|cause| Error::new(ErrorKind::Internal, "write a request to a worker").with_source(cause))?;
    line.push(b'\n');
    Ok(line)
}

fn deaf(cause: io::Error) -> Error {
    Error::new(ErrorKind::Internal, "listen to a worker").with_source(cause)
}

/// This program, which may have been replaced by a newer one on the disk.
fn program() -> PathBuf {
    const RUNNING: &str = "/proc/self/exe";
    let id = |path: &str| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    match std::env::current_exe() {
        Ok(path) if path.to_str().is_some_and(|path| id(path) == id(RUNNING)) => path,
        _ => PathBuf::from(RUNNING),
    }
}

fn start() -> io::Result<Worker> {
    let mut command = Command::new(program());
    command
        .arg0("mediastack")
        .arg("worker")
        // Keys and passwords of the server are in its environment.
        .env_clear()
        .envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)))
        // A signal from the terminal is for the server, which stops its workers.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let worker = Worker {
        input: child.stdin.take(),
        output: child.stdout.take(),
        log: child.stderr.take(),
        child,
    };
    if let Some(input) = &worker.input {
        rustix::fs::fcntl_setfl(input, rustix::fs::fcntl_getfl(input)? | OFlags::NONBLOCK)?;
    }
    Ok(worker)
}

impl Worker {
    /// Asks, listens, and waits for its end; one that `stays` has not ended when it has answered.
    fn attend(
        &mut self,
        call: &Call<'_>,
        limits: &Limits,
        mut unsent: &[u8],
        stays: bool,
        heard: &mut Heard,
    ) -> io::Result<Option<Ended>> {
        let begun = Instant::now();
        let mut ending = None;
        // When it is killed.
        let mut end = None;
        loop {
            let now = Instant::now();
            if stays && heard.answer.is_some() {
                return Ok(None);
            }
            if end.is_none() {
                ending = self.must_end(call, limits, begun, heard);
                // Work that is done, or that nobody waits for, has a moment to end by itself.
                if ending.is_some() || heard.answer.is_some() || self.output.is_none() {
                    self.input = None;
                    end = Some(now + GRACE);
                }
            } else if end.is_some_and(|end| now >= end) {
                self.child.kill()?;
            }
            if self.output.is_none() && self.log.is_none() {
                if let Some(status) = self.child.try_wait()? {
                    return Ok(Some((ending, status)));
                }
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            let ready = self.wait(!unsent.is_empty())?;
            if ready.input
                && let Some(input) = &mut self.input
            {
                match input.write(unsent) {
                    Ok(sent) => unsent = &unsent[sent..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // It ended: its answer or its status says why.
                    Err(_) => self.input = None,
                }
            }
            if ready.output && !heard.listen(&mut self.output, call.progress)? && ending.is_none() {
                ending = Some(Ending::Babbling);
                self.input = None;
                end = Some(now);
            }
            if ready.log {
                heard.log(&mut self.log)?;
            }
        }
    }

    /// Why it must end now, if it must.
    fn must_end(&self, call: &Call<'_>, limits: &Limits, begun: Instant, heard: &Heard) -> Option<Ending> {
        if heard.answer.is_some() {
            return None;
        }
        if call.interrupt.is_cancelled() {
            return Some(Ending::Cancelled);
        }
        // It looks at its own clock first, and can say more.
        let late = limits.time.is_some_and(|time| begun.elapsed() > time + GRACE);
        if late || call.interrupt.is_late() {
            return Some(Ending::Late);
        }
        let patience = limits.patience?;
        let waited = heard.moved.elapsed();
        let stalled = waited > patience && (waited > patience * DISK || !self.waits_for_the_disk());
        stalled.then_some(Ending::Stalled)
    }

    /// Whether the system says so.
    fn waits_for_the_disk(&self) -> bool {
        let about = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let state = about.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state == Some('D')
    }

    /// Waits until there is something to do, at most a tick.
    fn wait(&self, writes: bool) -> io::Result<Ready> {
        let input = self.input.as_ref().filter(|_| writes).map(AsFd::as_fd);
        let output = self.output.as_ref().map(AsFd::as_fd);
        let log = self.log.as_ref().map(AsFd::as_fd);
        let wanted: Vec<(BorrowedFd<'_>, PollFlags)> = [
            (input, PollFlags::OUT),
            (output, PollFlags::IN),
            (log, PollFlags::IN),
        ]
        .into_iter()
        .filter_map(|(fd, flags)| Some((fd?, flags)))
        .collect();
        let mut polled: Vec<PollFd<'_>> = wanted
            .iter()
            .map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags))
            .collect();
        match poll(&mut polled, Some(&TICK)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut told = polled.iter().map(|polled| !polled.revents().is_empty());
        let mut of = |fd: Option<BorrowedFd<'_>>| fd.is_some() && told.next().unwrap_or(false);
        Ok(Ready {
            input: of(input),
            output: of(output),
            log: of(log),
        })
    }
}

/// Which of a worker's pipes have something to do.
struct Ready {
    input: bool,
    output: bool,
    log: bool,
}

impl Heard {
    /// Puts into the log what the worker wrote to its own.
    fn pass_on(&self, work: &Work) {
        for line in &self.logged {
            tracing::warn!(work = work.name(), "a worker: {line}");
        }
    }

    /// The error of a worker that gave no answer.
    fn lost(&self, work: &Work, limits: &Limits, (ending, status): Ended) -> Error {
        let said = self.logged.last().map_or("", String::as_str);
        let error = end::error(work, limits, ending, status, said);
        if error.kind() != ErrorKind::Cancelled {
            let (input, _) = work.paths();
            tracing::warn!(input = ?input, %status, "{error}");
        }
        error
    }

    /// Takes what the worker says; `false` when that is no answer.
    fn listen(&mut self, output: &mut Option<ChildStdout>, progress: Option<&Observer>) -> io::Result<bool> {
        let Some(bytes) = take(output)? else {
            return Ok(true);
        };
        let Ok(lines) = self.lines.push(&bytes) else {
            return Ok(false);
        };
        for line in lines {
            match serde_json::from_slice(&line) {
                Ok(Reply::Confined(confined)) => self.confined = Some(confined),
                Ok(Reply::Progress(done, total, time)) => {
                    if done > self.furthest.0 || time > self.furthest.1 {
                        self.furthest = (self.furthest.0.max(done), self.furthest.1.max(time));
                        self.moved = Instant::now();
                    }
                    if let Some(observer) = progress {
                        (observer.0)(Progress { done, total, time });
                    }
                }
                Ok(Reply::Done(done)) => self.answer = Some(Ok(done)),
                Ok(Reply::Failed(failed)) => self.answer = Some(Err(failed.into())),
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Takes lines of the log, of which only the first are kept, and the last.
    fn log(&mut self, log: &mut Option<ChildStderr>) -> io::Result<()> {
        let Some(bytes) = take(log)? else {
            return Ok(());
        };
        let Ok(lines) = self.log.push(&bytes) else {
            self.log = Lines::new(LOG_LINE);
            return Ok(());
        };
        for line in lines {
            let text: String = String::from_utf8_lossy(&line)
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            self.logged.truncate(LOG_LINES - 1);
            self.logged.push(text);
        }
        Ok(())
    }
}

/// Reads what there is; closes at the end, which is `None`.
fn take<R: Read>(pipe: &mut Option<R>) -> io::Result<Option<Vec<u8>>> {
    let Some(open) = pipe else { return Ok(None) };
    let mut bytes = vec![0; 64 << 10];
    match open.read(&mut bytes) {
        Ok(0) => {
            *pipe = None;
            Ok(None)
        }
        Ok(read) => {
            bytes.truncate(read);
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}
