use super::*;
use crate::error::{Error, ErrorKind};

fn cursor(bytes: &[u8]) -> Cursor<'_> {
    Cursor::new(bytes, 1000, BoxPath::root(FourCc::MOOV))
}

#[test]
fn the_four_forms_of_a_header() {
    let small = BoxHeader::parse(b"\0\0\0\x10free....", 100).unwrap();
    assert_eq!((small.kind, small.header, small.size), (FourCc(*b"free"), 8, 16));

    let large = BoxHeader::parse(b"\0\0\0\x01mdat\0\0\0\x02\0\0\0\0", 100).unwrap();
    assert_eq!((large.header, large.size), (16, 2 << 32));

    let to_the_end = BoxHeader::parse(b"\0\0\0\0mdat", 100).unwrap();
    assert_eq!((to_the_end.header, to_the_end.size), (8, 100));

    let uuid = BoxHeader::parse(b"\0\0\0\x1cuuid0123456789abcdef....", 100).unwrap();
    assert_eq!((uuid.header, uuid.size), (24, 28));
    assert_eq!(uuid.uuid, Some(*b"0123456789abcdef"));
}

#[test]
fn a_size_below_the_header_is_refused() {
    for bytes in [
        &b"\0\0\0\x07free"[..],
        b"\0\0\0\x02free",
        b"\0\0\0\x01free\0\0\0\0\0\0\0\x0f",
        b"\0\0\0\x17uuid0123456789abcdef",
    ] {
        let error = BoxHeader::parse(bytes, 100).unwrap_err();
        assert!(matches!(error, BoxProblem::BadSize { .. }), "{error}");
    }
}

#[test]
fn an_error_says_the_path_and_the_absolute_offset() {
    let bytes = b"\0\0\0\x1ctrak\0\0\0\x14stts\0\0\0\0\0\0\0\x07\0\0\0\0";
    let mut moov = cursor(bytes);
    let mut trak = moov.next_box().unwrap().unwrap().numbered(1);
    let mut stts = trak.next_box().unwrap().unwrap();
    stts.full_box().unwrap();
    let count = stts.u32().unwrap();
    let error = stts.entries(count, 8).unwrap_err();
    assert_eq!(
        error.to_string(),
        "moov/trak[1]/stts at byte 1024: 7 entries need 56 bytes, 4 are left"
    );
    assert_eq!(Error::from(error).kind(), ErrorKind::Malformed);
    assert!(moov.next_box().unwrap().is_none());
}

#[test]
fn a_count_of_all_ones_does_not_overflow() {
    let mut stts = cursor(b"\0\0\0\0");
    let error = stts.entries(u32::MAX, usize::MAX).unwrap_err();
    assert!(matches!(error.problem, BoxProblem::ShortTable { .. }));
}

#[test]
fn a_box_may_not_leave_its_parent() {
    let mut moov = cursor(b"\0\0\0\x0ctrak");
    let error = moov.next_box().unwrap_err();
    assert_eq!(
        error.to_string(),
        "moov at byte 1000: box 'trak' says that it has 12 bytes, 8 are left"
    );
    let mut huge = cursor(b"\0\0\0\x01trak\xff\xff\xff\xff\xff\xff\xff\xff");
    assert!(matches!(
        huge.next_box().unwrap_err().problem,
        BoxProblem::Outside { .. }
    ));
}

#[test]
fn a_chain_of_nested_boxes_ends_at_the_limit() {
    let mut bytes = Vec::new();
    for depth in (1..=40_u32).rev() {
        bytes.extend_from_slice(&(depth * 8).to_be_bytes());
        bytes.extend_from_slice(b"meta");
    }
    let mut at = cursor(&bytes);
    let error = loop {
        match at.next_box() {
            Ok(Some(child)) => at = child,
            Ok(None) => panic!("the chain ended before the limit"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.problem, BoxProblem::TooDeep);
    assert_eq!(Error::from(error).kind(), ErrorKind::LimitExceeded);
}

#[test]
fn reading_beyond_the_end_of_memory_gives_less() {
    let bytes: &[u8] = b"0123456789";
    let mut buf = [0; 4];
    assert_eq!(bytes.read_full_at(&mut buf, 8).unwrap(), 2);
    assert_eq!(&buf[..2], b"89");
    assert_eq!(bytes.read_full_at(&mut buf, u64::MAX).unwrap(), 0);
}
