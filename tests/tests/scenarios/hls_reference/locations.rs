//! The reference's locations, each a configuration.

/// Where a location's media come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    /// The path is a file.
    Local,
    /// The path is the file of a mapping.
    File,
    /// The path is that of a mapping on another server.
    Upstream,
}

const ALIGN: &str = "vod_align_segments_to_key_frames=on";
const ACCURATE: &str = "vod_manifest_segment_durations_mode=accurate";
const FMP4: &str = "vod_hls_container_format=fmp4";
const SECRET: &str = "vod_secret_key=mysecret$vod_filepath";
const AES: &str = "vod_hls_encryption_method=aes-128";
const SAMPLE_AES: &str = "vod_hls_encryption_method=sample-aes";
const UNMUXED: &str = "vod_hls_force_unmuxed_segments=on";
const FOUR: &str = "vod_segment_duration=4000";
const MODIFIED: &str = "vod_last_modified='Sun, 19 Nov 2000 08:52:00 GMT'";

/// The mode and the directives of a location; `None` for what is not packaged by this server.
pub(super) fn location(name: &str) -> Option<(Mode, Vec<String>)> {
    let directives: &[&str] = match name {
        "acc" | "mappedacc" => &[ACCURATE],
        "align" | "mappedalign" => &[ALIGN],
        "alignacc" => &[ALIGN, ACCURATE],
        "base" => &["vod_base_url=https://cdn.example.com"],
        "baseslash" => &["vod_base_url=https://cdn.example.com/x/"],
        "bootalignacc" => &[
            "vod_bootstrap_segment_durations=2000",
            "vod_bootstrap_segment_durations=2000",
            "vod_bootstrap_segment_durations=4000",
            ALIGN,
            ACCURATE,
        ],
        "def" | "mapped" | "mapfile" => &[],
        "enc" => &[SECRET, AES],
        "encfmp4" => &[SECRET, AES, FMP4],
        "exp" | "mappedexp" => &["vod_expires=100d", MODIFIED, "vod_last_modified_types=*"],
        "fmp4" | "mappedfmp4" => &[FMP4],
        "fmp4alignacc" => &[FMP4, ALIGN, ACCURATE],
        "long" => &["vod_segment_count_policy=last_long"],
        "noiframe" => &["vod_hls_output_iframes_playlist=off"],
        "rel" => &["vod_base_url=\"\""],
        "relidx" => &[
            "vod_hls_absolute_index_urls=off",
            "vod_hls_absolute_master_urls=off",
        ],
        "rounded" => &["vod_segment_count_policy=last_rounded"],
        "sampleaes" => &[SECRET, SAMPLE_AES],
        "sampleaesfmp4" => &[SECRET, SAMPLE_AES, FMP4],
        "seg4" | "mapped4" => &[FOUR],
        "seg4alignacc" => &[FOUR, ALIGN, ACCURATE],
        "ts" => &["vod_hls_container_format=mpegts"],
        "unmuxed" => &[UNMUXED],
        "unmuxedfmp4" => &[UNMUXED, FMP4],
        "mappedenc" => &["vod_secret_key=k$vod_set_id", AES],
        "mappedid3" => &["vod_hls_mpegts_output_id3_timestamps=on"],
        "mappedlw0" | "mappedlwneg" | "mappedvod" => &[],
        _ => return None,
    };
    let mode = match name {
        "mapfile" => Mode::File,
        name if name.starts_with("mapped") => Mode::Upstream,
        _ => Mode::Local,
    };
    Some((mode, directives.iter().map(|&one| one.to_owned()).collect()))
}
