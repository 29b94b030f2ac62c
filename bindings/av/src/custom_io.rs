//! [`CustomIo`]: libav reads from a Rust reader.

use std::ffi::{c_int, c_void};
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use ffmpeg_next::ffi;

use crate::error::code_of;
use crate::watch::Watch;
use crate::{Error, ErrorKind};

/// A reader that can seek, as one trait for a box.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// Where the bytes come from.
pub(crate) enum Reader {
    Stream(Box<dyn Read + Send>),
    Seekable(Box<dyn ReadSeek + Send>),
}

/// An `AVIOContext` over a reader, freed with it.
pub(crate) struct CustomIo {
    context: NonNull<ffi::AVIOContext>,
    state: NonNull<State>,
}

// SAFETY: both parts are owned, the reader inside is `Send`, and only the thread that has the input uses them.
unsafe impl Send for CustomIo {}

struct State {
    reader: Reader,
    watch: Arc<Watch>,
    length: Option<u64>,
    failure: Option<String>,
}

/// The size of libav's read buffer, and the most that one call asks of the reader.
const BUFFER: usize = 64 * 1024;

/// How long to wait when the reader has nothing yet.
const AGAIN: Duration = Duration::from_millis(5);

impl CustomIo {
    pub(crate) fn new(reader: Reader, watch: Arc<Watch>) -> Result<Self, Error> {
        let seek: Option<unsafe extern "C" fn(*mut c_void, i64, c_int) -> i64> = match reader {
            Reader::Stream(_) => None,
            Reader::Seekable(_) => Some(on_seek),
        };
        // SAFETY: any size is allowed; null means out of memory.
        let buffer = unsafe { ffi::av_malloc(BUFFER) }.cast::<u8>();
        if buffer.is_null() {
            return Err(no_memory());
        }
        let state = Box::into_raw(Box::new(State {
            reader,
            watch,
            length: None,
            failure: None,
        }));
        // SAFETY: the buffer has that size; `state` outlives the context, since `drop` frees the context first.
        let context = unsafe {
            ffi::avio_alloc_context(
                buffer,
                BUFFER as c_int,
                0,
                state.cast(),
                Some(on_read),
                None,
                seek,
            )
        };
        match (NonNull::new(context), NonNull::new(state)) {
            (Some(context), Some(state)) => Ok(Self { context, state }),
            _ => {
                // SAFETY: nobody took the buffer or the state.
                unsafe {
                    ffi::av_free(buffer.cast());
                    drop(Box::from_raw(state));
                }
                Err(no_memory())
            }
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVIOContext {
        self.context.as_ptr()
    }

    /// The error the reader gave since the last call, in words.
    pub(crate) fn take_failure(&mut self) -> Option<String> {
        // SAFETY: the callbacks, the only others who touch the state, run only inside calls to libav by our owner.
        unsafe { (*self.state.as_ptr()).failure.take() }
    }
}

impl Drop for CustomIo {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: libav may have replaced the buffer, so it is the context's current one that is freed; then the
        // context, then the state that its callbacks used. The owner has closed the demuxer before.
        unsafe {
            ffi::av_freep((&raw mut (*context).buffer).cast());
            ffi::avio_context_free(&raw mut context);
            drop(Box::from_raw(self.state.as_ptr()));
        }
    }
}

unsafe extern "C" fn on_read(opaque: *mut c_void, buffer: *mut u8, size: c_int) -> c_int {
    // SAFETY: `opaque` is the `State` given to `avio_alloc_context`, and libav calls from one thread at a time.
    let state = unsafe { &mut *opaque.cast::<State>() };
    let size = usize::try_from(size).unwrap_or(0).min(BUFFER);
    if size == 0 || buffer.is_null() {
        return ffi::AVERROR_BUG;
    }
    // The reader is foreign safe code: it must not see uninitialised memory.
    // SAFETY: libav gives `size` writable bytes.
    let buffer = unsafe {
        buffer.write_bytes(0, size);
        slice::from_raw_parts_mut(buffer, size)
    };
    state
        .guarded(|state| state.read(buffer))
        .unwrap_or_else(|code| code)
}

unsafe extern "C" fn on_seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `on_read`.
    let state = unsafe { &mut *opaque.cast::<State>() };
    state
        .guarded(|state| state.seek(offset, whence))
        .unwrap_or_else(i64::from)
}

impl State {
    /// Runs foreign code: a panic must not cross the language border, an error is kept for the report.
    fn guarded<T>(
        &mut self,
        call: impl FnOnce(&mut Self) -> io::Result<Result<T, c_int>>,
    ) -> Result<T, c_int> {
        match catch_unwind(AssertUnwindSafe(|| call(self))) {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                self.failure = Some(error.to_string());
                Err(code_of(&error))
            }
            Err(_) => {
                self.failure = Some("the reader panicked".to_owned());
                Err(ffi::AVERROR_EXTERNAL)
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Result<c_int, c_int>> {
        loop {
            if self.watch.must_stop() {
                return Ok(Err(ffi::AVERROR_EXIT));
            }
            let result = match &mut self.reader {
                Reader::Stream(reader) => reader.read(buffer),
                Reader::Seekable(reader) => reader.read(buffer),
            };
            return match result {
                Ok(0) => Ok(Err(ffi::AVERROR_EOF)),
                // A reader that claims more than it was given room for is wrong; the buffer is all there is.
                Ok(count) => Ok(c_int::try_from(count.min(buffer.len())).map_err(|_| ffi::AVERROR_BUG)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Demuxers don't take "not yet" for an answer in the middle of a unit.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(AGAIN);
                    continue;
                }
                Err(error) => Err(error),
            };
        }
    }

    fn seek(&mut self, offset: i64, whence: c_int) -> io::Result<Result<i64, c_int>> {
        let Reader::Seekable(reader) = &mut self.reader else {
            return Ok(Err(ffi::AVERROR_BUG));
        };
        let whence = whence & !(ffi::AVSEEK_FORCE as c_int);
        if whence == ffi::AVSEEK_SIZE as c_int {
            let length = match self.length {
                Some(length) => length,
                None => {
                    let here = reader.stream_position()?;
                    let length = reader.seek(SeekFrom::End(0))?;
                    reader.seek(SeekFrom::Start(here))?;
                    self.length = Some(length);
                    length
                }
            };
            return Ok(i64::try_from(length).map_err(|_| ffi::AVERROR_INVALIDDATA));
        }
        let target = match (whence, u64::try_from(offset)) {
            (0, Ok(offset)) => SeekFrom::Start(offset),
            (1, _) => SeekFrom::Current(offset),
            (2, _) => SeekFrom::End(offset),
            _ => return Ok(Err(ffi::AVERROR_INVALIDDATA)),
        };
        let position = reader.seek(target)?;
        Ok(i64::try_from(position).map_err(|_| ffi::AVERROR_INVALIDDATA))
    }
}

fn no_memory() -> Error {
    Error::new(ErrorKind::LimitExceeded, "out of memory for a read buffer")
}
