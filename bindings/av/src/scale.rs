//! Scales a picture, converts its colours and turns it.

use std::ffi::c_int;
use std::ptr::{null, null_mut};
use std::slice;

use ffmpeg_next::ffi;

use crate::codec::{Frame, no_memory};
use crate::picture::PictureFormat;
use crate::raw::{self, read_enum, write_enum};
use crate::{Error, ErrorKind};

/// A picture ready for its encoder.
pub(crate) struct Scaled {
    pub(crate) frame: Frame,
    pub(crate) width: c_int,
    pub(crate) height: c_int,
}

/// `AVCOL_RANGE_JPEG` of `enum AVColorRange`.
pub(crate) const FULL_RANGE: c_int = 2;

/// `SWS_BICUBIC | SWS_FULL_CHR_H_INT | SWS_ACCURATE_RND`.
const FLAGS: c_int = 4 | 0x2000 | 0x40000;
/// `SWS_CS_ITU709` and `SWS_CS_ITU601`, also the numbers of these matrices in `enum AVColorSpace`.
const BT709: c_int = 1;
const BT601: c_int = 5;
/// `AVCOL_SPC_UNSPECIFIED`.
const UNSPECIFIED: c_int = 2;

/// `source` in the form that `format` needs, turned by quarter `turns` clockwise, `width` by `height` after that.
pub(crate) fn to_format(
    source: &Frame,
    format: PictureFormat,
    width: c_int,
    height: c_int,
    turns: u32,
) -> Result<Scaled, Error> {
    let out_format = match format {
        PictureFormat::Jpeg => ffi::AVPixelFormat::AV_PIX_FMT_YUV420P as c_int,
        PictureFormat::Png => ffi::AVPixelFormat::AV_PIX_FMT_RGB24 as c_int,
    };
    let (flat_width, flat_height) = if turns % 2 == 1 {
        (height, width)
    } else {
        (width, height)
    };
    let flat = scale(source, out_format, flat_width, flat_height)?;
    let frame = if turns == 0 {
        flat
    } else {
        turn(&flat, out_format, width, height, turns)?
    };
    if format == PictureFormat::Jpeg {
        // SAFETY: a C enum in our frame gets one of its values.
        unsafe { write_enum!((*frame.as_ptr()).color_range, FULL_RANGE) };
    }
    Ok(Scaled { frame, width, height })
}

fn scale(source: &Frame, out_format: c_int, width: c_int, height: c_int) -> Result<Frame, Error> {
    let s = source.as_ptr();
    // SAFETY: a decoded frame's plain fields, enums as integers.
    let (in_width, in_height, in_format, range, matrix) = unsafe {
        let (range, matrix) = (read_enum!((*s).color_range), read_enum!((*s).colorspace));
        ((*s).width, (*s).height, (*s).format, range, matrix)
    };
    let (in_format, is_full) = plain(in_format, range);
    // SAFETY: any number may be asked about.
    if unsafe { raw::sws_isSupportedInput(in_format) } == 0 {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("pixels of libav's format {in_format}"),
        ));
    }
    let out = Frame::picture(width, height, out_format)?;
    // SAFETY: sizes above 0 and formats that exist; null means that it can't be done.
    let context = unsafe {
        raw::sws_getContext(
            in_width,
            in_height,
            in_format,
            width,
            height,
            out_format,
            FLAGS,
            null_mut(),
            null_mut(),
            null(),
        )
    };
    if context.is_null() {
        return Err(no_memory());
    }
    let matrix = match matrix {
        UNSPECIFIED if in_height >= 720 => BT709,
        UNSPECIFIED | 0 => BT601,
        other => other,
    };
    // SAFETY: a valid context; the tables are static. It answers -1 where colours need no matrix, which is fine. Then the
    // source has the planes that its format says, the destination has room for its own, and the context is freed once.
    unsafe {
        let (from, to) = (ffi::sws_getCoefficients(matrix), ffi::sws_getCoefficients(BT601));
        ffi::sws_setColorspaceDetails(context, from, c_int::from(is_full), to, 1, 0, 1 << 16, 1 << 16);
        ffi::sws_scale(
            context,
            (&raw const (*s).data).cast(),
            (&raw const (*s).linesize).cast(),
            0,
            in_height,
            (&raw const (*out.as_ptr()).data).cast(),
            (&raw const (*out.as_ptr()).linesize).cast(),
        );
        ffi::sws_freeContext(context);
    }
    Ok(out)
}

/// The deprecated full-range formats as what they are: a plain format and a range.
fn plain(format: c_int, range: c_int) -> (c_int, bool) {
    use ffi::AVPixelFormat as F;
    for (full, plain) in [
        (F::AV_PIX_FMT_YUVJ420P, F::AV_PIX_FMT_YUV420P),
        (F::AV_PIX_FMT_YUVJ422P, F::AV_PIX_FMT_YUV422P),
        (F::AV_PIX_FMT_YUVJ444P, F::AV_PIX_FMT_YUV444P),
        (F::AV_PIX_FMT_YUVJ440P, F::AV_PIX_FMT_YUV440P),
        (F::AV_PIX_FMT_YUVJ411P, F::AV_PIX_FMT_YUV411P),
    ] {
        if format == full as c_int {
            return (plain as c_int, true);
        }
    }
    (format, range == FULL_RANGE)
}

/// A plane's pixels: bytes from row to row, bytes of a pixel, pixels across and down.
struct Plane {
    data: *mut u8,
    stride: usize,
    pixel: usize,
    width: usize,
    height: usize,
}

fn turn(flat: &Frame, format: c_int, width: c_int, height: c_int, turns: u32) -> Result<Frame, Error> {
    let out = Frame::picture(width, height, format)?;
    let is_rgb = format == ffi::AVPixelFormat::AV_PIX_FMT_RGB24 as c_int;
    for index in 0..if is_rgb { 1 } else { 3 } {
        turn_plane(&plane(flat, index, is_rgb)?, &plane(&out, index, is_rgb)?, turns);
    }
    Ok(out)
}

fn plane(frame: &Frame, index: usize, is_rgb: bool) -> Result<Plane, Error> {
    let f = frame.as_ptr();
    // SAFETY: a frame's plain fields; `index` is below 3.
    let (data, stride, width, height) =
        unsafe { ((*f).data[index], (*f).linesize[index], (*f).width, (*f).height) };
    let size = |value: c_int| usize::try_from(value).ok();
    let halved = |value: usize| if index == 0 { value } else { value.div_ceil(2) };
    match (size(stride), size(width), size(height)) {
        (Some(stride), Some(width), Some(height)) if !data.is_null() => Ok(Plane {
            data,
            stride,
            pixel: if is_rgb { 3 } else { 1 },
            width: halved(width),
            height: halved(height),
        }),
        _ => Err(Error::new(ErrorKind::Internal, "a picture without a plane")),
    }
}

/// The sides of `to` are those of `from`, swapped for an odd number of turns.
fn turn_plane(from: &Plane, to: &Plane, turns: u32) {
    for y in 0..to.height {
        // SAFETY: the row lies in the plane that libav allocated for this height and stride.
        let row = unsafe { slice::from_raw_parts_mut(to.data.add(y * to.stride), to.width * to.pixel) };
        for (x, pixel) in row.chunks_exact_mut(to.pixel).enumerate() {
            let (from_x, from_y) = match turns {
                1 => (y, to.width - 1 - x),
                2 => (to.width - 1 - x, to.height - 1 - y),
                _ => (to.height - 1 - y, x),
            };
            let (from_x, from_y) = (from_x.min(from.width - 1), from_y.min(from.height - 1));
            // SAFETY: the place lies inside the other plane, whose rows were all written by the scaler.
            let source = unsafe {
                slice::from_raw_parts(
                    from.data.add(from_y * from.stride + from_x * from.pixel),
                    from.pixel,
                )
            };
            pixel.copy_from_slice(source);
        }
    }
}
