use std::convert::Infallible;

use futures_util::stream;

use super::*;
use crate::config::Values;
use crate::domain::status::{FileType, JobStatus, SourceType};
use crate::store::tests::stores;

struct Place {
    store: Store,
    uploads: Uploads,
    folders: Arc<Folders>,
    data: tempfile::TempDir,
    _database: tempfile::TempDir,
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/media"));
    fs::read(folder.join(name)).unwrap()
}

fn body(bytes: &[u8]) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin + Send {
    let pieces: Vec<_> = bytes.chunks(7000).map(Bytes::copy_from_slice).map(Ok).collect();
    stream::iter(pieces)
}

/// A body whose connection breaks after `bytes`.
fn broken(bytes: &[u8]) -> impl Stream<Item = Result<Bytes, ()>> + Unpin + Send {
    stream::iter(vec![Ok(Bytes::copy_from_slice(bytes)), Err(())])
}

impl Place {
    async fn all() -> Vec<Self> {
        let mut places = Vec::new();
        for (store, database) in stores().await {
            let data = tempfile::tempdir().unwrap();
            let folders = Arc::new(Folders::open(data.path(), &data.path().join("videos")).unwrap());
            let uploads = Self::uploads(&store, &folders);
            places.push(Self {
                store,
                uploads,
                folders,
                data,
                _database: database,
            });
        }
        places
    }

    fn uploads(store: &Store, folders: &Arc<Folders>) -> Uploads {
        let mut config = Config::of(&Values::defaults()).unwrap();
        config.min_free = 0;
        let events = Events::default();
        let jobs = Jobs::new(store, &events, folders, &Workers::here(), config.trash_life);
        Uploads::new(&config, store, &events, folders, &jobs, &Workers::here())
    }

    async fn begin(&self, name: &str, size: usize) -> Upload {
        let size = i64::try_from(size).unwrap();
        let begun = self
            .uploads
            .begin("chunks", name, size, 1 << 18, &About::default())
            .await;
        begun.unwrap()
    }

    /// Sends all chunks, the last first.
    async fn send(&self, name: &str, bytes: &[u8]) -> Upload {
        let upload = self.begin(name, bytes.len()).await;
        let mut chunks: Vec<_> = (0..).zip(bytes.chunks(1 << 18)).collect();
        chunks.reverse();
        for (index, chunk) in chunks {
            self.uploads.chunk(&upload.id, index, body(chunk)).await.unwrap();
        }
        upload
    }

    fn stored(&self) -> Vec<String> {
        let names = fs::read_dir(self.data.path().join("videos")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.contains('-') && !name.starts_with('.'))
            .collect()
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
    match result.unwrap_err() {
        Fault::BadRequest(text) | Fault::NotFound(text) | Fault::Conflict(text) | Fault::NoSpace(text) => {
            text
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn chunks_in_any_order_are_a_video_and_two_uploads_do_not_mix() {
    for place in Place::all().await {
        let bytes = fixture("av_h264_aac_faststart.mp4");
        let (one, two) = tokio::join!(place.send("One.mp4", &bytes), place.send("Two.mp4", &bytes));
        let about = About {
            title: Some("A title".to_owned()),
            ..About::default()
        };
        let first = place.uploads.complete(&one.id, Some(about)).await.unwrap();
        let second = place.uploads.complete(&two.id, None).await.unwrap();
        assert_eq!((first.title.as_str(), second.title.as_str()), ("A title", "Two"));
        for done in [&first, &second] {
            let path = place.folders.storage().join(&done.file_name);
            assert_eq!(fs::read(path).unwrap(), bytes);
            let video = place.store.video(done.video_id).await.unwrap().unwrap();
            assert_eq!(
                (video.source_type, video.file_type),
                (SourceType::Uploaded, FileType::Video)
            );
            assert!(video.duration_us.unwrap() > 1_000_000);
        }
        let again = place.uploads.complete(&one.id, None).await.unwrap();
        assert_eq!(again.video_id, first.video_id, "asked again it answers the same");
        let jobs = place.store.jobs(None).await.unwrap();
        assert!(jobs.iter().all(|job| job.kind == "thumbnail"), "nothing to remux");
        let (upload, chunks) = place.uploads.status(&one.id).await.unwrap();
        assert_eq!((upload.chunks, chunks), (0, vec![]));
        let late = place.uploads.chunk(&one.id, 0, body(&bytes[..1 << 18])).await;
        assert_eq!(refusal(late), "Upload task is UploadStatus.completed");
    }
}

#[tokio::test]
async fn a_chunk_counts_when_all_of_it_is_there() {
    for place in Place::all().await {
        let bytes = fixture("av_h264_aac_faststart.mp4");
        let upload = place.begin("a.mp4", bytes.len()).await;
        let id = upload.id.as_str();
        let chunk = &bytes[..1 << 18];
        let last = upload.total_chunks - 1;
        let send = async |index, bytes: &[u8]| place.uploads.chunk(id, index, body(bytes)).await;
        assert!(refusal(send(0, &chunk[1..]).await).contains("must have 262144"));
        assert!(refusal(send(0, &bytes[..(1 << 18) + 1]).await).contains("more than the 262144"));
        let cut = place.uploads.chunk(id, 0, broken(&chunk[..1000])).await;
        assert!(refusal(cut).contains("1000 bytes"));
        for index in [-1, last + 1] {
            assert_eq!(
                refusal(send(index, chunk).await),
                format!("Invalid chunk index. Must be 0-{last}")
            );
        }
        assert_eq!(place.uploads.status(id).await.unwrap().1, Vec::<i64>::new());
        assert_eq!(send(0, chunk).await.unwrap(), (1, upload.total_chunks));
        assert_eq!(
            send(0, chunk).await.unwrap(),
            (1, upload.total_chunks),
            "again is not another"
        );
        assert_eq!(
            refusal(place.uploads.complete(id, None).await),
            format!("Missing chunks. Uploaded: 1, Expected: {}", upload.total_chunks)
        );
        // What is written over by half is not there any more.
        let _ = place.uploads.chunk(id, 0, broken(&chunk[..1000])).await;
        assert_eq!(place.uploads.status(id).await.unwrap().0.chunks, 0);
        assert_eq!(
            refusal(place.uploads.chunk("x", 0, body(chunk)).await),
            "Upload task not found"
        );
        place.uploads.remove(id, "chunks").await.unwrap();
        assert_eq!(
            refusal(place.uploads.remove(id, "chunks").await),
            "Upload task not found"
        );
        assert_eq!(
            fs::read_dir(place.folders.storage().join("temp"))
                .unwrap()
                .count(),
            0
        );
    }
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart_also_one_that_ended_in_the_middle_of_completing() {
    for mut place in Place::all().await {
        let bytes = fixture("av_h264_aac_faststart.mp4");
        let upload = place.begin("a.mp4", bytes.len()).await;
        let chunks: Vec<_> = (0..).zip(bytes.chunks(1 << 18)).collect();
        let (before, after) = chunks.split_at(2);
        for (index, chunk) in before {
            place
                .uploads
                .chunk(&upload.id, *index, body(chunk))
                .await
                .unwrap();
        }
        place.uploads = Place::uploads(&place.store, &place.folders);
        assert_eq!(place.uploads.status(&upload.id).await.unwrap().1, [0, 1]);
        for (index, chunk) in after {
            place
                .uploads
                .chunk(&upload.id, *index, body(chunk))
                .await
                .unwrap();
        }
        // The server ended between the rename and the rows.
        place
            .store
            .set_upload_target(&upload.id, "0-x.mp4")
            .await
            .unwrap();
        let temporary = place.uploads.temporary(&upload.id);
        fs::rename(temporary, place.folders.storage().join("0-x.mp4")).unwrap();
        place.uploads = Place::uploads(&place.store, &place.folders);
        let done = place.uploads.complete(&upload.id, None).await.unwrap();
        assert_eq!(done.file_name, "0-x.mp4");
        assert_eq!(place.stored(), ["0-x.mp4"]);
    }
}

#[tokio::test]
async fn what_it_is_decides_and_not_its_name() {
    for place in Place::all().await {
        let html = b"<!DOCTYPE html><html><script>alert(1)</script></html>".repeat(100);
        let mut elf = b"\x7fELF\x02\x01\x01\0".repeat(1000);
        elf.extend(vec![0x55; 50_000]);
        let cut = fixture("av_h264_aac_moov_last.mp4")[..400_000].to_vec();
        for (name, bytes) in [
            ("page.mp4", html.clone()),
            ("page.mp3", html.clone()),
            ("page.ts", html.clone()),
            ("page.aac", html),
            ("program.mp4", elf.clone()),
            ("program.mp3", elf),
            ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n".to_vec()),
            ("zero.wav", vec![0; 300_000]),
            ("cut.mp4", cut),
        ] {
            let upload = place.send(name, &bytes).await;
            let why = refusal(place.uploads.complete(&upload.id, None).await);
            assert!(why.starts_with("The file is not taken: "), "{name}: {why}");
            let (upload, _) = place.uploads.status(&upload.id).await.unwrap();
            assert_eq!(upload.status, UploadStatus::Failed, "{name}");
            assert_eq!(upload.error_message, Some(why));
        }
        assert_eq!(place.stored(), Vec::<String>::new());
        assert_eq!(
            fs::read_dir(place.folders.storage().join("temp"))
                .unwrap()
                .count(),
            0
        );
        let upload = place.send("really.mp4", &fixture("audio_mp3.mp3")).await;
        let done = place.uploads.complete(&upload.id, None).await.unwrap();
        assert!(done.file_name.ends_with(".mp3"));
        let video = place.store.video(done.video_id).await.unwrap().unwrap();
        assert_eq!(video.file_type, FileType::Audio);
    }
}

#[tokio::test]
async fn kinds_and_sizes_have_limits() {
    let place = Place::all().await.remove(0);
    let begin = async |name: &str, size: i64| {
        let about = About::default();
        refusal(place.uploads.begin("chunks", name, size, 5 << 20, &about).await)
    };
    assert_eq!(
        begin("a.exe", 1).await,
        "File type not allowed. Allowed: .mp4, .mov, .mkv, .webm, .ts, .flv, .avi, .mp3, .wav, .aac, .flac, .m4a"
    );
    assert_eq!(
        begin("a.MP4", (10 << 30) + 1).await,
        "Video file too large. Max: 10GB"
    );
    assert_eq!(
        begin("a.mp3", (1 << 30) + 1).await,
        "Audio file too large. Max: 1GB"
    );
    let about = About::default();
    for (name, size) in [("", 1), ("a.mp4", 0), ("a.mp4", -1)] {
        let refused = place.uploads.begin("chunks", name, size, 5 << 20, &about).await;
        assert!(matches!(refused, Err(Fault::Invalid(_))), "{name} {size}");
    }
    let small = place
        .uploads
        .begin("chunks", "../../a.mp4", 1 << 20, 1, &about)
        .await
        .unwrap();
    assert_eq!(
        (small.file_name.as_str(), small.chunk_size, small.total_chunks),
        ("a.mp4", 64 << 10, 16)
    );
    let mut config = Config::of(&Values::defaults()).unwrap();
    config.min_free = u64::MAX;
    let events = Events::default();
    let jobs = Jobs::new(
        &place.store,
        &events,
        &place.folders,
        &Workers::here(),
        config.trash_life,
    );
    let full = Uploads::new(
        &config,
        &place.store,
        &events,
        &place.folders,
        &jobs,
        &Workers::here(),
    );
    let refused = full.begin("chunks", "a.mp4", 1 << 20, 1, &about).await;
    assert!(refusal(refused).starts_with("Not enough disk space"));
}

#[tokio::test]
async fn every_kind_of_media_is_taken_and_what_is_no_mp4_becomes_one() {
    for place in Place::all().await {
        let stop = watch::channel(false).0;
        let worker = tokio::spawn(place.uploads.0.jobs.clone().run(2, stop.subscribe()));
        for (name, end) in [
            ("av_h264_aac.mkv", "mp4"),
            ("av_h264_aac.ts", "mp4"),
            ("av_h264_aac.flv", "mp4"),
            ("av_vp9_opus.webm", "mp4"),
            ("av_h264_aac_moov_last.mp4", "mp4"),
            ("av_h264_aac_fragmented.mp4", "mp4"),
            ("audio_mp3.mp3", "mp3"),
            ("audio_flac.flac", "flac"),
            ("audio_aac.m4a", "m4a"),
        ] {
            let upload = place.send(name, &fixture(name)).await;
            let done = place.uploads.complete(&upload.id, None).await.unwrap();
            for _ in 0..200 {
                let jobs = place.store.jobs(None).await.unwrap();
                let row = place.store.video(done.video_id).await.unwrap().unwrap();
                let pictured = row.thumbnail.is_some() == (end == "mp4");
                if pictured && jobs.iter().all(|job| job.status == JobStatus::Completed) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let video = place.store.video(done.video_id).await.unwrap().unwrap();
            assert!(video.file_name.ends_with(end), "{name}: {}", video.file_name);
            let path = place.folders.storage().join(&video.file_name);
            let report = mediacore::probe::probe(&path, &mediacore::source::Interrupt::new()).unwrap();
            assert!(crate::service::jobs::is_good(&report), "{name}");
            assert_eq!(video.file_size, report.size.map(to_bytes), "{name}");
            assert_eq!(video.thumbnail.is_some(), end == "mp4", "{name}");
        }
        for _ in 0..100 {
            // Files follow their rows.
            if place.stored().len() == 9 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(place.stored().len(), 9, "replaced files are gone");
        stop.send_replace(true);
        worker.await.unwrap();
    }
}

#[tokio::test]
async fn tus_goes_on_where_it_broke() {
    for place in Place::all().await {
        let bytes = fixture("av_h264_aac_faststart.mp4");
        let size = i64::try_from(bytes.len()).unwrap();
        let about = About {
            title: Some("By tus".to_owned()),
            ..About::default()
        };
        let upload = place
            .uploads
            .begin("tus", "a.mp4", size, 5 << 20, &about)
            .await
            .unwrap();
        let id = upload.id.as_str();
        let half = bytes.len() / 2;
        let cut = place.uploads.append(id, 0, None, broken(&bytes[..half])).await;
        assert!(cut.is_err());
        let at = place.uploads.offset(id).await.unwrap().received;
        assert_eq!(at, i64::try_from(half).unwrap(), "what came counts");
        let wrong = place.uploads.append(id, 0, None, body(&bytes)).await;
        assert!(matches!(wrong, Err(Fault::Conflict(_))));
        let sum = Checksum::parse("sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=").unwrap();
        let wrong = place
            .uploads
            .append(id, at, Some(sum), body(&bytes[half..]))
            .await
            .unwrap();
        assert!(matches!(wrong, Appended::WrongSum));
        assert_eq!(place.uploads.offset(id).await.unwrap().received, at);
        let done = place
            .uploads
            .append(id, at, None, body(&bytes[half..]))
            .await
            .unwrap();
        let Appended::Offset {
            completed: Some(done),
            ..
        } = done
        else {
            panic!("{done:?}");
        };
        assert_eq!(done.title, "By tus");
        assert_eq!(
            fs::read(place.folders.storage().join(done.file_name)).unwrap(),
            bytes
        );
        let again = place.uploads.append(id, size, None, body(&[])).await.unwrap();
        assert!(
            matches!(again, Appended::Offset { completed: Some(again), .. } if again.video_id == done.video_id)
        );
    }
}

#[tokio::test]
async fn what_nobody_goes_on_with_is_removed() {
    for mut place in Place::all().await {
        let kept = place.begin("a.mp4", 100).await;
        let inner = Arc::get_mut(&mut place.uploads.0).unwrap();
        inner.life = Duration::ZERO;
        let old = place.begin("b.mp4", 100).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(place.uploads.sweep_once().await.unwrap(), 1);
        assert!(place.uploads.status(&old.id).await.is_err());
        assert!(place.uploads.status(&kept.id).await.is_ok());
        assert_eq!(
            fs::read_dir(place.folders.storage().join("temp"))
                .unwrap()
                .count(),
            1
        );
    }
}
