//! Layouts, slices and readers.

use super::*;

/// Makes its own offsets, a byte each, in steps of three.
#[derive(Debug)]
struct Count(u64);

struct Counting(Range<u64>);

impl Make for Count {
    fn length(&self) -> u64 {
        self.0
    }

    fn open(self: Arc<Self>, range: Range<u64>) -> Box<dyn Producer> {
        Box::new(Counting(range))
    }
}

impl Producer for Counting {
    fn fill(&mut self, out: &mut Vec<u8>, room: usize, _: Wait) -> Result<Filled> {
        let step: Vec<u8> = self.0.by_ref().take(room.min(3)).map(|at| at as u8).collect();
        out.extend(&step);
        Ok(if step.is_empty() {
            Filled::End
        } else {
            Filled::More
        })
    }
}

fn sample() -> (Layout, Vec<u8>) {
    let file: Arc<dyn Source> = Arc::new(Bytes::from_static(b"0123456789"));
    let mut layout = Layout::new();
    layout.push_bytes(&b"head"[..]);
    layout.push_file(&file, 2..4);
    layout.push_file(&file, 4..7);
    layout.push_made(Arc::new(Count(11)));
    layout.push_bytes(Bytes::new());
    layout.push_bytes(&b"tail"[..]);
    let mut whole = b"head23456".to_vec();
    whole.extend(0..11);
    whole.extend(b"tail");
    (layout, whole)
}

#[test]
fn every_slice_gives_the_bytes_of_the_whole_in_buffers_of_any_size() {
    let (layout, whole) = sample();
    assert_eq!(layout.pieces().len(), 4, "{layout:?}");
    assert_eq!(layout.length(), whole.len() as u64);
    for start in 0..=whole.len() {
        for end in start..=whole.len() + 2 {
            let slice = layout.slice(start as u64..end as u64);
            let expected = &whole[start..end.min(whole.len())];
            assert_eq!(slice.length(), expected.len() as u64);
            for room in [1, 4, 100] {
                let (mut reader, mut got) = (slice.reader(), Vec::new());
                loop {
                    let before = got.len();
                    let filled = reader.fill(&mut got, room, Wait::Yes).unwrap();
                    assert!(got.len() - before <= room);
                    if filled == Filled::End {
                        break;
                    }
                }
                assert_eq!(got, expected, "{start}..{end} by {room}");
            }
        }
    }
    assert_eq!(
        layout.to_bytes(23).unwrap_err().kind(),
        crate::ErrorKind::LimitExceeded
    );
}

#[test]
fn a_buffer_that_was_used_before_shows_nothing_old() {
    let (layout, whole) = sample();
    for size in [1, 4, 100] {
        let (mut reader, mut buffer, mut got) = (layout.reader(), Buffer::new(size), Vec::new());
        loop {
            buffer.clear();
            if reader.fill_buffer(&mut buffer, size, Wait::Yes).unwrap() == Filled::End {
                break;
            }
            assert!(buffer.filled().len() <= size);
            got.extend_from_slice(buffer.filled());
        }
        assert_eq!(got, whole, "by {size}");
        assert!(buffer.filled().is_empty());
    }
}

#[test]
fn a_file_that_shrank_is_an_error_and_not_zeros() {
    let file: Arc<dyn Source> = Arc::new(Bytes::from_static(b"0123456789"));
    let mut layout = Layout::new();
    layout.push_file(&file, 5..15);
    let error = layout.to_bytes(100).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Storage, "{error:?}");
}

#[test]
fn what_is_in_the_page_cache_is_read_without_waiting() {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &[7; 5000]).unwrap();
    let source = FileSource::new(file, 5000);
    let mut buf = [0; 5000];
    // Just written, so in memory; a file system that can't tell answers that it would have to wait.
    if source.read_full(&mut buf, 0, Wait::No).unwrap().is_some() {
        assert_eq!(buf, [7; 5000]);
    }
    assert!(source.read_full(&mut buf, 1, Wait::Yes).is_err());
}
