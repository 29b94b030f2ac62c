//! Paths of requests: where the file name starts, path parameters, and several files in one path (`.urlset`).

use super::language;
use super::options::{Parameters, Urls};
use super::refusal::Refusal;
use super::set::{Clip, MAX_SEQUENCES, Sequence, Set, Shift, Span, TrackMask};
use crate::codec::Language;
use crate::time::Millis;

/// Bytes of the longest path.
const MAX_PATH: usize = 8 * 1024;

/// A request's path, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Location {
    /// The part before the last slash, decoded, slashes merged: `/loc/clipFrom/5000/a.mp4`.
    pub directory: String,
    /// The file name: `seg-1.ts`.
    pub name: String,
    /// What the directory names: one for each file of a multi URI, else one.
    pub uris: Vec<SubUri>,
}

/// One file of a request, with the path parameters that came with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SubUri {
    /// As URLs print it, parameters included.
    pub uri: String,
    /// Without parameters: what is looked up.
    pub path: String,
    /// `clipFrom` and `clipTo`.
    pub span: Span,
    /// `tracks`.
    pub tracks: TrackMask,
    /// `shift`.
    pub shift: Shift,
    /// `lang`.
    pub language: Option<Language>,
}

/// Decodes percent escapes (RFC 3986, 2.1).
///
/// # Errors
/// `BadRequest` for an escape that is none, a NUL, a path component `..`, bytes that are no UTF-8, or more than 8 KiB.
pub fn decode(path: &str) -> Result<String, Refusal> {
    if path.len() > MAX_PATH {
        return Err(Refusal::bad_request("the path is too long"));
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digit = |byte: &u8| {
            char::from(*byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let decoded = match rest {
            [high, low, ..] => digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        let Some(decoded) = decoded else {
            return Err(Refusal::bad_request("a percent sign that starts no escape"));
        };
        rest = rest.get(2..).unwrap_or_default();
        bytes.push(decoded);
    }
    let text = String::from_utf8(bytes).map_err(|_| Refusal::bad_request("the path is no UTF-8"))?;
    if text.contains('\0') {
        return Err(Refusal::bad_request("a NUL in the path"));
    }
    if text.split('/').any(|component| component == "..") {
        return Err(Refusal::bad_request("a path that goes up"));
    }
    Ok(text)
}

impl Location {
    /// Takes a decoded path apart.
    ///
    /// # Errors
    /// `BadRequest` for parameters that can't be read, for more than 32 files, and without a file name.
    pub fn parse(path: &str, urls: &Urls) -> Result<Self, Refusal> {
        let mut merged = String::with_capacity(path.len());
        for c in path.chars() {
            if c != '/' || !merged.ends_with('/') {
                merged.push(c);
            }
        }
        let Some((directory, name)) = merged.rsplit_once('/') else {
            return Err(Refusal::bad_request("a path without a slash"));
        };
        let multi = |path: &'_ str| {
            let suffix = Some(urls.multi_suffix.as_str()).filter(|suffix| !suffix.is_empty())?;
            // Without a comma it is the name of a file.
            path.strip_suffix(suffix)
                .filter(|path| path.contains(','))
                .map(str::to_owned)
        };
        let uris = if let Some(multi) = multi(directory) {
            // Parameters in front belong to each file, those within a piece to that file.
            split(&multi, urls)?
        } else {
            let whole = Parsed::of(directory, &urls.parameters)?;
            match multi(&whole.path) {
                Some(multi) => {
                    let mut uris = split(&multi, urls)?;
                    uris.iter_mut().for_each(|uri| uri.merge(&whole));
                    uris
                }
                None => vec![whole.finish(directory.to_owned())],
            }
        };
        let span = uris.first().map(|uri| uri.span);
        if uris.iter().any(|uri| Some(uri.span) != span) {
            return Err(Refusal::bad_request(
                "files of one path that are clipped differently",
            ));
        }
        Ok(Self {
            directory: directory.to_owned(),
            name: name.to_owned(),
            uris,
        })
    }
}

/// The files of a multi URI: what is before the first comma and after the last belongs to each.
fn split(multi: &str, urls: &Urls) -> Result<Vec<SubUri>, Refusal> {
    let pieces: Vec<&str> = multi.split(',').collect();
    let (prefix, middles, postfix) = match pieces[..] {
        [prefix, ref middles @ .., postfix] if !middles.is_empty() => (prefix, middles, postfix),
        // One comma, or none: a single file.
        _ => (multi, &[""][..], ""),
    };
    if middles.len() > MAX_SEQUENCES {
        let text = format!(
            "{} files in one path, where {MAX_SEQUENCES} are allowed",
            middles.len()
        );
        return Err(Refusal::bad_request(text));
    }
    let single = middles == [""];
    let each = middles.iter().map(|middle| {
        let uri = if single {
            pieces.concat()
        } else {
            [prefix, middle, postfix].concat()
        };
        let parsed = Parsed::of(&uri, &urls.parameters)?;
        Ok(parsed.finish(uri))
    });
    each.collect()
}

impl SubUri {
    /// Parameters after the files hold for each of them, and stay in its URL.
    fn merge(&mut self, whole: &Parsed) {
        self.uri.push_str(&whole.printed);
        let outer = whole.span;
        self.span = Span {
            from: self.span.from.max(outer.from),
            to: self.span.to.into_iter().chain(outer.to).min(),
        };
        self.tracks = self.tracks.and(whole.tracks);
        if self.shift == Shift::default() {
            self.shift = whole.shift;
        }
        self.language = self.language.or(whole.language);
    }

    /// The set of one file that the path itself names.
    fn sequence(&self) -> Sequence {
        let mut clip = Clip::file(self.path.clone());
        clip.tracks = self.tracks;
        clip.shift = self.shift;
        Sequence {
            uri: self.uri.clone(),
            language: self.language,
            clips: vec![clip],
            ..Sequence::default()
        }
    }
}

impl Set {
    /// The set of files that a path names directly.
    pub fn local(uris: &[SubUri]) -> Self {
        let span = uris.first().map_or(Span::default(), |uri| uri.span);
        Self {
            sequences: uris.iter().map(SubUri::sequence).collect(),
            span,
            plain: uris.len() == 1,
            ..Self::default()
        }
    }

    /// This set, read from a mapping, as the request for `uri` sees it.
    ///
    /// A mapping of a single file is that file under the request's own URL.
    #[must_use]
    pub fn asked_as(mut self, uri: &SubUri, directory: &str) -> Self {
        self.span = Span {
            from: self.span.from.max(uri.span.from),
            to: self.span.to.into_iter().chain(uri.span.to).min(),
        };
        for sequence in &mut self.sequences {
            directory.clone_into(&mut sequence.uri);
            sequence.language = sequence.language.or(uri.language);
            for clip in &mut sequence.clips {
                clip.tracks = clip.tracks.and(uri.tracks);
                if clip.shift == Shift::default() {
                    clip.shift = uri.shift;
                }
            }
        }
        self
    }

    /// One sequence for each mapping of a multi URI, each of which must be a single file.
    ///
    /// # Errors
    /// `BadRequest` when one is more than that.
    pub fn joined(sets: Vec<Self>, uris: &[SubUri]) -> Result<Self, Refusal> {
        let mut joined = Self::local(uris);
        joined.plain = false;
        for ((sequence, set), uri) in joined.sequences.iter_mut().zip(sets).zip(uris) {
            let clip = set
                .sequences
                .into_iter()
                .next()
                .and_then(|sequence| sequence.clips.into_iter().next());
            let Some(mut clip) = clip.filter(|_| set.plain) else {
                let text = format!(
                    "the mapping of {} is more than one file, which a path of several can't use",
                    uri.path
                );
                return Err(Refusal::bad_request(text));
            };
            clip.tracks = clip.tracks.and(uri.tracks);
            clip.shift = uri.shift;
            sequence.clips = vec![clip];
        }
        Ok(joined)
    }
}

/// A path with its parameters taken out.
struct Parsed {
    path: String,
    /// The components of the parameters, as URLs of each file keep them: `/clipFrom/5000`, or empty.
    printed: String,
    span: Span,
    tracks: TrackMask,
    shift: Shift,
    language: Option<Language>,
}

impl Parsed {
    fn of(uri: &str, names: &Parameters) -> Result<Self, Refusal> {
        let mut parsed = Self {
            path: String::with_capacity(uri.len()),
            printed: String::new(),
            span: Span::default(),
            tracks: TrackMask::ALL,
            shift: Shift::default(),
            language: None,
        };
        let is = |name: &str, component: &str| !name.is_empty() && component.eq_ignore_ascii_case(name);
        let mut seen = [false; 5];
        let mut rest = uri;
        loop {
            let (component, after) = match rest.strip_prefix('/') {
                Some(inner) => inner.split_at(inner.find('/').unwrap_or(inner.len())),
                None if rest.is_empty() => break,
                // A path that does not start with a slash starts inside a component.
                None => {
                    let (start, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                    parsed.path.push_str(start);
                    rest = after;
                    continue;
                }
            };
            let kinds = [
                &names.clip_from,
                &names.clip_to,
                &names.tracks,
                &names.shift,
                &names.language,
            ];
            let known = kinds.iter().position(|name| is(name, component));
            let speed = is(&names.speed, component);
            let value = after
                .strip_prefix('/')
                .map(|inner| inner.split_at(inner.find('/').unwrap_or(inner.len())));
            match (known, value) {
                _ if speed && value.is_some() => {
                    return Err(Refusal::bad_request(
                        "playback rates would need the media to be encoded anew",
                    ));
                }
                (Some(kind), Some((value, left))) if !seen.get(kind).copied().unwrap_or(true) => {
                    if let Some(seen) = seen.get_mut(kind) {
                        *seen = true;
                    }
                    parsed.take(kind, component, value)?;
                    parsed.printed.push('/');
                    parsed.printed.push_str(component);
                    parsed.printed.push('/');
                    parsed.printed.push_str(value);
                    rest = left;
                }
                _ => {
                    parsed.path.push('/');
                    parsed.path.push_str(component);
                    rest = after;
                }
            }
        }
        // Pieces of a multi URI can make a component that the request's path does not have.
        if parsed.path.split('/').any(|component| component == "..") {
            return Err(Refusal::bad_request("a path that goes up"));
        }
        let span = parsed.span;
        if span.to.is_some_and(|to| to <= span.from) {
            return Err(Refusal::bad_request(format!(
                "a clip from {} ms that ends before",
                span.from.0
            )));
        }
        Ok(parsed)
    }

    fn take(&mut self, kind: usize, name: &str, value: &str) -> Result<(), Refusal> {
        let wrong = || Refusal::bad_request(format!("{name} can't be {value:?}"));
        match kind {
            0 => self.span.from = millis(value).ok_or_else(wrong)?,
            1 => self.span.to = Some(millis(value).ok_or_else(wrong)?),
            2 => self.tracks = TrackMask::parse(value).ok_or_else(wrong)?,
            3 => self.shift = shift(value).ok_or_else(wrong)?,
            _ => self.language = Some(language::known(value).ok_or_else(wrong)?),
        }
        Ok(())
    }

    fn finish(&self, uri: String) -> SubUri {
        SubUri {
            uri,
            path: self.path.clone(),
            span: self.span,
            tracks: self.tracks,
            shift: self.shift,
            language: self.language,
        }
    }
}

fn millis(text: &str) -> Option<Millis> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(Millis)
}

/// `v100-a200-s300`.
fn shift(text: &str) -> Option<Shift> {
    let mut shift = Shift::default();
    for part in text.split('-') {
        let mut chars = part.chars();
        let kind = chars.next()?;
        let value = millis(chars.as_str())?;
        match kind {
            'v' => shift.video = value,
            'a' => shift.audio = value,
            's' => shift.subtitles = value,
            _ => return None,
        }
    }
    Some(shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hls::{Options, Reason};

    fn parse(path: &str) -> Result<Location, Refusal> {
        Location::parse(&decode(path)?, &Options::nginx_vod().urls)
    }

    fn paths(path: &str) -> Vec<String> {
        parse(path)
            .unwrap()
            .uris
            .into_iter()
            .map(|uri| uri.path)
            .collect()
    }

    #[test]
    fn the_file_name_is_after_the_last_slash() {
        let found = parse("/def//a%20b.mp4/seg-1.ts").unwrap();
        assert_eq!(
            (found.directory.as_str(), found.name.as_str()),
            ("/def/a b.mp4", "seg-1.ts")
        );
        assert_eq!(found.uris[0].path, "/def/a b.mp4");
        assert_eq!(parse("/a.mp4/").unwrap().name, "");
        for bad in [
            "/a%2",
            "/a%zz/x",
            "/%00/x",
            "/a/../b/x",
            "/%2e%2e/x",
            "/%ff/x",
            "x",
        ] {
            assert_eq!(parse(bad).unwrap_err().reason, Reason::BadRequest, "{bad}");
        }
        assert!(decode(&"a".repeat(9000)).is_err());
    }

    #[test]
    fn parameters_are_taken_out_of_the_path_and_stay_in_urls() {
        let found = parse("/def/clipFrom/5000/a.mp4/CLIPTO/15000/index.m3u8").unwrap();
        let [uri] = &found.uris[..] else { panic!() };
        assert_eq!(uri.path, "/def/a.mp4");
        assert_eq!(uri.uri, "/def/clipFrom/5000/a.mp4/CLIPTO/15000");
        assert_eq!((uri.span.from, uri.span.to), (Millis(5000), Some(Millis(15_000))));

        let uri = &parse("/tracks/v1-a2/shift/v100-a200/lang/fra/h.mp4/x")
            .unwrap()
            .uris[0];
        assert_eq!(uri.tracks, TrackMask { video: 1, audio: 2 });
        assert_eq!((uri.shift.video, uri.shift.audio), (Millis(100), Millis(200)));
        assert_eq!(
            uri.language.map(|l| l.as_str().to_owned()),
            Some("fra".to_owned())
        );
        let first = &parse("/clipFrom/1/clipFrom/2/a/x").unwrap().uris[0];
        assert_eq!(
            (first.span.from, first.path.as_str()),
            (Millis(1), "/clipFrom/2/a")
        );
        for bad in [
            "/clipFrom/abc/a.mp4/x",
            "/clipFrom/5000/clipTo/5000/a.mp4/x",
            "/shift/x100/a.mp4/x",
            "/lang/zzz/a.mp4/x",
            "/tracks/q/a.mp4/x",
            "/speed/1.5/a.mp4/x",
            "/clipFrom/+5/a.mp4/x",
        ] {
            assert_eq!(parse(bad).unwrap_err().reason, Reason::BadRequest, "{bad}");
        }
    }

    #[test]
    fn a_multi_uri_is_several_files() {
        assert_eq!(
            paths("/def/a,_lo,2_hi,.mp4.urlset/x"),
            ["/def/a_lo.mp4", "/def/a2_hi.mp4"]
        );
        assert_eq!(paths("/def/,a.mp4,c.mp4,.urlset/x"), ["/def/a.mp4", "/def/c.mp4"]);
        assert_eq!(paths("/def/a,_lo,.mp4.urlset/x"), ["/def/a_lo.mp4"]);
        assert_eq!(paths("/def/a.mp4.urlset/x"), ["/def/a.mp4.urlset"]);
        assert_eq!(paths("/def/a,.mp4.urlset/x"), ["/def/a.mp4"]);
        let own = parse("/def/,a.mp4,lang/fra/x.srt,.urlset/x").unwrap().uris;
        assert_eq!(
            (own[1].path.as_str(), own[1].uri.as_str()),
            ("/def/x.srt", "/def/lang/fra/x.srt")
        );
        assert!(own[0].language.is_none() && own[1].language.is_some());
        let front = &parse("/def/clipFrom/5000/a,_lo,.mp4.urlset/x").unwrap().uris[0];
        assert_eq!(
            (front.path.as_str(), front.uri.as_str()),
            ("/def/a_lo.mp4", "/def/clipFrom/5000/a_lo.mp4")
        );
        assert_eq!(front.span.from, Millis(5000));
        let behind = &parse("/def/a,_lo,.mp4.urlset/clipFrom/5000/x").unwrap().uris[0];
        assert_eq!(
            (behind.path.as_str(), behind.uri.as_str()),
            ("/def/a_lo.mp4", "/def/a_lo.mp4/clipFrom/5000")
        );
        assert_eq!(behind.span.from, Millis(5000));
        for up in [
            "/def/.,./a.mp4.urlset/x",
            "/def/.,./a,./b,/y.urlset/x",
            "/def/,.,.,./a.urlset/x",
        ] {
            assert_eq!(parse(up).unwrap_err().reason, Reason::BadRequest, "{up}");
        }
        assert!(parse("/def/,a.mp4,clipFrom/5000/b.mp4,.urlset/x").is_err());
        let many = format!("/{}.urlset/x", ",a".repeat(34));
        assert!(parse(&many).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics(path in "(/(clipFrom|shift|tracks|a,b|,|[0-9]{1,3}|v1|.){0,4}){0,5}(\\.urlset)?/.{0,5}") {
            let _ = parse(&path);
        }
    }
}
