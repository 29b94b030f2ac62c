//! The grammar of file names.

use super::{Name, Selector, SequenceName, What};
use crate::codec::Language;
use crate::hls::language;
use crate::hls::options::{Container, Names};
use crate::hls::refusal::Refusal;
use crate::hls::set::{MAX_SEQUENCES, TrackMask};

/// Bytes of the longest file name.
const MAX_NAME: usize = 1024;

/// Sequences that one name may give by id.
const MAX_IDS: usize = 4;

/// Track lists that one name may have.
const MAX_LISTS: usize = 2;

impl Name {
    /// Reads a file name such as `seg-3-v1-a1.ts`, decoded, with the location's prefixes.
    ///
    /// # Errors
    /// `BadRequest` for a name that is none of ours, and for what can't be read of one.
    pub fn parse(name: &str, names: &Names) -> Result<Self, Refusal> {
        if name.len() > MAX_NAME {
            return Err(Refusal::bad_request("a file name that is too long"));
        }
        let between = |prefix: &str, suffix: &str| name.strip_prefix(prefix)?.strip_suffix(suffix);
        let segment = |container| move |rest| (What::Segment { container, number: 0 }, rest);
        let found = between(&names.segment, ".ts")
            .map(segment(Container::Ts))
            .or_else(|| between(&names.segment, ".m4s").map(segment(Container::Fmp4)))
            .or_else(|| between(&names.segment, ".vtt").map(segment(Container::Vtt)))
            .or_else(|| between(&names.index, ".m3u8").map(|rest| (What::Index, rest)))
            .or_else(|| between(&names.iframes, ".m3u8").map(|rest| (What::Iframes, rest)))
            .or_else(|| between(&names.master, ".m3u8").map(|rest| (What::Master, rest)))
            .or_else(|| between(&names.key, ".key").map(|rest| (What::Key, rest)))
            .or_else(|| between(&names.init, ".mp4").map(|rest| (What::Init { clip: None }, rest)));
        let Some((what, rest)) = found else {
            return Err(Refusal::bad_request(format!(
                "{name:?} names nothing that is served here"
            )));
        };
        let mut parser = Parser { rest };
        let parsed = parser.parse(what);
        match parsed {
            Some(parsed) if parser.rest.is_empty() || parser.rest == "-" => Ok(parsed),
            Some(_) => Err(Refusal::bad_request(format!(
                "{name:?}: what does {:?} mean?",
                parser.rest
            ))),
            None => Err(Refusal::bad_request(format!(
                "{name:?} can't be read from {:?} on",
                parser.rest
            ))),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// `None` leaves `rest` at what can't be read.
    fn parse(&mut self, mut what: What) -> Option<Name> {
        let mut pts_delay = 0;
        let mut version = 1;
        match &mut what {
            What::Segment { number, .. } => {
                self.dash();
                *number = self.positive()?.wrapping_sub(1);
                if let Some(more) = self.numbered("i")? {
                    *number = number.wrapping_add(more);
                }
            }
            What::Init { clip } => {
                if let Some(number) = self.numbered("c")? {
                    *clip = Some(number.wrapping_sub(1));
                }
            }
            _ => {}
        }
        let selectors = self.selectors()?;
        if let Some(ticks) = self.numbered("p")? {
            pts_delay = ticks;
        }
        let mut languages = Vec::new();
        while self.token("l") {
            languages.push(self.language()?);
        }
        if let Some(number) = self.numbered("x")? {
            version = number;
        }
        Some(Name {
            what,
            selectors,
            pts_delay,
            languages,
            version,
        })
    }

    fn dash(&mut self) {
        self.rest = self.rest.strip_prefix('-').unwrap_or(self.rest);
    }

    /// Whether `letter` is next, a dash in front of it or not; then it is taken.
    fn token(&mut self, letter: &str) -> bool {
        let rest = self.rest.strip_prefix('-').unwrap_or(self.rest);
        match rest.strip_prefix(letter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Digits as a number modulo 2³²; `None` when there are none.
    fn number(&mut self) -> Option<u32> {
        let digits = self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = self
            .rest
            .split_at_checked(digits)
            .filter(|(number, _)| !number.is_empty())?;
        self.rest = rest;
        Some(number.bytes().fold(0_u32, |value, digit| {
            value.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'))
        }))
    }

    fn positive(&mut self) -> Option<u32> {
        let before = self.rest;
        let number = self.number().filter(|number| *number > 0);
        if number.is_none() {
            self.rest = before;
        }
        number
    }

    /// An optional token with a number of at least 1: outer `None` when the number is missing.
    fn numbered(&mut self, letter: &str) -> Option<Option<u32>> {
        if self.token(letter) {
            return self.positive().map(Some);
        }
        Some(None)
    }

    fn language(&mut self) -> Option<Language> {
        let (code, rest) = self.rest.split_at_checked(3)?;
        let language = language::known(code)?;
        self.rest = rest;
        Some(language)
    }

    fn selectors(&mut self) -> Option<Vec<Selector>> {
        let mut selectors = Vec::new();
        let (mut ids, mut lists) = (0, 0);
        loop {
            let sequence = if self.token("f") {
                let place = self
                    .positive()
                    .filter(|place| usize::try_from(*place).is_ok_and(|place| place <= MAX_SEQUENCES))?;
                Some(SequenceName::Place(place - 1))
            } else if self.token("s") {
                ids += 1;
                if ids > MAX_IDS {
                    return None;
                }
                let end = self.rest.find('-').unwrap_or(self.rest.len());
                let (id, rest) = self.rest.split_at_checked(end)?;
                self.rest = rest;
                Some(SequenceName::Id(id.to_owned()))
            } else if selectors.is_empty() {
                None
            } else {
                return Some(selectors);
            };
            let tracks = self.tracks();
            if tracks.is_some() {
                lists += 1;
                if lists > MAX_LISTS {
                    return None;
                }
            }
            match (&sequence, &tracks) {
                (None, None) => return Some(selectors),
                (None, Some(_)) => {
                    selectors.push(Selector { sequence, tracks });
                    return Some(selectors);
                }
                (Some(_), _) => selectors.push(Selector { sequence, tracks }),
            }
        }
    }

    /// `v1-a1`: each kind any number of times, in any order; `None` when there is none.
    fn tracks(&mut self) -> Option<TrackMask> {
        let mut mask = None;
        loop {
            let video = self.token("v");
            if !video && !self.token("a") {
                return mask;
            }
            let bits = track_bits(self.number().unwrap_or(0));
            let mask = mask.get_or_insert(TrackMask::NONE);
            if video {
                mask.video |= bits;
            } else {
                mask.audio |= bits;
            }
        }
    }
}

/// Track `number` as a bit, 0 as all of them; a number that no mask holds as none.
fn track_bits(number: u32) -> u64 {
    match number {
        0 => u64::MAX,
        1..=64 => 1 << (number - 1),
        _ => 0,
    }
}

impl TrackMask {
    /// Reads a list such as `v1-a1`: the tracks of a mapping or of a path parameter.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text };
        let mask = parser.tracks()?;
        parser.rest.is_empty().then_some(mask)
    }
}
