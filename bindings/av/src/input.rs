//! [`Input`]: opens anything that libav can demux and reads its packets.

use std::ffi::{CStr, CString, c_int, c_void};
use std::io::Read;
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;
use std::time::Duration;

use ffmpeg_next::ffi;

use crate::custom_io::{CustomIo, ReadSeek, Reader};
use crate::error::is_again;
use crate::packet::{Packet, some_time};
use crate::raw::write_enum;
use crate::redact::redact;
use crate::stream::StreamInfo;
use crate::watch::{self, Watch};
use crate::{Error, ErrorKind, Interrupt, log, memory};

/// How much may be read to find out what an input is.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Bytes, for [`Input::find_stream_info`] and for telling formats apart.
    pub bytes: u64,
    /// Bytes for the header while the input is opened, where that is less. A demuxer of MPEG-TS that reads what can't be sought in has a
    /// buffer of that size from then on, until so much was read.
    pub header: u64,
    /// Media time, for [`Input::find_stream_info`].
    pub length: Duration,
    /// Packets that are held back while streams are still unknown.
    pub packets: u32,
    /// Streams; more than these are not described.
    pub streams: u32,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            bytes: 5_000_000,
            header: 5_000_000,
            length: Duration::from_secs(5),
            packets: 2500,
            streams: 64,
        }
    }
}

/// How to open an input.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// The demuxer by libav's name (`mpegts`, `flv`); found out from the bytes when `None`.
    pub format: Option<String>,
    /// The protocols that the input, and whatever it names, may use, with commas between; empty means none at all.
    pub protocols: String,
    /// libav's options by name, for the demuxer and for the protocol. Those it does not know are logged.
    pub options: Vec<(String, String)>,
    /// How much may be read to find out what it is.
    pub probe: Probe,
}

/// An open input.
///
/// Every call that reads watches the [`Interrupt`] given at opening and answers within 200 ms once it fires, with
/// [`ErrorKind::Cancelled`] or [`ErrorKind::TimedOut`]. Resolving a host name is the exception: the system's resolver
/// can't be interrupted.
pub struct Input {
    context: NonNull<ffi::AVFormatContext>,
    /// After `context`: it is used until that is closed.
    io: Option<CustomIo>,
    watch: Arc<Watch>,
    /// What is open, for messages.
    name: String,
    is_network: bool,
    spare: Option<Packet>,
    /// Reading was given up although the last read had a packet.
    given_up: Option<Error>,
}

// SAFETY: the context and everything in it is owned and used by one thread at a time (`&mut self`, or `&self` for plain
// reads without `Sync`); libav's demuxers keep nothing that belongs to a thread.
unsafe impl Send for Input {}

impl Input {
    /// Opens `url`, or a path when `protocols` has `file`.
    pub fn open_url(url: &str, options: &OpenOptions, interrupt: &Interrupt) -> Result<Self, Error> {
        let address = to_c(url, "the URL")?;
        let is_network = url.split_once("://").is_some_and(|(scheme, _)| scheme != "file");
        Self::open(
            Some(&address),
            None,
            redact(url).into_owned(),
            is_network,
            options,
            interrupt,
        )
    }

    /// Opens what `reader` gives, without seeking.
    pub fn open_reader(
        reader: Box<dyn Read + Send>,
        options: &OpenOptions,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        Self::open(
            None,
            Some(Reader::Stream(reader)),
            "the input".to_owned(),
            false,
            options,
            interrupt,
        )
    }

    /// Opens what `reader` gives.
    pub fn open_seekable(
        reader: Box<dyn ReadSeek + Send>,
        options: &OpenOptions,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        Self::open(
            None,
            Some(Reader::Seekable(reader)),
            "the input".to_owned(),
            false,
            options,
            interrupt,
        )
    }

    fn open(
        address: Option<&CString>,
        reader: Option<Reader>,
        name: String,
        is_network: bool,
        options: &OpenOptions,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        log::install();
        let what = format!("open {name}");
        let format = find_format(options.format.as_deref())?;
        let mut dictionary = Dictionary::of(options)?;
        let watch = Watch::new(interrupt);
        watch.begin(&what)?;
        let mut io = match reader {
            Some(reader) => Some(CustomIo::new(reader, Arc::clone(&watch))?),
            None => None,
        };
        // SAFETY: no arguments; null means out of memory.
        let mut context = unsafe { ffi::avformat_alloc_context() };
        if context.is_null() {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("{what}: out of memory"),
            ));
        }
        // SAFETY: the context is fresh. `watch` outlives it, since `Input` and the error path below close it first.
        unsafe { prepare(context, &watch, options, io.as_ref()) };
        let address = address.map_or(null(), |address| address.as_ptr());
        log::forget_last_error();
        // SAFETY: all pointers are valid or null where null is allowed; on failure libav frees the context.
        let code =
            unsafe { ffi::avformat_open_input(&raw mut context, address, format, dictionary.as_mut_ptr()) };
        let context = match NonNull::new(context) {
            Some(context) if code >= 0 => context,
            _ => {
                let failure = io.as_mut().and_then(CustomIo::take_failure);
                return Err(match watch.stopped(&what) {
                    Some(stopped) => stopped,
                    None => failed(code, &what, is_network)
                        .with_redirect(log::redirect())
                        .with_detail(failure.or_else(log::last_error)),
                });
            }
        };
        // SAFETY: a plain field of an open context, that is read by later calls.
        unsafe { (*context.as_ptr()).probesize = bytes(options.probe.bytes) };
        // SAFETY: the demuxer's own state, which libav allocated and uses in calls on this context only.
        unsafe { memory::forget_zeros((*context.as_ptr()).priv_data) };
        dictionary.log_unused();
        Ok(Self {
            context,
            io,
            watch,
            name,
            is_network,
            spare: None,
            given_up: None,
        })
    }

    /// The streams known so far. Formats without a header (FLV, MPEG-TS) add streams, and details of them, while packets
    /// are read.
    pub fn streams(&self) -> Vec<StreamInfo> {
        (0..self.stream_count())
            .filter_map(|index| self.stream(index))
            .collect()
    }

    /// One stream as it is known now.
    pub fn stream(&self, index: usize) -> Option<StreamInfo> {
        // SAFETY: a stream of our context, which nothing changes while `self` is borrowed.
        self.stream_ptr(index)
            .map(|stream| unsafe { StreamInfo::read(stream, index) })
    }

    /// How many streams are known so far.
    pub fn stream_count(&self) -> usize {
        // SAFETY: the context is open as long as `self`; so in the methods below.
        usize::try_from(unsafe { (*self.context.as_ptr()).nb_streams }).unwrap_or(0)
    }

    /// Blocks for the next packet; `None` only at the real end of the input.
    pub fn read(&mut self) -> Result<Option<Packet>, Error> {
        if let Some(stopped) = self.given_up.take() {
            return Err(stopped);
        }
        self.watch.begin(&self.name)?;
        let packet = match self.spare.take() {
            Some(packet) => packet,
            None => Packet::alloc()?,
        };
        loop {
            // SAFETY: an open context and an empty packet, which stays empty on failure.
            let code = unsafe { ffi::av_read_frame(self.context.as_ptr(), packet.as_ptr()) };
            if code >= 0 {
                // A parser gives what it held when reading fails. The failure is the next answer: asked again, a silent
                // connection would be waited for once more.
                self.given_up = self.watch.stopped(&self.name);
                return Ok(Some(packet));
            }
            if let Some(stopped) = self.watch.stopped(&self.name) {
                return Err(stopped);
            }
            if is_again(code) {
                std::thread::sleep(AGAIN);
                self.watch.begin(&self.name)?;
                continue;
            }
            self.spare = Some(packet);
            return self.end(code).map(|()| None);
        }
    }

    /// How many packets of RTP were lost on the network since this was asked last, by the thread that reads.
    pub fn take_lost(&mut self) -> u64 {
        log::take_lost()
    }

    /// Whether `code` is the real end: demuxers tell "end" also when reading failed.
    fn end(&mut self, code: c_int) -> Result<(), Error> {
        let what = format!("read {}", self.name);
        if let Some(failure) = self.io.as_mut().and_then(CustomIo::take_failure) {
            let mut error = failed(self.io_error().unwrap_or(code), &what, self.is_network);
            if error.kind == ErrorKind::Internal {
                error.kind = ErrorKind::Io;
            }
            return Err(error.with_detail(Some(failure)));
        }
        if code != ffi::AVERROR_EOF {
            return Err(failed(code, &what, self.is_network));
        }
        match self.io_error() {
            Some(code) => Err(failed(code, &what, self.is_network)),
            None => Ok(()),
        }
    }

    fn io_error(&self) -> Option<c_int> {
        // SAFETY: see `stream_count`; `pb` is null for demuxers that do their own I/O.
        let io = unsafe { (*self.context.as_ptr()).pb };
        if io.is_null() {
            return None;
        }
        // SAFETY: a valid I/O context.
        let code = unsafe { (*io).error };
        (code < 0 && code != ffi::AVERROR_EOF && !is_again(code)).then_some(code)
    }

    /// Goes to the key frame at or before `position`, counted from the input's first timestamp. Formats without an index
    /// (MPEG-TS) go somewhere near it: packets up to the first key frame are of no use then.
    pub fn seek(&mut self, position: Duration) -> Result<(), Error> {
        let what = format!("seek {} to {:.3} s", self.name, position.as_secs_f64());
        self.watch.begin(&what)?;
        // SAFETY: see `stream_count`.
        let start = some_time(unsafe { (*self.context.as_ptr()).start_time }).unwrap_or(0);
        let target = i64::try_from(position.as_micros())
            .unwrap_or(i64::MAX)
            .saturating_add(start);
        // SAFETY: an open context; -1 lets libav choose the stream.
        let code = unsafe {
            ffi::av_seek_frame(
                self.context.as_ptr(),
                -1,
                target,
                ffi::AVSEEK_FLAG_BACKWARD as c_int,
            )
        };
        match self.watch.stopped(&what) {
            Some(stopped) if code < 0 => Err(stopped),
            _ if code < 0 => Err(failed(code, &what, self.is_network)),
            _ => Ok(()),
        }
    }

    /// Reads ahead and decodes to learn more about the streams, over at most `limit` of media. The packets read are not
    /// lost. This opens decoders: it costs memory and time.
    pub fn find_stream_info(&mut self, limit: Duration) -> Result<(), Error> {
        let what = format!("probe {}", self.name);
        self.watch.begin(&what)?;
        // SAFETY: see `stream_count`; a plain field that is read by the next call.
        unsafe {
            (*self.context.as_ptr()).max_analyze_duration =
                i64::try_from(limit.as_micros()).unwrap_or(i64::MAX).max(1);
        }
        // SAFETY: an open context; no options.
        let code = unsafe { ffi::avformat_find_stream_info(self.context.as_ptr(), null_mut()) };
        match self.watch.stopped(&what) {
            Some(stopped) => Err(stopped),
            None if code < 0 => Err(failed(code, &what, self.is_network)),
            None => Ok(()),
        }
    }

    /// The length, where the container tells.
    pub fn duration(&self) -> Option<Duration> {
        // SAFETY: see `stream_count`.
        let micros = some_time(unsafe { (*self.context.as_ptr()).duration })?;
        u64::try_from(micros)
            .ok()
            .filter(|&micros| micros > 0)
            .map(Duration::from_micros)
    }

    /// The first timestamp in microseconds, where it is known.
    pub(crate) fn start_micros(&self) -> Option<i64> {
        // SAFETY: see `stream_count`.
        some_time(unsafe { (*self.context.as_ptr()).start_time })
    }

    /// Bits per second over all streams; 0 when unknown.
    pub fn bit_rate(&self) -> i64 {
        // SAFETY: see `stream_count`.
        unsafe { (*self.context.as_ptr()).bit_rate }
    }

    /// The demuxer's name: `mov,mp4,m4a,3gp,3g2,mj2`, `mpegts`.
    pub fn format_name(&self) -> String {
        // SAFETY: an open context has a demuxer, and a demuxer a name.
        let name = unsafe { CStr::from_ptr((*(*self.context.as_ptr()).iformat).name) };
        name.to_string_lossy().into_owned()
    }

    /// Drops the packets of `stream` as early as the demuxer can.
    pub fn discard(&mut self, stream: usize) {
        if let Some(stream) = self.stream_ptr(stream) {
            // SAFETY: a valid stream; the field is a C enum and the value one of its own.
            unsafe { write_enum!((*stream).discard, DISCARD_ALL) };
        }
    }

    pub(crate) fn stream_ptr(&self, index: usize) -> Option<*mut ffi::AVStream> {
        if index >= self.stream_count() {
            return None;
        }
        // SAFETY: the list has `nb_streams` entries.
        Some(unsafe { *(*self.context.as_ptr()).streams.add(index) })
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.watch.begin_closing();
        let mut context = self.context.as_ptr();
        // SAFETY: opened by `avformat_open_input` and closed once; `io` and `watch` are dropped after this.
        unsafe { ffi::avformat_close_input(&raw mut context) };
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How long to wait when the other side has nothing yet.
const AGAIN: Duration = Duration::from_millis(5);

/// `AVDISCARD_ALL` of `enum AVDiscard`.
const DISCARD_ALL: c_int = 48;

/// # Safety
/// `context` is fresh, and `watch` and `io` outlive it.
unsafe fn prepare(
    context: *mut ffi::AVFormatContext,
    watch: &Arc<Watch>,
    options: &OpenOptions,
    io: Option<&CustomIo>,
) {
    let probe = &options.probe;
    // SAFETY: plain fields of a fresh context.
    unsafe {
        (*context).interrupt_callback.callback = Some(watch::must_stop);
        (*context).interrupt_callback.opaque = Arc::as_ptr(watch).cast_mut().cast::<c_void>();
        // The timeline repairs wraps, and needs to see them.
        (*context).correct_ts_overflow = 0;
        (*context).max_streams = c_int::try_from(probe.streams).unwrap_or(c_int::MAX);
        (*context).max_probe_packets = c_int::try_from(probe.packets).unwrap_or(c_int::MAX);
        (*context).probesize = bytes(probe.bytes.min(probe.header));
        (*context).max_analyze_duration = i64::try_from(probe.length.as_micros()).unwrap_or(i64::MAX);
        if let Some(io) = io {
            (*context).pb = io.as_ptr();
            (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO as c_int;
        }
    }
}

/// In the form of libav's limits, of which 32 is the least.
fn bytes(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).max(32)
}

fn find_format(name: Option<&str>) -> Result<*const ffi::AVInputFormat, Error> {
    let Some(name) = name else { return Ok(null()) };
    let name_c = to_c(name, "the format's name")?;
    // SAFETY: a string with a NUL at its end; the answer is static or null.
    let format = unsafe { ffi::av_find_input_format(name_c.as_ptr()) };
    if format.is_null() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("no demuxer is called {name}"),
        ));
    }
    Ok(format)
}

fn failed(code: c_int, what: &str, is_network: bool) -> Error {
    if is_network {
        Error::from_network_code(code, what)
    } else {
        Error::from_code(code, what)
    }
}

/// Text for C, which ends at the first NUL.
pub(crate) fn to_c(text: &str, what: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::new(ErrorKind::Internal, format!("{what} has a NUL in it")))
}

/// Options on their way to libav and back.
struct Dictionary(*mut ffi::AVDictionary);

impl Dictionary {
    fn of(options: &OpenOptions) -> Result<Self, Error> {
        let mut dictionary = Self(null_mut());
        for (name, value) in &options.options {
            dictionary.set(name, value)?;
        }
        // Last, so that no other option replaces it. An empty list would mean "any" to some versions.
        let protocols = if options.protocols.is_empty() {
            "none"
        } else {
            &options.protocols
        };
        dictionary.set("protocol_whitelist", protocols)?;
        Ok(dictionary)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let (name_c, value_c) = (to_c(name, "an option")?, to_c(value, "an option")?);
        // SAFETY: a valid (or null) dictionary and two strings, which libav copies.
        let code = unsafe { ffi::av_dict_set(self.as_mut_ptr(), name_c.as_ptr(), value_c.as_ptr(), 0) };
        crate::error::check(code, "set an option").map(|_| ())
    }

    fn as_mut_ptr(&mut self) -> *mut *mut ffi::AVDictionary {
        &raw mut self.0
    }

    /// What is left after opening is what nobody knew.
    fn log_unused(&self) {
        let mut entry = null();
        loop {
            // SAFETY: a valid (or null) dictionary and the entry before, as the function wants.
            entry =
                unsafe { ffi::av_dict_get(self.0, c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX as c_int) };
            if entry.is_null() {
                return;
            }
            // SAFETY: a valid entry has a key.
            let key = unsafe { CStr::from_ptr((*entry).key) };
            tracing::debug!(target: "libav", "no use for the option {}", key.to_string_lossy());
        }
    }
}

impl Drop for Dictionary {
    fn drop(&mut self) {
        // SAFETY: a valid dictionary or null, freed once.
        unsafe { ffi::av_dict_free(self.as_mut_ptr()) };
    }
}
