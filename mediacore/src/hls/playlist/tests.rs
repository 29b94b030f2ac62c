//! Whole playlists, as players get them.

use std::sync::Arc;

use super::*;
use crate::codec::{Kind, Language, fixtures};
use crate::hls::captions::Captions;
use crate::hls::name::{Name, What};
use crate::hls::options::{Durations, Method};
use crate::hls::pick::{Pick, PickedCaptions};
use crate::hls::plan::synthetic::{Tables, title};
use crate::hls::plan::{self, Segments};
use crate::hls::refusal::{Reason, Refusal};
use crate::hls::set::{Clip, ClosedCaptions, Sequence, Timeline};
use crate::time::Millis;

fn segments(context: &Context<'_>) -> Result<Segments, Refusal> {
    let keys = plan::told_keys(context.set, 0);
    plan::segments(context.set, context.options, context.picked, &keys)
}

/// A request's world: a set, its tracks, and the options.
struct World {
    set: Set,
    options: Options,
    picked: Picked,
    directory: &'static str,
}

impl World {
    fn new(options: Options) -> Self {
        Self {
            set: Set::default(),
            options,
            picked: Picked::default(),
            directory: "/loc/a.mp4",
        }
    }

    /// 25 s of H.264 with AAC that is 21 ms longer, as the reference's defaults see it.
    fn plain() -> Self {
        let mut world = Self::new(Options::nginx_vod());
        world.add("/loc/a.mp4", &[video(625), audio(1173)]);
        world
    }

    /// Adds a sequence of one file.
    fn add(&mut self, uri: &str, tracks: &[Tables]) -> &mut Sequence {
        let title = title(tracks);
        let mut numbers = [0, 0];
        for (place, track) in title.tracks().iter().enumerate() {
            let [videos, audios] = &mut numbers;
            let number = if track.kind() == Kind::Video {
                videos
            } else {
                audios
            };
            *number += 1;
            let language = track.language();
            let label = language.map(|language| match language.as_str() {
                "eng" => "English".to_owned(),
                other => other.to_uppercase(),
            });
            self.picked.tracks.push(Pick {
                sequence: self.set.sequences.len(),
                number: *number,
                title: Arc::clone(&title),
                track: place,
                duration: track.duration,
                language,
                label,
                bitrate: track.bitrate,
                average_bitrate: None,
            });
            self.picked.length = self.picked.length.max(track.duration);
        }
        self.picked.shortest = self.picked.length;
        self.sequence(uri)
    }

    fn sequence(&mut self, uri: &str) -> &mut Sequence {
        self.set.sequences.push(Sequence {
            uri: uri.to_owned(),
            clips: vec![Clip::file("a.mp4")],
            ..Sequence::default()
        });
        self.picked.sequences = self.set.sequences.len();
        self.set.sequences.last_mut().unwrap()
    }

    /// Adds a sequence of subtitles.
    fn add_captions(&mut self, uri: &str, language: Option<&str>) {
        self.picked.captions.push(PickedCaptions {
            sequence: self.set.sequences.len(),
            captions: Arc::new(Captions::default()),
            language: Some(Language::new(language.unwrap_or("eng"))),
            label: Some("Words".to_owned()),
            from: Millis::ZERO,
            later: Millis::ZERO,
            duration: Millis(22_000),
        });
        self.sequence(uri).language = language.map(Language::new);
    }

    fn with<T>(&self, make: impl FnOnce(&Context<'_>) -> T) -> T {
        let name = Name {
            what: What::Master,
            selectors: Vec::new(),
            pts_delay: 0,
            languages: Vec::new(),
            version: 1,
        };
        let request = Request {
            name: &name,
            directory: self.directory,
            origin: "http://h:80",
        };
        make(&Context {
            set: &self.set,
            options: &self.options,
            picked: &self.picked,
            request: &request,
        })
    }

    fn master(&self) -> String {
        self.with(master).unwrap()
    }

    fn media(&self) -> String {
        self.try_media().unwrap()
    }

    fn try_media(&self) -> Result<String, Refusal> {
        self.with(|context| media(context, &Key::default(), &segments(context)?))
    }

    /// The multivariant playlist without what only depends on the tables of the fixtures.
    fn urls(&self) -> Vec<String> {
        let master = self.master();
        let lines = master.lines().filter_map(|line| match line.split_once("URI=\"") {
            Some((_, rest)) => rest.split('"').next(),
            None => (!line.is_empty() && !line.starts_with('#')).then_some(line),
        });
        lines.map(str::to_owned).collect()
    }
}

fn video(pictures: u32) -> Tables {
    Tables::video(&fixtures::H264, pictures, 50)
}

fn audio(frames: u32) -> Tables {
    Tables::audio(&fixtures::AAC, frames)
}

fn spoken(mut tables: Tables, language: &'static str) -> Tables {
    tables.language = language;
    tables
}

#[test]
fn a_file_is_one_variant_with_its_key_frames() {
    assert_eq!(
        World::plain().master(),
        "#EXTM3U\n\
         #EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=28241,RESOLUTION=48x32,FRAME-RATE=25.000,\
         CODECS=\"avc1.64000a,mp4a.40.2\",VIDEO-RANGE=SDR\n\
         http://h:80/loc/a.mp4/index-v1-a1.m3u8\n\
         \n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=4,RESOLUTION=48x32,CODECS=\"avc1.64000a\",\
         URI=\"http://h:80/loc/a.mp4/iframes-v1-a1.m3u8\",VIDEO-RANGE=SDR\n"
    );
}

#[test]
fn a_media_playlist_lists_every_segment() {
    let expected = "#EXTM3U\n\
         #EXT-X-TARGETDURATION:10\n\
         #EXT-X-ALLOW-CACHE:YES\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-VERSION:3\n\
         #EXT-X-MEDIA-SEQUENCE:1\n\
         #EXTINF:10.000,\n\
         http://h:80/loc/a.mp4/seg-1-v1-a1.ts\n\
         #EXTINF:10.000,\n\
         http://h:80/loc/a.mp4/seg-2-v1-a1.ts\n\
         #EXTINF:5.024,\n\
         http://h:80/loc/a.mp4/seg-3-v1-a1.ts\n\
         #EXT-X-ENDLIST\n";
    let mut world = World::plain();
    assert_eq!(world.media(), expected);
    // A rounded duration above the nominal one raises the target.
    world.options.segmentation.count = crate::hls::options::CountPolicy::LastLong;
    assert!(world.media().starts_with("#EXTM3U\n#EXT-X-TARGETDURATION:15\n"));
    world.picked = Picked::default();
    world.options.mirrored.empty_files = false;
    let refusal = world.try_media().unwrap_err();
    assert_eq!(refusal.reason, Reason::BadRequest);
}

#[test]
fn our_own_preset_tells_nothing_obsolete_and_nothing_untrue() {
    let mut world = World::new(Options::mediastack());
    world.add(
        "/loc/a.mp4",
        &[video(625), spoken(audio(1173), "eng"), spoken(audio(1173), "fra")],
    );
    assert_eq!(
        world.master(),
        "#EXTM3U\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         \n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio0\",NAME=\"English\",LANGUAGE=\"en\",AUTOSELECT=YES,DEFAULT=YES,\
         CHANNELS=\"2\",URI=\"index-a1.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio0\",NAME=\"FRA\",LANGUAGE=\"fr\",AUTOSELECT=YES,DEFAULT=NO,\
         CHANNELS=\"2\",URI=\"index-a2.m3u8\"\n\
         \n\
         #EXT-X-STREAM-INF:BANDWIDTH=28241,RESOLUTION=48x32,FRAME-RATE=25.000,CODECS=\"avc1.64000a,mp4a.40.2\",\
         VIDEO-RANGE=SDR,AUDIO=\"audio0\"\n\
         index-v1.m3u8\n\
         \n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=4,RESOLUTION=48x32,CODECS=\"avc1.64000a\",\
         URI=\"iframes-v1.m3u8\",VIDEO-RANGE=SDR\n"
    );
    world.picked.tracks.pop();
    assert_eq!(
        world.media(),
        "#EXTM3U\n\
         #EXT-X-TARGETDURATION:6\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-VERSION:3\n\
         #EXT-X-MEDIA-SEQUENCE:1\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXTINF:6.000,\nseg-1-v1-a1.ts\n\
         #EXTINF:6.000,\nseg-2-v1-a1.ts\n\
         #EXTINF:6.000,\nseg-3-v1-a1.ts\n\
         #EXTINF:6.000,\nseg-4-v1-a1.ts\n\
         #EXTINF:1.000,\nseg-5-v1-a1.ts\n\
         #EXT-X-ENDLIST\n"
    );
    // The chosen one is the default one.
    world.add("/loc/a.mp4", &[spoken(audio(1173), "deu")]).default = Some(true);
    let master = world.master();
    assert!(
        master.contains("NAME=\"English\",LANGUAGE=\"en\",AUTOSELECT=YES,DEFAULT=NO"),
        "{master}"
    );
    assert!(
        master.contains("NAME=\"DEU\",LANGUAGE=\"de\",AUTOSELECT=YES,DEFAULT=YES"),
        "{master}"
    );
}

#[test]
fn the_target_duration_can_be_exact() {
    let mut world = World::new(Options::mediastack());
    world.add("/loc/a.mp4", &[video(13)]);
    assert!(world.media().contains("#EXT-X-TARGETDURATION:1\n#"));
    let mut world = World::new(Options::mediastack());
    world.add("/loc/a.mp4", &[Tables::video(&fixtures::H264, 625, 200)]);
    assert!(world.media().contains("#EXT-X-TARGETDURATION:8\n#"));
}

#[test]
fn audio_of_the_reference_is_never_chosen_by_itself() {
    let mut world = World::plain();
    world.options.unmuxed = true;
    assert_eq!(
        world.master(),
        "#EXTM3U\n\
         \n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio0\",NAME=\"default\",AUTOSELECT=NO,DEFAULT=NO,CHANNELS=\"2\",\
         URI=\"http://h:80/loc/a.mp4/index-a1.m3u8\"\n\
         \n\
         #EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=28241,RESOLUTION=48x32,FRAME-RATE=25.000,\
         CODECS=\"avc1.64000a,mp4a.40.2\",VIDEO-RANGE=SDR,AUDIO=\"audio0\"\n\
         http://h:80/loc/a.mp4/index-v1.m3u8\n\
         \n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=4,RESOLUTION=48x32,CODECS=\"avc1.64000a\",\
         URI=\"http://h:80/loc/a.mp4/iframes-v1.m3u8\",VIDEO-RANGE=SDR\n"
    );
    // Audio alone has no video to be apart from.
    world.picked.tracks.remove(0);
    assert_eq!(
        world.master(),
        "#EXTM3U\n\
         #EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=28041,CODECS=\"mp4a.40.2\"\n\
         http://h:80/loc/a.mp4/index-a1.m3u8\n\
         \n"
    );
}

#[test]
fn a_variant_for_each_codec_of_the_audio_plays_that_codec() {
    let mut world = World::plain();
    world.options.iframes_playlist = false;
    world.options.urls.base = Some(String::new());
    world.add("/loc/a.mp4", &[Tables::audio(&fixtures::AC3, 700)]);
    world.add("/loc/a.mp4", &[Tables::audio(&fixtures::MP3, 700)]);
    let master = world.master();
    let urls = [
        "index-f1-a1.m3u8",
        "index-f2-a1.m3u8",
        "index-f3-a1.m3u8",
        "index-f1-v1-a1.m3u8",
        "index-f1-v1-f2-a1.m3u8",
        "index-f1-v1-f3-a1.m3u8",
    ];
    assert_eq!(world.urls(), urls);
    for (codecs, group) in [("mp4a.40.2", 0), ("ac-3", 1), ("mp4a.6b", 3)] {
        let line = format!("CODECS=\"avc1.64000a,{codecs}\",VIDEO-RANGE=SDR,AUDIO=\"audio{group}\"");
        assert!(master.contains(&line), "{line} in {master}");
        assert!(
            master.contains(&format!("GROUP-ID=\"audio{group}\",NAME=\"default\"")),
            "{master}"
        );
    }
}

#[test]
fn video_without_audio_plays_that_of_another_sequence() {
    let mut world = World::new(Options::nginx_vod());
    world.add("/loc/a.mp4", &[video(50)]);
    world.add("/loc/b.mp4", &[video(50), audio(94)]);
    world.add("/loc/c.mp4", &[audio(94)]);
    world.directory = "/loc/,a,b,c,.mp4.urlset";
    let urls = [
        "http://h:80/loc/,a,b,c,.mp4.urlset/index-f1-v1-f2-a1.m3u8",
        "http://h:80/loc/b.mp4/index-v1-a1.m3u8",
        "http://h:80/loc/c.mp4/index-a1.m3u8",
        "http://h:80/loc/,a,b,c,.mp4.urlset/iframes-f1-v1-f2-a1.m3u8",
        "http://h:80/loc/b.mp4/iframes-v1-a1.m3u8",
    ];
    assert_eq!(world.urls(), urls);
}

#[test]
fn sequences_of_one_uri_are_told_apart_in_names() {
    let mut world = World::new(Options::nginx_vod());
    world.options.iframes_playlist = false;
    world.directory = "/loc/my \"set\".json";
    world.add("/loc/my \"set\".json", &[video(50)]).id = Some("lo".to_owned());
    world.add("/loc/my \"set\".json", &[video(50)]).id = Some("an id too long".to_owned());
    let urls = [
        "http://h:80/loc/my%20%22set%22.json/index-slo-v1.m3u8",
        "http://h:80/loc/my%20%22set%22.json/index-f2-v1.m3u8",
    ];
    assert_eq!(world.urls(), urls);
    world.options.urls.base = Some("https://cdn/x/".to_owned());
    assert_eq!(world.urls()[0], "https://cdn/x/index-slo-v1.m3u8");
    world.options.urls.base = Some("https://cdn".to_owned());
    world.picked.tracks.pop();
    let media = world.media();
    let segment = "https://cdn/loc/my%20%22set%22.json/seg-1-slo-v1.ts\n";
    assert!(media.contains(segment), "{media}");
    world.options.urls.segments_base = Some("https://media".to_owned());
    let media = world.media();
    let segment = "https://media/loc/my%20%22set%22.json/seg-1-slo-v1.ts\n";
    assert!(media.contains(segment), "{media}");
}

#[test]
fn a_forced_sequence_is_only_in_names_of_segments() {
    let mut world = World::plain();
    world.options.urls.force_sequence = true;
    assert!(world.media().contains("/seg-3-f1-v1-a1.ts\n"));
    assert_eq!(world.urls()[0], "http://h:80/loc/a.mp4/index-v1-a1.m3u8");
}

#[test]
fn subtitles_and_captions_are_renditions() {
    let mut world = World::plain();
    world.options.iframes_playlist = false;
    world.add_captions("/loc/x.srt", None);
    world.add_captions("/loc/y.vtt", Some("fra"));
    world.set.closed_captions = Some(vec![
        ClosedCaptions {
            id: "CC1".to_owned(),
            label: "One\n\"1\"".to_owned(),
            language: Some(Language::new("eng")),
            default: None,
        },
        ClosedCaptions {
            id: "SERVICE2".to_owned(),
            label: "Zwei".to_owned(),
            language: None,
            default: Some(false),
        },
    ]);
    assert_eq!(
        world.master(),
        "#EXTM3U\n\
         \n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs0\",NAME=\"Words\",LANGUAGE=\"eng\",AUTOSELECT=YES,DEFAULT=YES,\
         URI=\"http://h:80/loc/x.srt/index.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs0\",NAME=\"Words\",LANGUAGE=\"fr\",AUTOSELECT=NO,DEFAULT=NO,\
         URI=\"http://h:80/loc/y.vtt/index.m3u8\"\n\
         \n\
         #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc0\",NAME=\"One '1'\",LANGUAGE=\"eng\",AUTOSELECT=YES,DEFAULT=YES,\
         INSTREAM-ID=\"CC1\"\n\
         #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc0\",NAME=\"Zwei\",AUTOSELECT=NO,DEFAULT=NO,\
         INSTREAM-ID=\"SERVICE2\"\n\
         \n\
         #EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=28241,RESOLUTION=48x32,FRAME-RATE=25.000,\
         CODECS=\"avc1.64000a,mp4a.40.2\",VIDEO-RANGE=SDR,SUBTITLES=\"subs0\",CLOSED-CAPTIONS=\"cc0\"\n\
         http://h:80/loc/a.mp4/index-v1-a1.m3u8\n\
         \n"
    );
    world.options = Options::mediastack();
    let master = world.master();
    assert!(master.starts_with("#EXTM3U\n#EXT-X-VERSION:7\n"), "{master}");
    assert!(!master.contains("eng"), "{master}");
    world.set.closed_captions = Some(Vec::new());
    assert!(world.master().contains(",CLOSED-CAPTIONS=NONE\n"));

    let mut world = World::new(Options::nginx_vod());
    world.options.encryption.method = Method::Aes128;
    world.add_captions("/loc/a.mp4", Some("fra"));
    assert_eq!(world.with(master_of).unwrap_err().reason, Reason::BadRequest);
    let media = world.media();
    assert!(!media.contains("EXT-X-KEY"), "{media}");
    assert!(
        media.contains("#EXTINF:2.000,\nhttp://h:80/loc/a.mp4/seg-3.vtt\n"),
        "{media}"
    );
}

fn master_of(context: &Context<'_>) -> Result<String, Refusal> {
    master(context)
}

#[test]
fn bit_rates_of_the_mapping_are_told() {
    let mut world = World::plain();
    for (pick, rates) in world
        .picked
        .tracks
        .iter_mut()
        .zip([(900_000, 700_000), (64_000, 60_000)])
    {
        pick.bitrate = rates.0;
        pick.average_bitrate = Some(rates.1);
    }
    let master = world.master();
    assert!(master.contains("BANDWIDTH=964000,"), "{master}");
    assert!(
        master.contains("\",AVERAGE-BANDWIDTH=760000,VIDEO-RANGE=SDR\n"),
        "{master}"
    );
}

#[test]
fn high_dynamic_range_is_told() {
    for (transfer, reference, ours) in [("808", "SDR", "SDR"), ("880", "PQ", "PQ"), ("890", "PQ", "HLG")] {
        // Primaries 1, then the transfer characteristics, then matrix 1, three bits before a byte's end.
        let entry = fixtures::H264
            .entry
            .replace("a808080a", &format!("a80{transfer}0a"));
        let fixture = fixtures::Fixture {
            entry: Box::leak(entry.into_boxed_str()),
            ..fixtures::H264
        };
        for (options, expected) in [(Options::nginx_vod(), reference), (Options::mediastack(), ours)] {
            let mut world = World::new(options);
            world.add("/loc/a.mp4", &[Tables::video(&fixture, 50, 25)]);
            let master = world.master();
            let told = format!(",VIDEO-RANGE={expected}\n");
            assert_eq!(master.matches(&told).count(), 2, "{told} in {master}");
        }
    }
}

#[test]
fn codecs_are_told_as_the_reference_tells_them() {
    let cases = [
        (fixtures::H264, "avc1.64000a"),
        (fixtures::HEVC, "hvc1.1.6.L30.90"),
        (fixtures::AV1, "av01.0.00M.08"),
        (fixtures::AAC, "mp4a.40.2"),
        (fixtures::MP3, "mp4a.6b"),
        (fixtures::AC3, "ac-3"),
        (fixtures::EAC3, "ec-3"),
        (fixtures::OPUS, "opus"),
        (fixtures::FLAC, "fLaC"),
    ];
    for (fixture, expected) in cases {
        let title = title(&[match fixture.codec {
            "h264" | "hevc" | "av1" => Tables::video(&fixture, 5, 5),
            _ => Tables::audio(&fixture, 5),
        }]);
        let mut out = String::new();
        codecs::push(&mut out, &title.tracks()[0]);
        assert_eq!(out, expected);
    }
}

#[test]
fn hevc_is_in_fmp4_and_has_key_frames_in_mpeg_ts_only() {
    let mut world = World::new(Options::nginx_vod());
    world.add(
        "/loc/a.mp4",
        &[Tables::video(&fixtures::HEVC, 300, 50), audio(94)],
    );
    assert!(!world.master().contains("I-FRAME"));
    assert!(world.with(check_iframes).is_err());
    let map = "#EXT-X-VERSION:6\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-MAP:URI=\"http://h:80/loc/a.mp4/init-v1-a1.mp4\"\n";
    assert!(world.media().contains(map));
    assert!(world.media().contains("/seg-2-v1-a1.m4s\n"));
    world.options.container = ContainerChoice::Ts;
    assert!(world.master().contains("#EXT-X-I-FRAME-STREAM-INF"));
    assert!(world.with(check_iframes).is_ok());
    assert!(world.media().contains("/seg-2-v1-a1.ts\n"));
}

#[test]
fn audio_that_mpeg_ts_has_no_place_for_is_in_fmp4() {
    let mut world = World::new(Options::mediastack());
    world.add("/loc/a.mp4", &[video(300), Tables::audio(&fixtures::OPUS, 100)]);
    assert!(world.media().contains("\nseg-2-v1-a1.m4s\n"));
    assert!(!world.master().contains("I-FRAME"));
    assert!(world.master().contains("CODECS=\"avc1.64000a,opus\""));
    world.picked.tracks.pop();
    assert!(world.media().contains("\nseg-2-v1.ts\n"));
    assert!(world.master().contains("I-FRAME"));
}

#[test]
fn clips_are_separated_and_have_maps_of_their_own() {
    let mut world = World::plain();
    world.options.container = ContainerChoice::Fmp4;
    world.options.urls.base = Some(String::new());
    let mut timeline = Timeline {
        durations: vec![Millis(13_500), Millis(15_000)],
        discontinuity: true,
    };
    world.picked.length = Millis(28_500);
    world.set.timeline = Some(timeline.clone());
    assert!(!world.master().contains("I-FRAME"));
    let media = world.media();
    let (_, list) = media.split_once("#EXT-X-MEDIA-SEQUENCE:1\n").unwrap();
    assert_eq!(
        list,
        "#EXT-X-MAP:URI=\"init-c1-v1-a1.mp4\"\n\
         #EXTINF:10.000,\nseg-1-v1-a1.m4s\n\
         #EXTINF:3.500,\nseg-2-v1-a1.m4s\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-MAP:URI=\"init-c2-v1-a1.mp4\"\n\
         #EXTINF:10.000,\nseg-3-v1-a1.m4s\n\
         #EXTINF:5.000,\nseg-4-v1-a1.m4s\n\
         #EXT-X-ENDLIST\n"
    );
    timeline.discontinuity = false;
    world.set.timeline = Some(timeline);
    let media = world.media();
    assert!(media.contains("#EXT-X-MAP:URI=\"init-v1-a1.mp4\"\n"), "{media}");
    assert!(!media.contains("DISCONTINUITY"), "{media}");
}

#[test]
fn the_key_is_told_before_the_version() {
    let mut world = World::plain();
    let iv = Some([0xfe; 16]);
    let mut lines = |options: &dyn Fn(&mut Options), uri: Option<&str>| {
        world.options = Options::nginx_vod();
        options(&mut world.options);
        assert!(!world.master().contains("I-FRAME"));
        assert!(world.with(check_iframes).is_err());
        let media = world
            .with(|context| media(context, &Key { iv, uri }, &segments(context)?))
            .unwrap();
        let (_, rest) = media.split_once("#EXT-X-KEY:").unwrap();
        rest.lines().take(2).collect::<Vec<_>>().join(" ")
    };
    let told = "IV=0xFEFEFEFEFEFEFEFEFEFEFEFEFEFEFEFE";
    let ours = "URI=\"http://h:80/loc/a.mp4/encryption.key\"";
    let aes = |options: &mut Options| {
        options.encryption.method = Method::Aes128;
        options.encryption.output_iv = true;
    };
    assert_eq!(
        lines(&aes, None),
        format!("METHOD=AES-128,{ours} #EXT-X-VERSION:3")
    );
    let fmp4 = |options: &mut Options| {
        options.encryption.method = Method::Aes128;
        options.container = ContainerChoice::Fmp4;
    };
    assert_eq!(
        lines(&fmp4, None),
        format!("METHOD=AES-128,{ours},{told} #EXT-X-VERSION:6")
    );
    let sample = |options: &mut Options| {
        options.encryption.method = Method::SampleAes;
        options.encryption.key_format = Some("identity".to_owned());
        options.encryption.key_format_versions = Some("1".to_owned());
    };
    assert_eq!(
        lines(&sample, Some("https://keys/1")),
        "METHOD=SAMPLE-AES,URI=\"https://keys/1\",KEYFORMAT=\"identity\",KEYFORMATVERSIONS=\"1\" #EXT-X-VERSION:5"
    );

    let mut world = World::plain();
    world.add("/loc/a.mp4", &[video(50)]);
    world.picked.tracks.drain(..2);
    world.options.encryption.method = Method::Aes128;
    assert!(world.media().contains("/encryption-f2.key\""));
}

#[test]
fn key_frames_stand_until_the_next() {
    let frame = |segment, offset, pts| KeyFrame {
        segment,
        offset,
        size: 1_880,
        pts,
    };
    let frames = [
        frame(0, 376, 7_200),
        frame(0, 5_000, 187_200),
        frame(1, 376, 187_200),
        frame(2, 376, 1_987_200),
    ];
    let mut world = World::plain();
    let list = |world: &World| world.with(|context| iframes(context, frames)).unwrap();
    assert_eq!(
        list(&world),
        "#EXTM3U\n\
         #EXT-X-TARGETDURATION:10\n\
         #EXT-X-VERSION:4\n\
         #EXT-X-MEDIA-SEQUENCE:1\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXT-X-I-FRAMES-ONLY\n\
         #EXTINF:2.000,\n\
         #EXT-X-BYTERANGE:1880@376\n\
         seg-1-v1-a1.ts\n\
         #EXTINF:20.000,\n\
         #EXT-X-BYTERANGE:1880@376\n\
         seg-2-v1-a1.ts\n\
         #EXTINF:3.000,\n\
         #EXT-X-BYTERANGE:1880@376\n\
         seg-3-v1-a1.ts\n\
         #EXT-X-ENDLIST\n"
    );
    world.options.urls.absolute_iframes = true;
    assert!(list(&world).contains("\nhttp://h:80/loc/a.mp4/seg-1-v1-a1.ts\n"));
    world.options.tags.exact_target = true;
    assert!(list(&world).contains("#EXT-X-TARGETDURATION:20\n"));
    world.options = Options::nginx_vod();
    world.picked.tracks.remove(0);
    let none = world.with(|context| iframes(context, [])).unwrap();
    assert!(none.ends_with("#EXT-X-I-FRAMES-ONLY\n#EXT-X-ENDLIST\n"));
}

#[test]
fn a_playlist_has_no_empty_segments_but_keeps_their_numbers() {
    let mut world = World::new(Options::nginx_vod());
    world.options.segmentation.duration = Millis(4_000);
    world.options.segmentation.align = true;
    world.options.segmentation.durations = Durations::Accurate;
    world.add("/loc/a.mp4", &[Tables::video(&fixtures::H264, 625, 250)]);
    let media = world.media();
    let names: Vec<_> = media.lines().filter(|line| line.starts_with("http")).collect();
    let numbers = [1, 3, 6].map(|number| format!("http://h:80/loc/a.mp4/seg-{number}-v1.ts"));
    assert_eq!(names, numbers);
}

#[test]
fn another_parser_reads_what_is_written() {
    let mut world = World::plain();
    world.options.unmuxed = true;
    world.add_captions("/loc/x.srt", Some("fra"));
    let master = m3u8_rs::parse_master_playlist_res(world.master().as_bytes()).unwrap();
    assert_eq!(master.alternatives.len(), 2);
    assert_eq!(master.variants.len(), 2);
    assert_eq!(
        master
            .variants
            .iter()
            .filter(|variant| variant.is_i_frame)
            .count(),
        1
    );
    assert_eq!(master.variants[0].audio.as_deref(), Some("audio0"));
    let media = m3u8_rs::parse_media_playlist_res(world.media().as_bytes()).unwrap();
    assert_eq!(
        (media.target_duration, media.media_sequence, media.end_list),
        (10, 1, true)
    );
    let lengths: Vec<_> = media.segments.iter().map(|segment| segment.duration).collect();
    assert_eq!(lengths, [10.0, 10.0, 5.024]);
}
