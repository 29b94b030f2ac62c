//! One answer beside the captured one.

use std::io::Write;
use std::process::{Command, Stdio};

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, KeyIvInit};
use mediastack_tests::hls_reference::{Body, Packets, Request, What, hash};
use mediastack_tests::http::{Answer, Client};

use super::HOST;

/// How an answer is like the captured one.
pub(super) enum Outcome {
    /// In this respect.
    Equal(&'static str),
}

/// Compares `answer`; `client` asks for what else is needed, at the location `prefix`.
pub(super) fn compare(
    request: &Request,
    answer: &Answer,
    client: &mut Client,
    prefix: &str,
) -> Result<Outcome, String> {
    if answer.status != request.status {
        return Err(format!(
            "status {} instead of {}: {}",
            answer.status,
            request.status,
            start(&answer.text())
        ));
    }
    if request.status >= 400 {
        let range = request.headers.iter().find(|(name, _)| name == "content-range");
        return headers(range.into_iter(), answer).map(|()| Outcome::Equal("status"));
    }
    headers(request.headers.iter(), answer)?;
    if !answer.complete {
        return Err(format!("only {} bytes came", answer.body.len()));
    }
    match &request.what {
        What::Nothing => Ok(Outcome::Equal("status")),
        What::Text(text) => same_text(text, &answer.body, prefix).map(|()| Outcome::Equal("text")),
        What::Body(body) => same_body(request, body, answer, client, prefix),
    }
}

fn headers<'a>(expected: impl Iterator<Item = &'a (String, String)>, answer: &Answer) -> Result<(), String> {
    for (name, value) in expected {
        let got = answer.header(name);
        if got != Some(value) {
            return Err(format!("{name}: {got:?} instead of {value:?}"));
        }
    }
    Ok(())
}

fn same_text(expected: &[u8], got: &[u8], prefix: &str) -> Result<(), String> {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let address = text(format!("http://{HOST}{prefix}/").as_bytes());
    let (expected, mut got) = (text(expected), text(got).replace(&address, "@"));
    if let Some(at) = got.find("IV=0x") {
        got.replace_range(at + 3..(at + 37).min(got.len()), "@");
    }
    if expected == got {
        return Ok(());
    }
    let lines = |text: &str| text.split("\\n").map(str::to_owned).collect::<Vec<_>>();
    let (expected, got) = (lines(&expected), lines(&got));
    let at = expected.iter().zip(&got).take_while(|(a, b)| a == b).count();
    Err(format!(
        "line {}: {:?} instead of {:?}",
        at + 1,
        got.get(at),
        expected.get(at)
    ))
}

fn same_body(
    request: &Request,
    body: &Body,
    answer: &Answer,
    client: &mut Client,
    prefix: &str,
) -> Result<Outcome, String> {
    let is = |bytes: &[u8], expected: &str| hash(bytes).starts_with(expected);
    if is(&answer.body, &body.hash) {
        return Ok(Outcome::Equal("bytes"));
    }
    let mut clear = answer.body.clone();
    if let Some(expected) = &body.clear {
        clear = decrypted(&format!("{prefix}{}", request.target), answer, client)?;
        if is(&clear, expected) {
            return Ok(Outcome::Equal("bytes in the clear"));
        }
    }
    let size = format!("{} bytes instead of {}", answer.body.len(), body.size);
    let Some(expected) = &body.packets else {
        return Err(format!("other bytes, {size}"));
    };
    let name = file(&request.target);
    let mut whole = Vec::new();
    if let Some(spec) = name.strip_suffix(".m4s") {
        let spec = spec
            .trim_start_matches("seg-")
            .trim_start_matches(|c: char| c.is_ascii_digit());
        let target = sibling(request, prefix, &format!("init{spec}.mp4"));
        let init = client.get(&target);
        whole = match &body.clear {
            Some(_) => decrypted(&target, &init, client)?,
            None => init.body,
        };
    }
    whole.extend(&clear);
    let got = Packets::of(&packets(&whole));
    if got == *expected {
        return Ok(Outcome::Equal("packets"));
    }
    Err(format!("{size}, packets {got:?} instead of {expected:?}"))
}

fn file(target: &str) -> &str {
    let path = target.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// The URL of a file beside the one that was asked for.
fn sibling(request: &Request, prefix: &str, name: &str) -> String {
    let folder = request.target.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{prefix}{folder}/{name}")
}

/// The body of `target` with AES-128 taken off, by the key that the media playlist beside it names.
fn decrypted(target: &str, answer: &Answer, client: &mut Client) -> Result<Vec<u8>, String> {
    let name = file(target);
    let stem = name.split('.').next().unwrap_or_default();
    let spec = stem.trim_start_matches("seg-").trim_start_matches("init");
    let number: String = spec.chars().take_while(char::is_ascii_digit).collect();
    let spec = spec.strip_prefix(&number).unwrap_or(spec);
    let folder = target.rsplit_once('/').map_or("", |(folder, _)| folder);
    let playlist = client.get(&format!("{folder}/index{spec}.m3u8")).text();
    let key = playlist
        .lines()
        .find(|line| line.starts_with("#EXT-X-KEY"))
        .ok_or("no key in the playlist")?;
    let url = key
        .split("URI=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .ok_or("no URI of the key")?;
    let path = url.trim_start_matches("http://").trim_start_matches(HOST);
    let key_bytes: [u8; 16] = client
        .get(path)
        .body
        .try_into()
        .map_err(|_| "a key of another size")?;
    let iv = match key.split("IV=0x").nth(1) {
        Some(digits) => {
            u128::from_str_radix(digits.get(..32).unwrap_or_default(), 16).map_err(|e| e.to_string())?
        }
        None => number.parse().unwrap_or(0),
    };
    let mut data = answer.body.clone();
    let decryptor = cbc::Decryptor::<Aes128>::new(&key_bytes.into(), &iv.to_be_bytes().into());
    let clear = decryptor
        .decrypt_padded_mut::<Pkcs7>(&mut data)
        .map_err(|_| "the padding is wrong")?;
    Ok(clear.to_vec())
}

/// Every packet as ffprobe prints it: `stream,pts,dts,size,K`.
fn packets(bytes: &[u8]) -> Vec<String> {
    let mut child = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-show_entries",
            "packet=stream_index,pts,dts,size,flags",
            "-of",
            "csv=p=0",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("ffprobe starts; `make setup` installs what is missing");
    let mut input = child
        .stdin
        .take()
        .expect("standard input was asked for as a pipe");
    let bytes = bytes.to_vec();
    let feeding = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("ffprobe runs");
    // It may stop reading early.
    let _ = feeding.join();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |line: &str| {
        let columns: Vec<&str> = line.split(',').take(5).collect();
        let [stream, pts, dts, size, flags] = columns[..] else {
            return line.to_owned();
        };
        format!(
            "{stream},{pts},{dts},{size},{}",
            flags.get(..1).unwrap_or_default()
        )
    };
    text.lines().filter(|line| !line.is_empty()).map(line).collect()
}

fn start(text: &str) -> String {
    text.chars().take(160).collect()
}
