//! [`Fetcher`]: playlists, segments, initialisation sections and keys over HTTP. One attempt each; who calls retries.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::crypt::Decrypt;
use super::limits;
use super::playlist::{self, Key, Map, Playlist, Segment};
use super::store::Store;
use crate::error::{Error, ErrorKind, Result};
use crate::source::SourceUrl;
use crate::source::http::{Client, Request};

/// Fetches what playlists name.
pub(crate) struct Fetcher {
    client: Arc<Client>,
    keys: VecDeque<(SourceUrl, [u8; 16])>,
}

impl Fetcher {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self {
            client,
            keys: VecDeque::new(),
        }
    }

    /// A playlist, and the address that its references are relative to.
    pub(crate) fn playlist(&self, url: &SourceUrl) -> Result<(SourceUrl, Playlist)> {
        let time = Some(limits::SMALL_TIME);
        let request = Request {
            url,
            range: None,
            time,
            limit: limits::PLAYLIST_BYTES,
        };
        let mut response = self.client.get(&request)?;
        let body = response
            .body
            .read_all()
            .map_err(|cause| cause.context(format!("reading {url}")))?;
        let playlist = playlist::parse(&body).map_err(|cause| cause.context(format!("reading {url}")))?;
        Ok((response.url, playlist))
    }

    /// A whole segment, decrypted, checked against its length. Takes at most `time`.
    pub(crate) fn segment(&mut self, base: &SourceUrl, segment: &Segment, time: Duration) -> Result<Store> {
        let url = base.join(&segment.uri)?;
        let decrypt = self.decryption(base, segment.key.as_deref(), segment.sequence)?;
        let mut store = Store::default();
        self.copy(
            &url,
            segment.range.clone(),
            decrypt,
            limits::SEGMENT_BYTES,
            time,
            |bytes| store.push(bytes),
        )?;
        if store.start().is_empty() {
            return Err(Error::new(ErrorKind::Malformed, format!("fetching {url}: empty")));
        }
        store.rewind()?;
        Ok(store)
    }

    /// An initialisation section, decrypted.
    pub(crate) fn map(&mut self, base: &SourceUrl, map: &Map, sequence: u64) -> Result<Vec<u8>> {
        let url = base.join(&map.uri)?;
        let decrypt = self.decryption(base, map.key.as_deref(), sequence)?;
        let mut section = Vec::new();
        self.copy(
            &url,
            map.range.clone(),
            decrypt,
            limits::MAP_BYTES,
            limits::SMALL_TIME,
            |bytes| {
                section.extend_from_slice(bytes);
                Ok(())
            },
        )?;
        Ok(section)
    }

    fn copy(
        &self,
        url: &SourceUrl,
        range: Option<Range<u64>>,
        mut decrypt: Option<Decrypt>,
        limit: u64,
        time: Duration,
        mut sink: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let request = Request {
            url,
            range: range.clone(),
            time: Some(time),
            limit,
        };
        let mut response = self.client.get(&request)?;
        // A server that ignores ranges sends the whole; what stands before and after is left out here.
        let mut skip = range
            .as_ref()
            .map_or(0, |range| range.start.saturating_sub(response.start));
        let mut left = range.map_or(u64::MAX, |range| range.end - range.start);
        let mut chunk = vec![0; 64 << 10];
        let context = |cause: Error| cause.context(format!("reading {url}"));
        while left > 0 {
            let read = response.body.read_some(&mut chunk).map_err(context)?;
            let bytes = chunk.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            let before = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
            skip -= before as u64;
            let bytes = bytes.get(before..).unwrap_or_default();
            let bytes = bytes
                .get(..usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()))
                .unwrap_or_default();
            left -= if left == u64::MAX { 0 } else { bytes.len() as u64 };
            match &mut decrypt {
                Some(decrypt) => sink(&decrypt.feed(bytes))?,
                None => sink(bytes)?,
            }
        }
        if left > 0 && left != u64::MAX {
            let message = format!("reading {url}: truncated: {left} bytes of the range are missing");
            return Err(Error::new(ErrorKind::Unreachable, message));
        }
        match decrypt {
            Some(decrypt) => sink(&decrypt.finish().map_err(context)?),
            None => Ok(()),
        }
    }

    fn decryption(&mut self, base: &SourceUrl, key: Option<&Key>, sequence: u64) -> Result<Option<Decrypt>> {
        let Some(key) = key else { return Ok(None) };
        if key.method != "AES-128" || key.format != "identity" {
            let name: String = key
                .method
                .chars()
                .chain(" ".chars())
                .chain(key.format.chars())
                .take(60)
                .collect();
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("segment {sequence}: encrypted with {name}"),
            ));
        }
        let url = base.join(&key.uri)?;
        let bytes = self.key(&url)?;
        let iv = key.iv.unwrap_or_else(|| u128::from(sequence).to_be_bytes());
        Ok(Some(Decrypt::new(&bytes, &iv)))
    }

    fn key(&mut self, url: &SourceUrl) -> Result<[u8; 16]> {
        if let Some((_, key)) = self.keys.iter().find(|(known, _)| known == url) {
            return Ok(*key);
        }
        let time = Some(limits::SMALL_TIME);
        let request = Request {
            url,
            range: None,
            time,
            limit: limits::KEY_BYTES,
        };
        let bytes = self.client.get(&request)?.body.read_all()?;
        let key = <[u8; 16]>::try_from(bytes.as_slice()).map_err(|_| {
            let message = format!("fetching {url}: a key of {} bytes instead of 16", bytes.len());
            Error::new(ErrorKind::Malformed, message)
        })?;
        if self.keys.len() >= limits::KEYS {
            self.keys.pop_front();
        }
        self.keys.push_back((url.clone(), key));
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::crypt::tests::encrypt;
    use super::*;
    use crate::clock::SystemClock;
    use crate::source::Interrupt;
    use crate::source::http::tests::{Origin, ok, policy};

    #[test]
    fn without_an_iv_the_segments_number_is_taken() {
        let coded = encrypt(
            b"thirty-two bytes of plain media!",
            &[3; 16],
            &7_u128.to_be_bytes(),
        );
        let origin = Origin::new(move |asked| match asked.path.as_str() {
            "/k" => ok(&[3; 16]),
            _ => ok(&coded),
        });
        let base = origin.url("/p.m3u8");
        let client = Client::new(&policy(), &base, &Interrupt::new(), &SystemClock::shared());
        let key = Key {
            method: "AES-128".into(),
            uri: "k".into(),
            iv: None,
            format: "identity".into(),
        };
        let segment = Segment {
            sequence: 7,
            uri: "s".into(),
            key: Some(Arc::new(key)),
            ..Segment::default()
        };
        let fetched = Fetcher::new(Arc::new(client)).segment(&base, &segment, Duration::from_secs(5));
        let mut plain = Vec::new();
        fetched.expect("fetched").read_to_end(&mut plain).expect("reads");
        assert_eq!(plain, b"thirty-two bytes of plain media!");
    }
}
