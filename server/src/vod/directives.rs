//! The reference's directives as options of a location, so that an nginx configuration can be carried over line by line.

use std::time::SystemTime;

use mediacore::hls::Options;
use mediacore::hls::options::{ContainerChoice, CountPolicy, Durations, LengthPolicy, Method};
use mediacore::hls::template::Template;
use mediacore::time::Millis;
use mediacore::{Error, ErrorKind, Result};

/// A location's settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How it packages.
    pub(crate) options: Options,
    /// What it tells caches.
    pub(crate) headers: Headers,
    /// What `vod_mode` says.
    pub(crate) mapped: Option<bool>,
    /// Directives that were understood and change nothing here, with the reason.
    pub(crate) idle: Vec<String>,
}

/// What answers tell caches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Headers {
    /// `Cache-Control: max-age` and `Expires`, in seconds.
    pub(crate) expires: Option<u64>,
    /// The same `Last-Modified` for all.
    pub(crate) last_modified: Option<SystemTime>,
    /// `Last-Modified` of the newest file.
    pub(crate) modified_of_file: bool,
    /// Which MIME types have a `Last-Modified`.
    pub(crate) modified_types: ModifiedTypes,
}

/// Which MIME types have a `Last-Modified`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ModifiedTypes {
    /// Every one.
    All,
    /// These.
    These(Vec<String>),
}

/// Directives that tune a mechanism that is not here: how the reference reads, what it caches, what live sets do.
const IDLE: [&str; 16] = [
    "vod_cache_buffer_size",
    "vod_dynamic_mapping_cache",
    "vod_expires_live",
    "vod_expires_live_time_dependent",
    "vod_initial_read_size",
    "vod_live_mapping_cache",
    "vod_live_response_cache",
    "vod_live_window_duration",
    "vod_mapping_cache",
    "vod_max_upstream_headers_size",
    "vod_metadata_cache",
    "vod_open_file_thread_pool",
    "vod_output_buffer_pool",
    "vod_performance_counters",
    "vod_response_cache",
    "vod_upstream_extra_args",
];

/// Directives that may be switched off, as they are anyway, and not on.
const OFF: [&str; 6] = [
    "vod_drm_enabled",
    "vod_force_continuous_timestamps",
    "vod_force_playlist_type_vod",
    "vod_parse_hdlr_name",
    "vod_parse_udta_name",
    "vod_tcp_nodelay",
];

impl Settings {
    /// The reference's defaults.
    pub(crate) fn nginx_vod() -> Self {
        Self {
            options: Options::nginx_vod(),
            headers: Headers {
                expires: None,
                last_modified: None,
                modified_of_file: false,
                modified_types: ModifiedTypes::These(Vec::new()),
            },
            mapped: None,
            idle: Vec::new(),
        }
    }

    /// Ours.
    pub(crate) fn mediastack() -> Self {
        let mut settings = Self::nginx_vod();
        settings.options = Options::mediastack();
        settings.headers.modified_of_file = true;
        settings.headers.modified_types = ModifiedTypes::All;
        settings
    }

    /// Takes one directive, `name=value`.
    ///
    /// # Errors
    /// `InvalidInput` for an unknown name or a value that it can't have, `Unsupported` for what is not built.
    pub(crate) fn set(&mut self, directive: &str) -> Result<()> {
        let (name, value) = directive
            .split_once('=')
            .ok_or_else(|| invalid(format!("{directive:?} is not name=value")))?;
        let (name, value) = (name.trim(), unquoted(value.trim()));
        self.take(name, value)
            .map_err(|error| error.context(format!("--option {name}")))
    }

    fn take(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "vod" if value == "hls" => {}
            "vod" => return Err(unsupported(format!("only hls is packaged, not {value}"))),
            "vod_mode" => {
                let mapped = [("local", false), ("mapped", true)];
                self.mapped = Some(one_of(value, &mapped)?);
            }
            "vod_expires" => self.headers.expires = Some(seconds(value)?),
            "vod_last_modified" => {
                let time = httpdate::parse_http_date(value);
                self.headers.last_modified =
                    Some(time.map_err(|_| invalid(format!("{value:?} is no HTTP date")))?);
            }
            "vod_last_modified_types" => {
                self.headers.modified_types = match value {
                    "*" => ModifiedTypes::All,
                    types => ModifiedTypes::These(types.split_whitespace().map(str::to_owned).collect()),
                };
            }
            _ if IDLE.contains(&name) => self.idle.push(name.to_owned()),
            _ if OFF.contains(&name) => {
                if on_off(value)? {
                    return Err(unsupported("it can't be switched on"));
                }
            }
            _ => {
                let groups = [segmentation, urls, encryption, ts, limits];
                let mut known = false;
                for group in groups {
                    known = group(&mut self.options, name, value)?;
                    if known {
                        break;
                    }
                }
                if !known {
                    return Err(invalid("there is no such directive, or it is not supported"));
                }
            }
        }
        Ok(())
    }
}

fn segmentation(options: &mut Options, name: &str, value: &str) -> Result<bool> {
    let segments = &mut options.segmentation;
    match name {
        "vod_segment_duration" => {
            let duration = number(value)?;
            if !(500..=600_000).contains(&duration) {
                return Err(invalid("a segment lasts 500 to 600000 ms"));
            }
            segments.duration = Millis(duration);
        }
        "vod_bootstrap_segment_durations" => {
            let duration = number(value)?;
            if !(500..=600_000).contains(&duration) {
                return Err(invalid("a segment lasts 500 to 600000 ms"));
            }
            segments.bootstrap.push(Millis(duration));
        }
        "vod_align_segments_to_key_frames" => segments.align = on_off(value)?,
        "vod_segment_count_policy" => {
            let policies = [
                ("last_short", CountPolicy::LastShort),
                ("last_long", CountPolicy::LastLong),
                ("last_rounded", CountPolicy::LastRounded),
            ];
            segments.count = one_of(value, &policies)?;
        }
        "vod_manifest_duration_policy" => {
            segments.length = one_of(value, &[("max", LengthPolicy::Max), ("min", LengthPolicy::Min)])?;
        }
        "vod_manifest_segment_durations_mode" => {
            let modes = [
                ("estimate", Durations::Estimate),
                ("accurate", Durations::Accurate),
            ];
            segments.durations = one_of(value, &modes)?;
        }
        "vod_ignore_edit_list" => options.ignore_edit_list = on_off(value)?,
        "vod_hls_container_format" => {
            let formats = [
                ("auto", ContainerChoice::Auto),
                ("mpegts", ContainerChoice::Ts),
                ("fmp4", ContainerChoice::Fmp4),
            ];
            options.container = one_of(value, &formats)?;
        }
        "vod_hls_force_unmuxed_segments" => options.unmuxed = on_off(value)?,
        "vod_hls_output_iframes_playlist" => options.iframes_playlist = on_off(value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn urls(options: &mut Options, name: &str, value: &str) -> Result<bool> {
    let urls = &mut options.urls;
    match name {
        "vod_base_url" => urls.base = Some(literal(value)?),
        "vod_segments_base_url" => urls.segments_base = Some(literal(value)?),
        "vod_hls_absolute_master_urls" => urls.absolute_master = on_off(value)?,
        "vod_hls_absolute_index_urls" => urls.absolute_index = on_off(value)?,
        "vod_hls_absolute_iframe_urls" => urls.absolute_iframes = on_off(value)?,
        "vod_force_sequence_index" => urls.force_sequence = on_off(value)?,
        "vod_multi_uri_suffix" => urls.multi_suffix = literal(value)?,
        "vod_hls_master_file_name_prefix" => urls.names.master = prefix(value)?,
        "vod_hls_index_file_name_prefix" => urls.names.index = prefix(value)?,
        "vod_hls_iframes_file_name_prefix" => urls.names.iframes = prefix(value)?,
        "vod_hls_segment_file_name_prefix" => urls.names.segment = prefix(value)?,
        "vod_hls_init_file_name_prefix" => urls.names.init = prefix(value)?,
        "vod_hls_encryption_key_file_name" => urls.names.key = prefix(value)?,
        "vod_clip_from_param_name" => urls.parameters.clip_from = literal(value)?,
        "vod_clip_to_param_name" => urls.parameters.clip_to = literal(value)?,
        "vod_tracks_param_name" => urls.parameters.tracks = literal(value)?,
        "vod_time_shift_param_name" => urls.parameters.shift = literal(value)?,
        "vod_lang_param_name" => urls.parameters.language = literal(value)?,
        "vod_speed_param_name" => urls.parameters.speed = literal(value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn encryption(options: &mut Options, name: &str, value: &str) -> Result<bool> {
    let encryption = &mut options.encryption;
    match name {
        "vod_hls_encryption_method" => {
            if value == "sample-aes-cenc" {
                return Err(unsupported("it needs a DRM system"));
            }
            let methods = [
                ("none", Method::None),
                ("aes-128", Method::Aes128),
                ("sample-aes", Method::SampleAes),
            ];
            encryption.method = one_of(value, &methods)?;
        }
        "vod_secret_key" => encryption.secret = Some(Template::parse(value)?),
        "vod_encryption_iv_seed" => encryption.iv_seed = Some(Template::parse(value)?),
        "vod_hls_encryption_key_uri" => encryption.key_uri = Some(Template::parse(value)?),
        "vod_hls_encryption_key_format" => encryption.key_format = Some(literal(value)?),
        "vod_hls_encryption_key_format_versions" => encryption.key_format_versions = Some(literal(value)?),
        "vod_hls_encryption_output_iv" => encryption.output_iv = on_off(value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn ts(options: &mut Options, name: &str, value: &str) -> Result<bool> {
    let ts = &mut options.ts;
    match name {
        "vod_hls_mpegts_align_frames" => ts.align_frames = on_off(value)?,
        "vod_hls_mpegts_interleave_frames" => ts.interleave_frames = on_off(value)?,
        "vod_hls_mpegts_align_pts" => ts.align_pts = on_off(value)?,
        "vod_hls_mpegts_output_id3_timestamps" => ts.id3 = on_off(value)?,
        "vod_hls_mpegts_id3_data" => ts.id3_data = Some(literal(value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn limits(options: &mut Options, name: &str, value: &str) -> Result<bool> {
    let limits = &mut options.limits;
    let count = |value| number(value).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    match name {
        "vod_max_metadata_size" => limits.metadata = size(value)?,
        "vod_max_frames_size" => limits.segment_bytes = size(value)?,
        "vod_max_mapping_response_size" => limits.mapping = size(value)?,
        "vod_max_frame_count" => limits.playlist_frames = count(value)?,
        "vod_segment_max_frame_count" => limits.segment_frames = count(value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

fn unsupported(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

/// The value without the quotes that nginx allows around it.
fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value)
}

fn on_off(value: &str) -> Result<bool> {
    one_of(value, &[("on", true), ("off", false)])
}

fn one_of<T: Copy>(value: &str, choices: &[(&str, T)]) -> Result<T> {
    let found = choices.iter().find(|(name, _)| *name == value);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        invalid(format!("{value:?} is none of {}", names.join(", ")))
    })
}

fn number(value: &str) -> Result<u64> {
    value
        .parse()
        .map_err(|_| invalid(format!("{value:?} is no whole number")))
}

/// Bytes, with `k`, `m` or `g` for the powers of 1024.
fn size(value: &str) -> Result<u64> {
    let units = [('k', 10), ('m', 20), ('g', 30)];
    let unit = |last: char| units.iter().find(|(name, _)| *name == last.to_ascii_lowercase());
    let shift = value.chars().next_back().and_then(unit);
    match shift {
        Some((_, shift)) => {
            let digits = value.get(..value.len().saturating_sub(1)).unwrap_or_default();
            Ok(number(digits)?.saturating_mul(1 << shift))
        }
        None => number(value),
    }
}

/// Seconds, or nginx's sums of `s`, `m`, `h`, `d`, `w`, `M` and `y`: `1h30m`.
fn seconds(value: &str) -> Result<u64> {
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(value);
    }
    let mut total = 0u64;
    let mut rest = value;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(|| invalid(format!("{value:?} is no time")))?;
        let (digits, more) = rest.split_at(end);
        let mut chars = more.chars();
        let unit = match chars.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            Some('M') => 2_592_000,
            Some('y') => 31_536_000,
            _ => return Err(invalid(format!("{value:?} is no time"))),
        };
        total = total.saturating_add(number(digits)?.saturating_mul(unit));
        rest = chars.as_str().trim_start();
    }
    Ok(total)
}

/// A file name's first part: it must not be empty, nor end the path.
fn prefix(value: &str) -> Result<String> {
    if value.is_empty() || value.contains('/') {
        return Err(invalid(format!("{value:?} can't begin a file name")));
    }
    literal(value)
}

/// A value without variables.
fn literal(value: &str) -> Result<String> {
    if value.contains('$') {
        return Err(unsupported(format!(
            "{value:?} has a variable, which it can't here"
        )));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(directives: &[&str]) -> Result<Settings> {
        let mut settings = Settings::nginx_vod();
        directives
            .iter()
            .try_for_each(|directive| settings.set(directive))
            .map(|()| settings)
    }

    #[test]
    fn an_nginx_location_is_carried_over() {
        let settings = set(&[
            "vod=hls",
            "vod_mode=mapped",
            "vod_segment_duration=4000",
            "vod_bootstrap_segment_durations=2000",
            "vod_bootstrap_segment_durations=3000",
            "vod_hls_container_format=fmp4",
            "vod_secret_key=\"mysecret$vod_filepath\"",
            "vod_hls_encryption_method=aes-128",
            "vod_base_url=\"\"",
            "vod_expires=100d",
            "vod_last_modified='Sun, 19 Nov 2000 08:52:00 GMT'",
            "vod_last_modified_types=video/mp4 video/MP2T",
            "vod_max_mapping_response_size=64k",
            "vod_metadata_cache=metadata_cache 512m",
            "vod_drm_enabled=off",
        ])
        .unwrap();
        let options = &settings.options;
        assert_eq!(options.segmentation.duration, Millis(4000));
        assert_eq!(options.segmentation.bootstrap, [Millis(2000), Millis(3000)]);
        assert_eq!(options.container, ContainerChoice::Fmp4);
        let secret = options.encryption.secret.as_ref().map(Template::as_str);
        assert_eq!(secret, Some("mysecret$vod_filepath"));
        assert_eq!(options.encryption.method, Method::Aes128);
        assert_eq!(options.urls.base.as_deref(), Some(""));
        assert_eq!(options.limits.mapping, 64 << 10);
        assert_eq!(settings.headers.expires, Some(8_640_000));
        assert!(settings.headers.last_modified.is_some());
        assert_eq!(settings.mapped, Some(true));
        assert_eq!(settings.idle, ["vod_metadata_cache"]);
    }

    #[test]
    fn what_is_wrong_is_said_at_start() {
        for (directive, kind) in [
            ("vod_segment_duration", ErrorKind::InvalidInput),
            ("vod_nothing=1", ErrorKind::InvalidInput),
            ("vod_segment_duration=4s", ErrorKind::InvalidInput),
            ("vod_segment_duration=100", ErrorKind::InvalidInput),
            ("vod_align_segments_to_key_frames=yes", ErrorKind::InvalidInput),
            ("vod_segment_count_policy=last", ErrorKind::InvalidInput),
            ("vod_expires=soon", ErrorKind::InvalidInput),
            ("vod_hls_index_file_name_prefix=", ErrorKind::InvalidInput),
            ("vod=dash", ErrorKind::Unsupported),
            ("vod_drm_enabled=on", ErrorKind::Unsupported),
            ("vod_secret_key=$request_uri", ErrorKind::InvalidInput),
            ("vod_base_url=https://$host", ErrorKind::Unsupported),
        ] {
            let error = set(&[directive]).unwrap_err();
            assert_eq!(error.kind(), kind, "{directive}");
            let name = directive.split('=').next().unwrap();
            assert!(error.report().contains(name), "{}", error.report());
        }
    }

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(seconds("90").unwrap(), 90);
        assert_eq!(seconds("1h30m").unwrap(), 5400);
        assert_eq!(size("2m").unwrap(), 2 << 20);
        assert_eq!(size("17").unwrap(), 17);
        assert!(size("k").is_err() && seconds("h").is_err());
    }
}
