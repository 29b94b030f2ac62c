//! The worker's side: one request, one answer.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use mediacore::record::still;
use mediacore::remux::{self, Observer};
use mediacore::source::Interrupt;
use mediacore::{Error, ErrorKind, Result, audio, clip, probe, thumbnail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::confine::confine;
use super::limits::Limits;
use super::wire::{Done, Failed, Frame, Reply, Request, Work, Written};
use super::{LONGEST, MAX_FILM};

/// Pictures that one process makes: what one of them did to it does not last.
const PICTURES: u32 = 500;

/// How long a process waits for the next film. Who looks at running recordings asks every few seconds.
const IDLE: Timespec = Timespec {
    tv_sec: 20,
    tv_nsec: 0,
};

/// Where answers go: what was standard output when the process began. Nothing else gets there.
#[derive(Clone)]
struct Out(Arc<Mutex<File>>);

impl Out {
    /// Takes standard output; what is written to it from now on goes to standard error.
    fn take() -> io::Result<Self> {
        let out: OwnedFd = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
        rustix::stdio::dup2_stdout(io::stderr())?;
        Ok(Self(Arc::new(Mutex::new(File::from(out)))))
    }

    /// Says something. The server that can't hear it is gone, and so is this process then.
    fn say(&self, reply: &Reply) {
        let mut line = serde_json::to_vec(reply).unwrap_or_default();
        line.push(b'\n');
        let _ = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&line);
    }
}

/// Reads a request, does what it asks, and answers.
pub(crate) fn main() {
    // Without a place to answer to there is nobody who asks.
    let Ok(out) = Out::take() else { return };
    let done = answer(&out);
    out.say(&match done {
        Ok(done) => Reply::Done(done),
        Err(error) => Reply::Failed(Failed::from(&error)),
    });
}

fn internal(what: &str, cause: impl Into<io::Error>) -> Error {
    Error::new(ErrorKind::Internal, what.to_owned()).with_source(cause.into())
}

fn answer(out: &Out) -> Result<Done> {
    let mut line = Vec::new();
    let mut input = io::stdin().lock();
    Read::take(&mut input, LONGEST as u64)
        .read_until(b'\n', &mut line)
        .map_err(|cause| internal("read a request", cause))?;
    let request: Request = serde_json::from_slice(&line)
        .map_err(|cause| Error::new(ErrorKind::InvalidInput, "no request of a server").with_source(cause))?;
    // The system tells of the end of the thread that started this process. That of a long work waits for it; pictures are asked for
    // by many, and their worker ends when its standard input does.
    if !matches!(request.work, Work::Pictures) {
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|cause| internal("end with the server", cause))?;
    }
    // It may have ended before it could be asked to take this process with it.
    if getppid().map(Pid::as_raw_pid) != i32::try_from(request.parent).ok() {
        return Err(Error::new(ErrorKind::Cancelled, "the server is gone"));
    }
    let (source, output) = request.work.paths();
    let confined = confine(
        request.sandbox,
        &request.limits,
        source,
        output.and_then(Path::parent),
    )?;
    out.say(&Reply::Confined(confined));
    if let Work::Pictures = request.work {
        return pictures(out, &mut input, &request.limits);
    }
    drop(input);
    let interrupt = Interrupt::new();
    if let Some(time) = request.limits.time {
        interrupt.set_deadline(time);
    }
    stop_at_end(&interrupt).map_err(|cause| internal("start a thread", cause))?;
    let told = out.clone();
    let observer = Observer(Arc::new(move |now| {
        told.say(&Reply::Progress(now.done, now.total, now.time));
    }));
    perform(&request.work, &interrupt, observer)
}

/// Answers with a picture for each film that comes, until none comes any more.
fn pictures(out: &Out, input: &mut io::StdinLock<'_>, limits: &Limits) -> Result<Done> {
    for number in 0..PICTURES {
        // The first may have been read together with the request.
        if number > 0 {
            let mut waiting = [PollFd::new(&*input, PollFlags::IN)];
            match poll(&mut waiting, Some(&IDLE)) {
                Ok(0) => break,
                // The next read waits, if nothing is there.
                Ok(_) | Err(Errno::INTR) => {}
                Err(cause) => return Err(internal("wait for a film", cause)),
            }
        }
        let mut line = Vec::new();
        Read::take(&mut *input, LONGEST as u64)
            .read_until(b'\n', &mut line)
            .map_err(|cause| internal("read a request", cause))?;
        // The server wants no more.
        let Ok(frame) = serde_json::from_slice::<Frame>(&line) else {
            break;
        };
        if frame.bytes > MAX_FILM {
            let text = format!("a key frame of {} bytes", frame.bytes);
            return Err(Error::new(ErrorKind::LimitExceeded, text));
        }
        let mut film = vec![0; frame.bytes];
        input
            .read_exact(&mut film)
            .map_err(|cause| internal("read a film", cause))?;
        let interrupt = Interrupt::new();
        if let Some(time) = limits.time {
            interrupt.set_deadline(time);
        }
        out.say(&match still::jpeg(film, frame.width, &interrupt) {
            Ok(bytes) => Reply::Done(Done::Picture(BASE64.encode(bytes))),
            Err(error) => Reply::Failed(Failed::from(&error)),
        });
    }
    Ok(Done::Nothing)
}

/// The end of standard input asks the work to stop.
fn stop_at_end(interrupt: &Interrupt) -> io::Result<()> {
    let stop = interrupt.clone();
    let watch = move || {
        let mut rest = [0; 64];
        loop {
            match io::stdin().lock().read(&mut rest) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return stop.cancel(),
            }
        }
    };
    std::thread::Builder::new()
        .name("stop".to_owned())
        .spawn(watch)
        .map(drop)
}

/// Does the work.
pub(super) fn perform(work: &Work, interrupt: &Interrupt, observer: Observer) -> Result<Done> {
    let options = remux::Options {
        overwrite: false,
        interrupt: interrupt.clone(),
        progress: Some(observer.clone()),
    };
    Ok(match work {
        Work::Nothing | Work::Pictures => Done::Nothing,
        Work::Probe { input } => Done::Probed(probe::probe(&input.0, interrupt)?),
        Work::Thumbnail { input, at, width } => {
            let options = thumbnail::Options {
                at: *at,
                width: *width,
                interrupt: interrupt.clone(),
                ..thumbnail::Options::default()
            };
            Done::Picture(BASE64.encode(thumbnail::jpeg(&input.0, &options)?.bytes))
        }
        Work::Remux { input, output } => written(remux::remux(&input.0, &output.0, &options)?),
        Work::Clip {
            input,
            output,
            from,
            to,
        } => written(clip::clip(&input.0, &output.0, *from, *to, &options)?),
        Work::Audio {
            input,
            output,
            bitrate,
        } => {
            let options = audio::Options {
                bitrate: *bitrate,
                overwrite: false,
                interrupt: interrupt.clone(),
                progress: Some(observer),
            };
            let report = audio::extract(&input.0, &output.0, &options)?;
            Done::Written(Written {
                files: vec![(Duration::ZERO, report.duration)],
                dropped: Vec::new(),
                notes: report.notes,
            })
        }
    })
}

fn written(report: remux::Report) -> Done {
    let files = report.parts.iter().map(|part| (part.at, part.duration));
    let dropped = report.dropped.into_iter();
    Done::Written(Written {
        files: files.collect(),
        dropped: dropped.map(|dropped| (dropped.codec, dropped.reason)).collect(),
        notes: report.notes,
    })
}
