//! WebVTT and SubRip as they are found: with any line ends, byte order marks, and encodings.

use super::{Captions, Cue};
use crate::error::{Error, ErrorKind, Result};
use crate::time::Millis;

/// Cues of one file: a day of two a second.
const MAX_CUES: usize = 200_000;

/// Bytes of a line with times: longer ones are none.
const MAX_TIMES: usize = 1024;

impl Captions {
    /// Whether the first bytes of a file are those of subtitles: `WEBVTT`, or a SubRip number or time.
    pub fn sniff(start: &[u8]) -> bool {
        let text = decode(start);
        let text = text.trim_start();
        let line = text.lines().next().unwrap_or_default();
        text.starts_with("WEBVTT")
            || line.contains("-->")
            || (!line.is_empty() && line.trim().bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Reads a subtitle file. Text is UTF-8 or, with a byte order mark, UTF-16; bytes that are no UTF-8 are taken as
    /// Latin-1.
    ///
    /// # Errors
    /// `Malformed` when there is neither a `WEBVTT` line nor a cue, `LimitExceeded` for more than 200 000 cues.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = decode(bytes);
        let vtt = text.starts_with("WEBVTT");
        let starts = starts(&text, vtt)?;
        if !vtt && starts.is_empty() {
            return Err(Error::new(
                ErrorKind::Malformed,
                "there is no cue and no WEBVTT line in it",
            ));
        }
        let header = match (vtt, starts.first()) {
            (true, Some(first)) => text.get(..first.from).unwrap_or_default().to_owned(),
            (true, None) => text.clone(),
            (false, _) => "WEBVTT\r\n\r\n".to_owned(),
        };
        let ends = starts.iter().skip(1).map(|next| next.from).chain([text.len()]);
        let cues = starts.iter().zip(ends).map(|(start, end)| Cue {
            start: start.times.0,
            end: start.times.1,
            id: start.id.to_owned(),
            settings: start.settings.to_owned(),
            text: text.get(start.text..end).unwrap_or_default().to_owned(),
        });
        Ok(Self {
            header,
            cues: cues.collect(),
        })
    }
}

/// The file as text whose lines end in a line feed.
fn decode(bytes: &[u8]) -> String {
    let text = decode_text(bytes);
    // Carriage returns alone are line ends too.
    if text.contains('\r') && !text.contains('\n') {
        return text.replace('\r', "\n");
    }
    text
}

fn decode_text(bytes: &[u8]) -> String {
    let wide = |rest: &[u8], read: fn([u8; 2]) -> u16| {
        let (units, _) = rest.as_chunks::<2>();
        String::from_utf16_lossy(&units.iter().map(|unit| read(*unit)).collect::<Vec<_>>())
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] | rest => match std::str::from_utf8(rest) {
            Ok(text) => text.to_owned(),
            Err(_) => rest.iter().map(|byte| char::from(*byte)).collect(),
        },
    }
}

/// Where a cue starts, and what its first lines say.
struct Start<'a> {
    /// The first byte of its identifier, or of its times.
    from: usize,
    /// The first byte of its text.
    text: usize,
    times: (Millis, Millis),
    id: &'a str,
    settings: &'a str,
}

/// The starts of all cues.
fn starts(text: &str, vtt: bool) -> Result<Vec<Start<'_>>> {
    let mut starts: Vec<Start<'_>> = Vec::new();
    // The two lines before the current one, each with where it starts.
    let mut before: [Option<(&str, usize)>; 2] = [None; 2];
    let mut at = 0;
    for whole in text.split_inclusive('\n') {
        let from = at;
        at += whole.len();
        let line = whole.trim_end_matches(['\n', '\r']);
        if let Some((times, settings)) = times(line) {
            if starts.len() >= MAX_CUES {
                let text = format!("more than {MAX_CUES} cues");
                return Err(Error::new(ErrorKind::LimitExceeded, text));
            }
            let [further, last] = before;
            // An identifier stands alone between a blank line and the times.
            let alone = further.is_none_or(|(line, _)| line.trim().is_empty());
            let id = last.filter(|(id, place)| !id.trim().is_empty() && alone && !(vtt && *place == 0));
            starts.push(Start {
                from: id.map_or(from, |(_, from)| from),
                text: at,
                times,
                id: id.map_or("", |(id, _)| id),
                // What SubRip has there are coordinates that WebVTT does not know.
                settings: if vtt { settings } else { "" },
            });
        }
        before = [before[1], Some((line, from))];
    }
    Ok(starts)
}

/// `00:01.000 --> 00:03.500 align:left`: the times, and what comes after them.
fn times(line: &str) -> Option<((Millis, Millis), &str)> {
    if line.len() > MAX_TIMES {
        return None;
    }
    let (start, rest) = line.split_once("-->")?;
    let rest = rest.trim_start();
    let (end, settings) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
    let times = (time(start.trim())?, time(end)?);
    Some((times, settings.trim_end()))
}

/// `[HH:]MM:SS.mmm`, a comma as SubRip writes it too.
fn time(text: &str) -> Option<Millis> {
    let (clock, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits)
    };
    let mut seconds = 0_u64;
    let mut parts = 0;
    for part in clock.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(number(part)?)?;
        parts += 1;
    }
    let digits = number(fraction)?;
    let ms = match fraction.len() {
        1 => digits * 100,
        2 => digits * 10,
        _ => fraction.get(..3).and_then(number)?,
    };
    (2..=3)
        .contains(&parts)
        .then(|| seconds.checked_mul(1000)?.checked_add(ms).map(Millis))?
}
