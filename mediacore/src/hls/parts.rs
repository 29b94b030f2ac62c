//! A recording of several parts as one [`Set`]: its manifest, read as a mapping.

use super::refusal::{Reason, Refusal};
use super::set::{Clip, MAX_CLIPS, Sequence, Set, Timeline};
use crate::record::manifest::Manifest;
use crate::time::Millis;

/// What the names of manifests end in.
pub const SUFFIX: &str = ".parts.json";

impl Set {
    /// The parts of the recording whose manifest is `json`, one after the other with a discontinuity between; their files are
    /// in `folder`. A part that is still being recorded is left out.
    ///
    /// # Errors
    /// `BadMapping` for what is no manifest, and for one without a finished part; `BadRequest` for more parts than a timeline
    /// has clips.
    pub fn of_parts(json: &[u8], folder: &str) -> Result<Self, Refusal> {
        let bad = |text: &str| Refusal::new(Reason::BadMapping, text);
        let manifest: Manifest =
            serde_json::from_slice(json).map_err(|_| bad("it is no manifest of a recording's parts"))?;
        let mut durations = Vec::new();
        let mut clips = Vec::new();
        for part in &manifest.parts {
            if part.file.is_empty() || part.file.contains(['/', '\0']) {
                return Err(bad("a part's name is no file name"));
            }
            let ms = part.duration_s.map_or(0.0, |seconds| (seconds * 1000.0).round());
            // Longer than any recording, and exact as a number.
            if (1.0..1e12).contains(&ms) {
                durations.push(Millis(ms as u64));
                clips.push(Clip::file(format!("{folder}/{}", part.file)));
            }
        }
        if clips.is_empty() {
            return Err(bad("no part of the recording is finished"));
        }
        if clips.len() > MAX_CLIPS {
            let text = format!("{} parts, where {MAX_CLIPS} can be played as one", clips.len());
            return Err(Refusal::bad_request(text));
        }
        Ok(Self {
            sequences: vec![Sequence {
                clips,
                ..Sequence::default()
            }],
            timeline: Some(Timeline {
                durations,
                discontinuity: true,
            }),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_parts_are_clips_with_a_discontinuity_between() {
        let json = r#"{"version":1,"parts":[{"file":"a.mp4","at_s":0,"duration_s":12.3456},{"file":"a.part2.mp4","at_s":20.0,"duration_s":5},
            {"file":"a.part3.mp4","at_s":30.0}]}"#;
        let set = Set::of_parts(json.as_bytes(), "/rec").unwrap();
        let timeline = set.timeline.unwrap();
        assert_eq!(timeline.durations, [Millis(12_346), Millis(5_000)]);
        assert!(timeline.discontinuity);
        assert_eq!(set.sequences[0].clips[1], Clip::file("/rec/a.part2.mp4"));
        for bad in [
            "",
            "[]",
            r#"{"version":1,"parts":[]}"#,
            r#"{"version":1,"parts":[{"file":"../x","at_s":0,"duration_s":1}]}"#,
            r#"{"version":1,"parts":[{"file":"x","at_s":0,"duration_s":1e300}]}"#,
        ] {
            assert_eq!(
                Set::of_parts(bad.as_bytes(), "/").unwrap_err().reason,
                Reason::BadMapping,
                "{bad}"
            );
        }
    }
}
