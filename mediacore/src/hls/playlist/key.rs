//! `EXT-X-KEY` (RFC 8216, 4.3.2.4).

use super::urls::{Base, push_sequence};
use super::{Context, text};
use crate::hls::options::{Container, Method};

/// What a playlist says of the key beside what the options tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Key<'a> {
    /// The fixed IV of fMP4. Whole-segment encryption prints it always, else `output_iv` asks for it. MPEG-TS takes each
    /// segment's number as its IV, which no playlist of one key line can tell, so it is never printed there.
    pub iv: Option<[u8; 16]>,
    /// The configured key URI with its variables filled in, in place of ours.
    pub uri: Option<&'a str>,
}

/// Appends the line; nothing when segments are in the clear.
pub(super) fn push(out: &mut String, context: &Context<'_>, container: Container, key: &Key<'_>) {
    let encryption = &context.options.encryption;
    out.push_str(match encryption.method {
        Method::None => return,
        Method::Aes128 => "#EXT-X-KEY:METHOD=AES-128,URI=",
        Method::SampleAes => "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=",
    });
    match key.uri {
        Some(uri) => text::quoted(out, uri),
        None => {
            out.push('"');
            Base::index(*context).push(out);
            out.push_str(&context.options.urls.names.key);
            if context.picked.sequences > 1
                && let Some(first) = context.picked.tracks.first()
            {
                push_sequence(out, context, first.sequence);
            }
            out.push_str(".key\"");
        }
    }
    let told = container == Container::Fmp4 && (encryption.method == Method::Aes128 || encryption.output_iv);
    if let Some(iv) = key.iv.filter(|_| told) {
        out.push_str(",IV=0x");
        text::hex(out, &iv);
    }
    for (name, value) in [
        (",KEYFORMAT=", &encryption.key_format),
        (",KEYFORMATVERSIONS=", &encryption.key_format_versions),
    ] {
        if let Some(value) = value {
            out.push_str(name);
            text::quoted(out, value);
        }
    }
    out.push('\n');
}
