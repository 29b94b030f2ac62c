//! Subtitles.

use super::*;

const SRT: &str = "1\n00:00:01,000 --> 00:00:03,500\nHello\n\n2\n00:00:09,000 --> 00:00:12,000\nAcross the <i>boundary</i>\n\n3\n00:00:20,000 --> 00:00:22,000\nLast\n";

const VTT: &str = "WEBVTT\n\nSTYLE\n::cue { color: white }\n\n1\n00:01.000 --> 00:03.500 align:left\nBonjour\n\n00:00:09.000 --> 00:00:12.000\nFrontiere\n\n00:00:20.000 --> 00:00:22.000\nFin\n";

fn segment(captions: &Captions, from: u64, to: u64) -> String {
    captions.segment(Millis(from)..Millis(to), Shift::default())
}

#[test]
fn segments_of_subrip_as_the_reference_writes_them() {
    let captions = Captions::parse(SRT.as_bytes()).unwrap();
    assert_eq!(captions.length(), Millis(22_000));
    assert_eq!(
        segment(&captions, 0, 10_000),
        "WEBVTT\r\n\r\n1\n00:00:01.000 --> 00:00:03.500\nHello\n\n2\n00:00:09.000 --> 00:00:12.000\nAcross the <i>boundary</i>\n\n"
    );
    assert_eq!(
        segment(&captions, 10_000, 20_000),
        "WEBVTT\r\n\r\n2\n00:00:09.000 --> 00:00:12.000\nAcross the <i>boundary</i>\n\n"
    );
    assert_eq!(
        segment(&captions, 20_000, 30_000),
        "WEBVTT\r\n\r\n3\n00:00:20.000 --> 00:00:22.000\nLast\n"
    );
}

#[test]
fn segments_of_webvtt_keep_styles_identifiers_and_settings() {
    let captions = Captions::parse(VTT.as_bytes()).unwrap();
    let head = "WEBVTT\n\nSTYLE\n::cue { color: white }\n\n";
    assert_eq!(
        segment(&captions, 0, 10_000),
        format!(
            "{head}1\n00:00:01.000 --> 00:00:03.500 align:left\nBonjour\n\n00:00:09.000 --> 00:00:12.000\nFrontiere\n\n"
        )
    );
    assert_eq!(segment(&captions, 13_000, 15_000), head);
}

#[test]
fn what_is_cut_off_the_front_moves_cues() {
    let captions = Captions::parse(SRT.as_bytes()).unwrap();
    let shift = Shift {
        earlier: Millis(5_000),
        later: Millis(100),
    };
    let text = captions.segment(Millis(15_000)..Millis(25_000), shift);
    assert!(text.ends_with("00:00:15.100 --> 00:00:17.100\nLast\n"), "{text}");
}

#[test]
fn any_encoding_and_line_end() {
    let crlf = SRT.replace('\n', "\r\n").replace("Hello", "Größe");
    let wide: Vec<u8> = [0xFEFF]
        .into_iter()
        .chain(crlf.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let latin: Vec<u8> = crlf
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    let marked = [b"\xEF\xBB\xBF", crlf.as_bytes()].concat();
    for bytes in [&wide, &latin, &marked] {
        let captions = Captions::parse(bytes).unwrap();
        assert!(Captions::sniff(&bytes[..12]));
        assert_eq!(captions.cues.len(), 3);
        assert_eq!(
            (captions.cues[0].text.as_str(), captions.cues[0].id.as_str()),
            ("Größe\r\n\r\n", "1")
        );
    }
}

#[test]
fn what_is_no_subtitle_is_refused() {
    for bytes in [
        &b""[..],
        b"hello",
        b"\0\0\0\x18ftypisom",
        b"1\nno times\n",
        &[0xFF, 0xFE, 0],
    ] {
        assert!(Captions::parse(bytes).is_err(), "{bytes:?}");
    }
    let returns = VTT.replace('\n', "\r");
    assert_eq!(Captions::parse(returns.as_bytes()).unwrap().cues.len(), 3);
    let many = format!("WEBVTT\n\n{}", "0:0-->9:9\n".repeat(200_001));
    assert_eq!(
        Captions::parse(many.as_bytes()).unwrap_err().kind(),
        crate::ErrorKind::LimitExceeded
    );
    assert!(!Captions::sniff(b"\0\0\0\x18ftypisom"));
    let hostile =
        "WEBVTT\n\n99999999999999999999:00.000 --> 1:2\n\n1:2:3:4.5 --> 0:01\n\n00:01.1 --> 00:02.25 x\n";
    let captions = Captions::parse(hostile.as_bytes()).unwrap();
    assert_eq!(captions.cues.len(), 1);
    assert_eq!(
        (captions.cues[0].start, captions.cues[0].end),
        (Millis(1_100), Millis(2_250))
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(text in "(WEBVTT)?([0-9:.,> -]{0,20}\n|.{0,8}\r?\n|\n){0,12}") {
        if let Ok(captions) = Captions::parse(text.as_bytes()) {
            segment(&captions, 0, 1_000_000);
        }
    }
}
