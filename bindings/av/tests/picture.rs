//! One picture out of a video.

mod support;

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use av::{ErrorKind, Input, Interrupt, OpenOptions, Picture, PictureFormat};
use support::{Media, text};

fn open(path: &Path) -> Input {
    let options = OpenOptions {
        protocols: "file".to_owned(),
        ..OpenOptions::default()
    };
    let mut input = Input::open_url(text(path), &options, &Interrupt::new()).expect("opens");
    input.find_stream_info(Duration::from_secs(1)).expect("streams");
    input
}

fn size(bytes: &[u8], format: &str) -> (String, u32, u32) {
    let options = OpenOptions {
        format: Some(format.to_owned()),
        ..OpenOptions::default()
    };
    let reader = Box::new(Cursor::new(bytes.to_vec()));
    let mut input = Input::open_seekable(reader, &options, &Interrupt::new()).expect("opens again");
    input.find_stream_info(Duration::from_secs(1)).expect("streams");
    let stream = input.stream(0).expect("a picture");
    (stream.codec, stream.width, stream.height)
}

#[test]
fn a_picture_becomes_a_jpeg_and_a_png_of_the_right_size() {
    let media = Media::new();
    let path = media.video("a.mp4", "");
    let interrupt = Interrupt::new();
    for (width, rotation, jpeg, png) in [
        (None, 0, (160, 90), (160, 90)),
        (Some(64), 0, (64, 36), (64, 36)),
        (Some(45), 90, (46, 80), (45, 80)),
        (None, 270, (90, 160), (90, 160)),
        (Some(1), 180, (2, 2), (1, 1)),
    ] {
        let picture = || Picture::decode_at(&mut open(&path), 0, None, &interrupt).expect("a picture");
        let bytes = picture()
            .encode(PictureFormat::Jpeg, width, rotation)
            .expect("a JPEG");
        assert_eq!(size(&bytes, "jpeg_pipe"), ("mjpeg".to_owned(), jpeg.0, jpeg.1));
        let bytes = picture()
            .encode(PictureFormat::Png, width, rotation)
            .expect("a PNG");
        assert_eq!(size(&bytes, "png_pipe"), ("png".to_owned(), png.0, png.1));
    }
    let picture = Picture::decode_at(&mut open(&path), 0, None, &interrupt).expect("a picture");
    let error = picture
        .encode(PictureFormat::Png, Some(20_000), 0)
        .expect_err("too wide");
    assert_eq!(error.kind, ErrorKind::LimitExceeded);
    let missing = Picture::decode_at(&mut open(&path), 9, None, &interrupt).expect_err("no such stream");
    assert_eq!(missing.kind, ErrorKind::NotFound);
}

#[test]
fn the_picture_is_the_one_shown_at_that_time() {
    let media = Media::new();
    for name in ["a.mp4", "a.ts", "a.mkv"] {
        let path = media.video(name, "");
        for (at, want) in [(0, 0), (500, 500), (1510, 1480), (1999, 1960), (60_000, 1960)] {
            let at = Some(Duration::from_millis(at));
            let picture = Picture::decode_at(&mut open(&path), 0, at, &Interrupt::new()).expect(name);
            let time = picture.time().expect("a time");
            // Containers differ in where the first timestamp is, by an encoder's delay.
            assert!(
                time.abs_diff(Duration::from_millis(want)) <= Duration::from_millis(45),
                "{name} {at:?} {time:?}"
            );
        }
    }
}

#[test]
fn pixels_that_are_not_square_are_stretched_and_turned_right() {
    let media = Media::new();
    // Left half red, right half blue, pixels twice as wide as high.
    let path = media.make(
        "a.mp4",
        "-f lavfi -i color=red:s=32x64:r=25:d=0.2 -f lavfi -i color=blue:s=32x64:r=25:d=0.2 \
         -filter_complex hstack,setsar=2 -c:v libx264 -pix_fmt yuv420p",
    );
    let interrupt = Interrupt::new();
    let png = |width, rotation| {
        let picture = Picture::decode_at(&mut open(&path), 0, None, &interrupt).expect("a picture");
        picture
            .encode(PictureFormat::Png, width, rotation)
            .expect("a PNG")
    };
    assert_eq!(size(&png(None, 0), "png_pipe"), ("png".to_owned(), 128, 64));
    let turned = media.path("turned.png");
    std::fs::write(&turned, png(None, 90)).expect("written");
    let raw = media.make(
        "raw.rgb",
        &format!("-i {} -f rawvideo -pix_fmt rgb24", text(&turned)),
    );
    let pixels = std::fs::read(raw).expect("pixels");
    assert_eq!(pixels.len(), 64 * 128 * 3);
    // Turned clockwise, the left half is on top.
    let (top, bottom) = (&pixels[..3], &pixels[pixels.len() - 3..]);
    assert!(
        top[0] > 200 && top[2] < 60 && bottom[2] > 200 && bottom[0] < 60,
        "{top:?} {bottom:?}"
    );
}

#[test]
fn a_cancelled_search_says_so() {
    let media = Media::new();
    let mut input = open(&media.video("a.mp4", ""));
    let interrupt = Interrupt::new();
    interrupt.cancel();
    let error = Picture::decode_at(&mut input, 0, Some(Duration::ZERO), &interrupt).expect_err("cancelled");
    assert_eq!(error.kind, ErrorKind::Cancelled);
}
