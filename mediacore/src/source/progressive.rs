//! One HTTP body as one input: a file that is still on a server, or a stream without an end (HTTP-FLV, HTTP-TS).

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::source::http::{Body, Client, Request, Response};
use crate::source::libav::{self, LibavInput};
use crate::source::{Interrupt, SourceUrl};

/// Opens the body of `response`, whose first bytes are already in `start`.
///
/// With a length and a server that gives ranges libav may seek (an MP4 whose `moov` is at the end needs it), and a
/// connection that breaks is taken up where it broke. The end is complete when the server had told the length.
pub(crate) fn open(
    client: Arc<Client>,
    response: Response,
    start: Vec<u8>,
    interrupt: &Interrupt,
) -> Result<LibavInput> {
    let failure = Failure::default();
    let options = av::OpenOptions {
        options: vec![("format_whitelist".to_owned(), FORMATS.to_owned())],
        ..av::OpenOptions::default()
    };
    let length = response.total.or(response.body.length());
    let opened = match length {
        Some(length) if response.ranges => {
            let reader = Ranged {
                client,
                url: response.url,
                length,
                at: 0,
                body_at: start.len() as u64,
                start,
                body: Some(response.body),
                failure: failure.clone(),
            };
            av::Input::open_seekable(Box::new(reader), &options, interrupt)
        }
        _ => {
            let reader = Stream {
                start: io::Cursor::new(start),
                body: response.body,
                failure: failure.clone(),
            };
            av::Input::open_reader(Box::new(reader), &options, interrupt)
        }
    };
    let explained = |cause: Error| failure.take().unwrap_or(cause);
    let input = opened.map_err(libav::error).map_err(&explained)?;
    let complete = length.is_some();
    let input = LibavInput::new(input, move || complete);
    let failure = failure.clone();
    Ok(input.explained_by(move || failure.take()))
}

/// Containers that make sense as one body; above all none that names other files.
const FORMATS: &str = "flv,live_flv,mpegts,mpeg,mov,mp4,matroska,webm,avi,asf,ogg,aac,mp3,ac3,eac3,flac,wav";

/// Times that a broken connection is taken up again without any byte in between.
const RESUMES: u32 = 3;
/// A seek forward by no more than this reads on instead of asking anew.
const READ_ON: u64 = 256 << 10;

/// What went wrong below libav, which itself only knows that reading failed.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    fn set(&self, error: Error) -> io::Error {
        let text = error.report();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        io::Error::other(text)
    }

    fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Stream {
    start: io::Cursor<Vec<u8>>,
    body: Body,
    failure: Failure,
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.start.read(into)? {
            0 => self.body.read_some(into).map_err(|error| self.failure.set(error)),
            read => Ok(read),
        }
    }
}

struct Ranged {
    client: Arc<Client>,
    url: SourceUrl,
    length: u64,
    at: u64,
    /// The first bytes of the thing, read before we knew what it is.
    start: Vec<u8>,
    body: Option<Body>,
    /// Where the body's next byte belongs.
    body_at: u64,
    failure: Failure,
}

impl Ranged {
    fn read_some(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.at >= self.length || into.is_empty() {
            return Ok(0);
        }
        let begun = usize::try_from(self.at)
            .ok()
            .and_then(|at| self.start.get(at..))
            .unwrap_or_default();
        if !begun.is_empty() {
            let count = begun.len().min(into.len());
            into.iter_mut().zip(begun).for_each(|(to, from)| *to = *from);
            self.at += count as u64;
            return Ok(count);
        }
        let mut tries = 0;
        loop {
            let tried = self.try_read(into);
            let cause = match tried {
                Ok(read) => {
                    self.at += read as u64;
                    return Ok(read);
                }
                Err(cause) => cause,
            };
            self.body = None;
            tries += 1;
            if cause.kind() != ErrorKind::Unreachable || tries >= RESUMES {
                return Err(cause);
            }
        }
    }

    fn try_read(&mut self, into: &mut [u8]) -> Result<usize> {
        let is_near = self.at >= self.body_at && self.at - self.body_at <= READ_ON;
        let mut body = match self.body.take().filter(|_| is_near) {
            Some(body) => body,
            None => self.ask()?,
        };
        let mut ahead = self.at - self.body_at;
        let mut chunk = [0; 4096];
        while ahead > 0 {
            let most = usize::try_from(ahead).unwrap_or(usize::MAX).min(chunk.len());
            let read = body.read_some(chunk.get_mut(..most).unwrap_or_default())? as u64;
            if read == 0 {
                return Err(Error::new(
                    ErrorKind::Unreachable,
                    format!("reading {}: truncated", self.url),
                ));
            }
            ahead -= read;
            self.body_at += read;
        }
        let read = body.read_some(into)?;
        if read == 0 {
            return Err(Error::new(
                ErrorKind::Unreachable,
                format!("reading {}: truncated", self.url),
            ));
        }
        self.body_at += read as u64;
        self.body = Some(body);
        Ok(read)
    }

    fn ask(&mut self) -> Result<Body> {
        // The connection of the body before is closed by now: one request at a time.
        let request = Request {
            url: &self.url,
            range: Some(self.at..u64::MAX),
            time: None,
            limit: u64::MAX,
        };
        let response = self.client.get(&request)?;
        if response.start != self.at || response.total.is_some_and(|total| total != self.length) {
            let message = format!("reading {}: the file changed while it was read", self.url);
            return Err(Error::new(ErrorKind::Malformed, message));
        }
        self.body_at = self.at;
        Ok(response.body)
    }
}

impl Read for Ranged {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.read_some(into).map_err(|error| self.failure.set(error))
    }
}

impl Seek for Ranged {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
