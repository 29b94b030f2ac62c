//! One picture of a file as JPEG or PNG.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::remux::open::{LOOK, Opened};
use crate::remux::target::{Target, check};
use crate::source::{Interrupt, libav};

/// How to make a thumbnail.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which moment; `None` for a tenth of the length, at most ten seconds.
    pub at: Option<Duration>,
    /// Width in pixels, 1 to 16384, the height follows; `None` for the picture's own.
    pub width: Option<u32>,
    /// Replace an output that exists.
    pub overwrite: bool,
    /// Stops the work; nothing is left behind.
    pub interrupt: Interrupt,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            at: None,
            width: None,
            overwrite: false,
            interrupt: Interrupt::new(),
        }
    }
}

/// What came out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Report {
    /// When the picture is shown, where that is known.
    pub at: Option<Duration>,
    /// Bytes of the file.
    pub size: u64,
}

/// A picture in memory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Picture {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// When it is shown, where that is known.
    pub at: Option<Duration>,
}

/// Writes the picture that `input` shows at a moment to `output`, a `.jpg`, `.jpeg` or `.png`, turned as players turn it.
///
/// # Errors
/// `InvalidInput` for another extension, a moment beyond the end, or an output that exists; `NotFound` without video;
/// `Malformed` when nothing can be decoded.
pub fn thumbnail(input: &Path, output: &Path, options: &Options) -> Result<Report> {
    let extension = output
        .extension()
        .map(|text| text.to_string_lossy().to_ascii_lowercase());
    let format = match extension.as_deref() {
        Some("jpg" | "jpeg") => av::PictureFormat::Jpeg,
        Some("png") => av::PictureFormat::Png,
        _ => {
            let text = format!("{}: a thumbnail is .jpg, .jpeg or .png", output.display());
            return Err(Error::new(ErrorKind::InvalidInput, text));
        }
    };
    let opened = Opened::open(input)?;
    check(output, options.overwrite, Some(&opened.file))?;
    let picture = picture(&opened, format, options)?;
    let target = Target::create(output, options.overwrite)?;
    target
        .file()
        .write_all(&picture.bytes)
        .map_err(|e| target.failed(e))?;
    target.publish()?;
    Ok(Report {
        at: picture.at,
        size: picture.bytes.len() as u64,
    })
}

/// The picture that `input` shows at a moment as JPEG, turned as players turn it. Nothing is written.
///
/// # Errors
/// As [`thumbnail`].
pub fn jpeg(input: &Path, options: &Options) -> Result<Picture> {
    let opened = Opened::open(input)?;
    picture(&opened, av::PictureFormat::Jpeg, options)
}

fn picture(opened: &Opened, format: av::PictureFormat, options: &Options) -> Result<Picture> {
    if options.width == Some(0) {
        return Err(Error::new(ErrorKind::InvalidInput, "a picture has no width of 0"));
    }
    decode(opened, format, options)
        .map_err(|error| error.context(format!("make a thumbnail of {}", opened.path.display())))
}

fn decode(opened: &Opened, format: av::PictureFormat, options: &Options) -> Result<Picture> {
    let (mut input, _) = opened.demux(&options.interrupt)?;
    input.find_stream_info(LOOK).map_err(libav::error)?;
    let streams = input.streams();
    let stream = streams
        .iter()
        .find(|stream| stream.kind == av::StreamKind::Video)
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "there is no video track in it"))?;
    let length = input.duration();
    if let (Some(at), Some(length)) = (options.at, length)
        && at > length
    {
        let (at, length) = (at.as_secs_f64(), length.as_secs_f64());
        let text = format!("the moment {at:.3} s lies beyond the end at {length:.3} s");
        return Err(Error::new(ErrorKind::InvalidInput, text));
    }
    let at = options
        .at
        .or(length.map(|length| (length / 10).min(Duration::from_secs(10))));
    let picture =
        av::Picture::decode_at(&mut input, stream.index, at, &options.interrupt).map_err(libav::error)?;
    let at = picture.time();
    let bytes = picture
        .encode(format, options.width, stream.rotation)
        .map_err(libav::error)?;
    Ok(Picture { bytes, at })
}
