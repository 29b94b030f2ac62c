mod family;

use bytes::Bytes;

use super::{Change, Description, Stream, Unit, Units};
use crate::codec::annex_b::{SampleWriter, nal_units, prefixed, starts_with_start_code};
use crate::codec::{MAX_SET, h264, limit, malformed};
use crate::error::Result;

use family::Shape;
pub(super) use family::{Family, ParameterSets};

/// Parameter sets that one packet may bring: more than any standard allows to exist.
const MAX_SETS_IN_PACKET: usize = 32 + 256;

/// Bytes that may wait for their picture: some thousand captions.
const MAX_WAITING: usize = 256 << 10;

/// H.264 or HEVC: a stream of NAL units in either framing.
///
/// The caller's file has the sample entry of the first description (or of the one after the last
/// [`Change::Picture`]). Sets that came in band stay where they are, in HEVC too (`hvc1` wants them in the entry only, but
/// then no packet would equal what other recorders keep). Once they differ from the entry's, sets that came aside are put in
/// front of the pictures that decoding can start at.
///
/// A sample is an access unit with its picture (ISO/IEC 14496-15, 4.3.1). A packet without one, as some encoders send captions or
/// sets, and as a connection leaves that breaks behind a delimiter, becomes no sample: what belongs in front of a picture waits for
/// the next, the rest (delimiters, filler, ends of sequence) means nothing by itself.
#[derive(Debug)]
pub(super) struct NalStream {
    family: Family,
    framing: Framing,
    sets: ParameterSets,
    known: Option<(Description, Shape)>,
    /// The sets are no longer those of the caller's sample entry.
    diverged: bool,
    /// The last change of the sets came aside, not in band.
    out_of_band: bool,
    pending: Option<Change>,
    /// What came without a picture and belongs in front of the next.
    waiting: Vec<Bytes>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Framing {
    /// Start codes.
    AnnexB,
    /// Lengths of so many bytes.
    Prefixed(usize),
}

/// What the NAL units of one packet are.
#[derive(Debug, Default)]
struct Scan<'a> {
    sets: Vec<&'a [u8]>,
    picture: bool,
    random_access: bool,
    recovery: bool,
    units: usize,
}

impl NalStream {
    pub(super) fn new(family: Family, extradata: &Bytes) -> Result<Self> {
        let mut stream = Self {
            family,
            framing: Framing::AnnexB,
            sets: ParameterSets::default(),
            known: None,
            diverged: false,
            out_of_band: false,
            pending: None,
            waiting: Vec::new(),
        };
        stream.configure(extradata)?;
        Ok(stream)
    }

    /// Takes a decoder configuration in either form. Annex B without a usable set is no error: sets come in band too.
    fn configure(&mut self, extradata: &Bytes) -> Result<()> {
        if extradata.is_empty() {
            return Ok(());
        }
        if starts_with_start_code(extradata) {
            let sets: Vec<_> = nal_units(extradata)
                .filter(|nal| self.family.set_slot(nal).is_some())
                .collect();
            return match self.merge(&sets) {
                Ok(changed) => {
                    self.out_of_band |= changed;
                    Ok(())
                }
                Err(_) if self.known.is_none() => Ok(()),
                Err(error) => Err(error),
            };
        }
        let record = self.family.read_record(extradata)?;
        let framing = Framing::Prefixed(record.length_size);
        let reframed = self.known.is_some() && self.framing != framing;
        self.framing = framing;
        if reframed {
            // The sample entry tells the length's size, so it can't go on.
            self.known = None;
            self.note(Change::Picture);
        }
        let sets: Vec<_> = record.sets.iter().map(|set| &set[..]).collect();
        let fresh = self.known.is_none();
        self.out_of_band |= self.merge(&sets)?;
        if fresh && let Some((description, _)) = &mut self.known {
            description.setup = record.setup;
        }
        Ok(())
    }

    /// Takes the parameter sets `found` into the known ones; whether any was new.
    fn merge(&mut self, found: &[&[u8]]) -> Result<bool> {
        if found.len() > MAX_SETS_IN_PACKET {
            return Err(limit(format!(
                "{} {} parameter sets in one packet, at most {MAX_SETS_IN_PACKET} are taken",
                found.len(),
                self.family
            )));
        }
        let mut next = None;
        for set in found {
            if set.len() > MAX_SET {
                return Err(limit(format!(
                    "{} parameter set of {} bytes, at most {MAX_SET} are taken",
                    self.family,
                    set.len()
                )));
            }
            if !self.sets.contains(self.family, set) {
                next.get_or_insert_with(|| self.sets.clone())
                    .put(self.family, set)?;
            }
        }
        let Some(next) = next else {
            return Ok(false);
        };
        let mut only = ParameterSets::default();
        for set in found {
            only.put(self.family, set)?;
        }
        let length_size = match self.framing {
            Framing::AnnexB => 4,
            Framing::Prefixed(size) => size,
        };
        // The first SPS of the packet is the one in use from here on.
        let active = only.sps().first().or(next.sps().first()).cloned();
        let shape = active.map(|sps| self.family.shape(&sps)).transpose()?;
        let before = self.known.as_ref().map(|(_, shape)| *shape);
        if before.is_some() && before != shape {
            let sets = if only.is_complete(self.family) {
                only
            } else {
                next.with_sps_of(only)
            };
            self.known = self.family.describe(&sets, length_size)?;
            self.sets = sets;
            self.diverged = false;
            self.note(Change::Picture);
        } else {
            let known = self.family.describe(&next, length_size)?;
            self.sets = next;
            self.known = known;
            if before.is_some() {
                self.diverged = true;
                self.out_of_band = false;
                self.note(Change::Parameters);
            }
        }
        Ok(true)
    }

    fn note(&mut self, change: Change) {
        if self.pending != Some(Change::Picture) {
            self.pending = Some(change);
        }
    }

    /// Writes the sample anew, with the NAL units `front` before all but the delimiter.
    fn rewrite<'a>(
        &self,
        units: impl Iterator<Item = &'a [u8]>,
        size: usize,
        front: &[Bytes],
    ) -> Option<Bytes> {
        let length_size = match self.framing {
            Framing::AnnexB => 4,
            Framing::Prefixed(size) => size,
        };
        let mut writer = SampleWriter::new(size, length_size);
        let mut front = front.iter();
        for unit in units {
            if !self.family.is_delimiter(unit) {
                for unit in front.by_ref() {
                    writer.push(unit).then_some(())?;
                }
            }
            writer.push(unit).then_some(())?;
        }
        Some(writer.finish())
    }

    /// Keeps those of `units` that belong in front of a picture until one comes.
    fn wait<'a>(&mut self, units: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        let mut size: usize = self
            .waiting
            .iter()
            .map(|unit| unit.len() + size_of::<Bytes>())
            .sum();
        for unit in units.filter(|unit| self.family.goes_in_front(unit)) {
            size += unit.len() + size_of::<Bytes>();
            if size > MAX_WAITING {
                self.waiting.clear();
                return Err(limit(format!(
                    "{} packets with {size} bytes and no picture, at most {MAX_WAITING} wait for one",
                    self.family
                )));
            }
            self.waiting.push(Bytes::copy_from_slice(unit));
        }
        Ok(())
    }

    /// The sets that a decoder needs in front of what was scanned, which came aside.
    fn sets_in_front(&self, scan: &Scan<'_>) -> impl Iterator<Item = &Bytes> {
        let starts = scan.random_access || scan.recovery;
        let has_sps = scan
            .sets
            .iter()
            .any(|set| self.family.set_slot(set) == Some(ParameterSets::SPS));
        let needed = self.diverged && self.out_of_band && starts && !has_sps;
        self.sets.iter().filter(move |_| needed)
    }
}

impl<'a> Scan<'a> {
    fn see(&mut self, family: Family, nal: &'a [u8]) {
        self.units += 1;
        if family.set_slot(nal).is_some() {
            self.sets.push(nal);
        }
        self.picture |= family.is_picture(nal);
        self.random_access |= family.is_random_access(nal);
        self.recovery |=
            family == Family::H264 && h264::nal_type(nal) == h264::NAL_SEI && h264::is_recovery_point(nal);
    }

    fn sync(&self) -> Option<bool> {
        if self.random_access {
            Some(true)
        } else if self.recovery {
            None
        } else {
            Some(false)
        }
    }
}

impl Stream for NalStream {
    fn description(&self) -> Option<&Description> {
        self.known.as_ref().map(|(description, _)| description)
    }

    fn push(&mut self, data: Bytes, extradata: Option<Bytes>) -> Result<Units> {
        if let Some(extradata) = extradata {
            self.configure(&extradata)?;
        }
        let mut scan = Scan::default();
        // Some encoders announce avcC and send start codes all the same.
        let lengths = match self.framing {
            Framing::AnnexB => None,
            Framing::Prefixed(size) => {
                let intact = prefixed(&data, size).all(|unit| unit.is_some());
                (intact || !starts_with_start_code(&data)).then_some(size)
            }
        };
        let written = if let Some(size) = lengths {
            for unit in prefixed(&data, size) {
                let unit = unit.ok_or_else(|| {
                    malformed(format!(
                        "NAL unit {} of a {} packet leads beyond its end",
                        scan.units, self.family
                    ))
                })?;
                scan.see(self.family, unit);
            }
            Some(data.clone())
        } else {
            let units = nal_units(&data).inspect(|nal| scan.see(self.family, nal));
            self.rewrite(units, data.len(), &[])
        };
        if scan.units == 0 {
            return Err(malformed(format!(
                "{} packet of {} bytes without a NAL unit",
                self.family,
                data.len()
            )));
        }
        if self.merge(&scan.sets)? {
            self.out_of_band = false;
        }
        if self.known.is_none() {
            return Ok(Units::default());
        }
        if !scan.picture {
            match lengths {
                Some(size) => self.wait(prefixed(&data, size).flatten())?,
                None => self.wait(nal_units(&data))?,
            }
            return Ok(Units::default());
        }
        let waiting = std::mem::take(&mut self.waiting);
        for unit in &waiting {
            scan.see(self.family, unit);
        }
        let mut front: Vec<_> = self.sets_in_front(&scan).cloned().collect();
        front.extend_from_slice(&waiting);
        let size = front.iter().fold(data.len(), |size, unit| size + 4 + unit.len());
        let written = match lengths {
            _ if front.is_empty() => written,
            Some(length) => self.rewrite(prefixed(&data, length).flatten(), size, &front),
            None => self.rewrite(nal_units(&data), size, &front),
        };
        let sample = written.ok_or_else(|| {
            limit(format!(
                "{} packet of {} bytes has a NAL unit too long for its length field",
                self.family,
                data.len()
            ))
        })?;
        Ok(Units::one(Unit {
            data: sample,
            sync: scan.sync(),
            duration: None,
            changed: self.pending.take(),
        }))
    }
}
