//! [`Samples`]: decoded sound in the encoder's form, in a queue.

use std::ffi::{c_int, c_void};
use std::ptr::{NonNull, null_mut};

use ffmpeg_next::ffi;

use crate::Error;
use crate::codec::{Codec, Frame, no_memory};
use crate::error::check;
use crate::raw::{self, read_enum};

/// Converts frames to an encoder's rate, channels and sample format, and queues the samples.
pub(crate) struct Samples {
    queue: NonNull<ffi::AVAudioFifo>,
    resampler: Option<Resampler>,
}

// SAFETY: both are owned and used by one thread at a time.
unsafe impl Send for Samples {}

struct Resampler {
    context: NonNull<ffi::SwrContext>,
    from: (c_int, c_int, c_int),
}

impl Samples {
    pub(crate) fn new(encoder: &Codec) -> Result<Self, Error> {
        let context = encoder.as_ptr();
        // SAFETY: an open encoder's plain fields.
        let queue = unsafe {
            raw::av_audio_fifo_alloc(
                read_enum!((*context).sample_fmt),
                (*context).ch_layout.nb_channels,
                4096,
            )
        };
        Ok(Self {
            queue: NonNull::new(queue).ok_or_else(no_memory)?,
            resampler: None,
        })
    }

    /// How many samples wait in the queue.
    pub(crate) fn len(&self) -> i64 {
        // SAFETY: a valid queue.
        i64::from(unsafe { ffi::av_audio_fifo_size(self.queue.as_ptr()) })
    }

    /// How many samples the resampler still holds.
    pub(crate) fn delay(&self, encoder: &Codec) -> i64 {
        // SAFETY: an open encoder and a valid resampler.
        self.resampler.as_ref().map_or(0, |resampler| unsafe {
            ffi::swr_get_delay(
                resampler.context.as_ptr(),
                i64::from((*encoder.as_ptr()).sample_rate),
            )
        })
    }

    /// Converts `frame` and queues it without its first `skip` samples (counted at the encoder's rate).
    pub(crate) fn push(&mut self, frame: &Frame, encoder: &Codec, skip: i64) -> Result<(), Error> {
        let f = frame.as_ptr();
        // SAFETY: a decoded frame's plain fields.
        let from = unsafe { ((*f).format, (*f).sample_rate, (*f).ch_layout.nb_channels) };
        if self
            .resampler
            .as_ref()
            .is_none_or(|resampler| resampler.from != from)
        {
            self.drain(encoder)?;
            self.resampler = Some(Resampler::new(frame, from, encoder)?);
        }
        // SAFETY: a decoded frame's plain fields; `extended_data` has a pointer for each plane.
        let (data, count) = unsafe { ((*f).extended_data.cast::<*const u8>(), (*f).nb_samples) };
        if let (Some(resampler), Ok(skip @ 1..)) = (&self.resampler, c_int::try_from(skip)) {
            // SAFETY: a valid resampler.
            let code = unsafe { ffi::swr_drop_output(resampler.context.as_ptr(), skip) };
            check(code, "drop samples")?;
        }
        self.convert(data, count, encoder)
    }

    /// Queues what the resampler still holds.
    pub(crate) fn drain(&mut self, encoder: &Codec) -> Result<(), Error> {
        if self.resampler.is_some() {
            self.convert(null_mut(), 0, encoder)?;
            self.resampler = None;
        }
        Ok(())
    }

    /// `data` must have what the resampler's input format says, or be null.
    fn convert(&mut self, data: *mut *const u8, count: c_int, encoder: &Codec) -> Result<(), Error> {
        let Some(resampler) = &self.resampler else {
            return Ok(());
        };
        let context = resampler.context.as_ptr();
        // SAFETY: a valid resampler.
        let room = check(unsafe { ffi::swr_get_out_samples(context, count) }, "resample")?;
        if room == 0 {
            return Ok(());
        }
        let out = Frame::samples(room, encoder)?;
        // SAFETY: the output has room for `room` samples in the encoder's form; the input is a frame in the form that the
        // resampler was made for, or null to drain.
        let code = unsafe { ffi::swr_convert(context, (*out.as_ptr()).extended_data, room, data, count) };
        let made = check(code, "resample")?;
        self.write(&out, made)
    }

    /// Queues silence.
    pub(crate) fn push_silence(&mut self, count: i64, encoder: &Codec) -> Result<(), Error> {
        let count = c_int::try_from(count).unwrap_or(c_int::MAX);
        if count <= 0 {
            return Ok(());
        }
        let silence = Frame::samples(count, encoder)?;
        let (f, context) = (silence.as_ptr(), encoder.as_ptr());
        // SAFETY: the frame has room for `count` samples in this format.
        unsafe {
            raw::av_samples_set_silence(
                (*f).extended_data,
                0,
                count,
                (*context).ch_layout.nb_channels,
                read_enum!((*context).sample_fmt),
            );
        }
        self.write(&silence, count)
    }

    /// Takes `count` samples out of the queue, which must hold them, as a frame for the encoder.
    pub(crate) fn take(&mut self, count: c_int, encoder: &Codec) -> Result<Frame, Error> {
        let frame = Frame::samples(count, encoder)?;
        self.read_into(&frame, count)?;
        Ok(frame)
    }

    fn read_into(&mut self, frame: &Frame, count: c_int) -> Result<c_int, Error> {
        // SAFETY: the frame has room for `count` samples in the queue's format.
        let code = unsafe {
            ffi::av_audio_fifo_read(
                self.queue.as_ptr(),
                (*frame.as_ptr()).extended_data.cast::<*mut c_void>(),
                count,
            )
        };
        check(code, "read samples")
    }

    fn write(&mut self, frame: &Frame, count: c_int) -> Result<(), Error> {
        // SAFETY: the frame holds at least `count` samples in the queue's format.
        let code = unsafe {
            ffi::av_audio_fifo_write(
                self.queue.as_ptr(),
                (*frame.as_ptr()).extended_data.cast::<*mut c_void>(),
                count,
            )
        };
        check(code, "queue samples").map(|_| ())
    }
}

impl Drop for Samples {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { ffi::av_audio_fifo_free(self.queue.as_ptr()) };
    }
}

impl Resampler {
    fn new(frame: &Frame, from: (c_int, c_int, c_int), encoder: &Codec) -> Result<Self, Error> {
        let (mut context, f, e) = (null_mut(), frame.as_ptr(), encoder.as_ptr());
        // SAFETY: a layout of zeros is a valid empty one.
        let mut layout: ffi::AVChannelLayout = unsafe { std::mem::zeroed() };
        // SAFETY: decoders may leave the order of the channels open (number 0); the usual one is taken then.
        let layout: *const ffi::AVChannelLayout = unsafe {
            if read_enum!((*f).ch_layout.order) == 0 {
                ffi::av_channel_layout_default(&raw mut layout, from.2);
                &raw const layout
            } else {
                &raw const (*f).ch_layout
            }
        };
        // SAFETY: valid layouts, which are copied, and plain numbers.
        let code = unsafe {
            raw::swr_alloc_set_opts2(
                &raw mut context,
                &raw const (*e).ch_layout,
                read_enum!((*e).sample_fmt),
                (*e).sample_rate,
                layout,
                from.0,
                from.1,
                0,
                null_mut(),
            )
        };
        let Some(context) = NonNull::new(context) else {
            check(code, "make a resampler")?;
            return Err(no_memory());
        };
        let this = Self { context, from };
        check(code, "make a resampler")?;
        // SAFETY: a resampler with its options set.
        check(unsafe { ffi::swr_init(context.as_ptr()) }, "make a resampler")?;
        Ok(this)
    }
}

impl Drop for Resampler {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: owned, freed once.
        unsafe { ffi::swr_free(&raw mut context) };
    }
}
