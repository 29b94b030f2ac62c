//! Mappings.

use super::*;

fn reason(json: &str) -> Option<Reason> {
    Set::parse(json.as_bytes()).err().map(|refusal| refusal.reason)
}

const FILE: &str = r#"{"type":"source","path":"/m/a.mp4"}"#;

fn with(before: &str) -> String {
    format!(r#"{{{before}"sequences":[{{"clips":[{FILE}]}}]}}"#)
}

#[test]
fn what_the_reference_answers_to_bad_mappings() {
    for (json, expected) in [
        ("", Reason::EmptyMapping),
        (" \n", Reason::EmptyMapping),
        (
            r#"{"sequences":[{"clips":[{"type":"source","path":""}]}]}"#,
            Reason::EmptyMapping,
        ),
        (r#"{"sequences":["#, Reason::BadMapping),
        ("[1,2]", Reason::BadMapping),
        (r#"{"foo":1}"#, Reason::BadMapping),
        (&with(r#""durations":[1000,2000],"#), Reason::BadMapping),
        (
            &with(r#""durations":[1000],"playlistType":"foo","#),
            Reason::BadMapping,
        ),
        (&with(r#""durations":[0],"#), Reason::BadMapping),
        (&with(r#""durations":[],"#), Reason::BadMapping),
        (&with(r#""segmentDuration":100,"#), Reason::BadMapping),
        (
            &with(r#""durations":[1000],"playlistType":"live","#),
            Reason::BadRequest,
        ),
        (
            r#"{"sequences":[{"clips":[{"type":"zzz","path":"x"}]}]}"#,
            Reason::BadRequest,
        ),
        (
            r#"{"sequences":[{"clips":[{"type":"silence"}]}]}"#,
            Reason::BadRequest,
        ),
        (r#"{"sequences":[]}"#, Reason::BadMapping),
        (r#"{"sequences":[{"clips":[]}]}"#, Reason::BadMapping),
        (r#"{"sequences":{}}"#, Reason::BadMapping),
    ] {
        assert_eq!(reason(json), Some(expected), "{json}");
    }
    assert_eq!(
        reason(&with(r#""playlistType":"foo","#)),
        None,
        "only looked at with durations"
    );
    let many = format!(
        r#"{{"sequences":[{}]}}"#,
        [r#"{"clips":[{"type":"source","path":"a"}]}"#; 33].join(",")
    );
    assert_eq!(reason(&many), Some(Reason::BadMapping));
}

#[test]
fn refusals_say_where() {
    let json =
        r#"{"sequences":[{"clips":[{"type":"source","path":"a"}]},{"clips":[{"type":"source","path":7}]}]}"#;
    let refusal = Set::parse(json.as_bytes()).unwrap_err();
    assert_eq!(refusal.detail, "sequence 2: clip 1: path is no text");
}

#[test]
fn a_single_file_is_plain_and_anything_more_is_not() {
    assert!(Set::parse(with("").as_bytes()).unwrap().plain);
    for more in [
        r#""segmentDuration":5000,"#,
        r#""clipFrom":1,"#,
        r#""durations":[5000],"#,
        r#""closedCaptions":[],"#,
    ] {
        assert!(!Set::parse(with(more).as_bytes()).unwrap().plain, "{more}");
    }
}

#[test]
fn everything_that_a_mapping_can_say() {
    let json = r#"{"id":"set","durations":[20000,15000],"discontinuity":false,"clipFrom":5,"clipTo":30000,"referenceClipIndex":1,
        "closedCaptions":[{"id":"CC1","label":"English","language":"eng","default":true}],
        "sequences":[{"id":"lo","language":"fr","label":"Le son","default":true,"bitrate":{"v":900000,"a":0},"avg_bitrate":{"a":5},
        "clips":[{"type":"source","path":"a.mp4","tracks":"v1-a2","clipFrom":7000,"keyFrameDurations":[2000,3000],"firstKeyFrameOffset":-10},
        {"type":"concat","basePath":"/m/","paths":["b","c"],"durations":[1,2],"offset":3}]}]}"#;
    let set = Set::parse(json.as_bytes()).unwrap();
    assert_eq!((set.id.as_deref(), set.reference_clip), (Some("set"), Some(0)));
    let timeline = set.timeline.unwrap();
    assert_eq!(
        (timeline.durations, timeline.discontinuity),
        (vec![Millis(20_000), Millis(15_000)], false)
    );
    assert_eq!(
        set.span,
        Span {
            from: Millis(5),
            to: Some(Millis(30_000))
        }
    );
    assert_eq!(set.closed_captions.unwrap()[0].default, Some(true));
    let sequence = &set.sequences[0];
    assert_eq!(
        sequence.language.map(|l| l.as_str().to_owned()),
        Some("fra".to_owned())
    );
    assert_eq!(
        (
            sequence.bitrate.video,
            sequence.bitrate.audio,
            sequence.average_bitrate.audio
        ),
        (Some(900_000), None, Some(5))
    );
    let first = &sequence.clips[0];
    assert_eq!(
        (first.tracks, first.from),
        (TrackMask { video: 1, audio: 2 }, Millis(7000))
    );
    assert_eq!(first.key_frames.as_ref().unwrap().first, -10);
    let ClipSource::Concat {
        paths,
        durations,
        offset,
    } = &sequence.clips[1].source
    else {
        panic!()
    };
    assert_eq!(
        (paths.join(" "), durations.len(), *offset),
        ("/m/b /m/c".to_owned(), 2, Millis(3))
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(json in r#"\{"(sequences|durations|clips)":[\[\]{}"a-z0-9,:.-]{0,40}\}?|.{0,30}"#) {
        let _ = Set::parse(json.as_bytes());
    }
}
