//! The segment's time as an ID3 tag (ID3v2.4; HLS calls it timed metadata).

/// A tag with one text frame: `text`, or the time in milliseconds and the sequence's id as JSON.
pub(super) fn tag(text: Option<&str>, time: u64, sequence: Option<&str>) -> Vec<u8> {
    let told = || match sequence {
        Some(id) => {
            let id = serde_json::Value::from(id);
            format!(r#"{{"timestamp":{time},"sequenceId":{id}}}"#)
        }
        None => format!(r#"{{"timestamp":{time}}}"#),
    };
    let text = text.map_or_else(told, str::to_owned);
    // The encoding and the zero at the end belong to the frame.
    let frame = text.len() + 2;
    let mut out = b"ID3\x04\0\0".to_vec();
    out.extend(synchsafe(frame + 10));
    out.extend(b"TEXT");
    out.extend(synchsafe(frame));
    out.extend([0, 0, 3]);
    out.extend(text.as_bytes());
    out.push(0);
    out
}

/// A length as ID3 writes it: seven bits a byte.
fn synchsafe(length: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| u8::try_from(length >> shift & 127).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_its_header_and_one_text_frame() {
        let tag = tag(None, 20_000, Some("a"));
        let text = br#"{"timestamp":20000,"sequenceId":"a"}"#;
        assert_eq!(tag.len(), 21 + text.len() + 1);
        assert_eq!(&tag[..10], b"ID3\x04\0\0\0\0\0\x30");
        assert_eq!(&tag[10..21], b"TEXT\0\0\0\x26\0\0\x03");
        assert_eq!(&tag[21..tag.len() - 1], text);
        let quoted = super::tag(None, 1, Some("\""));
        assert!(quoted.ends_with(b"{\"timestamp\":1,\"sequenceId\":\"\\\"\"}\0"));
        let long = super::tag(Some(&"x".repeat(200)), 0, None);
        assert_eq!(&long[..10], b"ID3\x04\0\0\0\0\x01\x54");
    }
}
