//! Values with variables: `mysecret$vod_filepath`.

use crate::error::{Error, ErrorKind, Result};

/// A value of the configuration with variables in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    File,
    Uri,
    Set,
}

/// What the variables stand for in one request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variables<'a> {
    /// `$vod_filepath`: the media's path; with files that the URL names the same as `uri`.
    pub file: &'a str,
    /// `$vod_suburi`: the part of the URL that stands for the media.
    pub uri: &'a str,
    /// `$vod_set_id`: the id that the mapping gives.
    pub set: &'a str,
}

impl Template {
    /// Reads a value. A variable is `$name` or `${name}`.
    ///
    /// # Errors
    /// `InvalidInput` for a variable that is none of ours.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let inner = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (name, left) = inner.unwrap_or_else(|| {
                let end = after.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
                after.split_at(end.unwrap_or(after.len()))
            });
            parts.push(match name {
                "vod_filepath" => Part::File,
                "vod_suburi" => Part::Uri,
                "vod_set_id" => Part::Set,
                _ => {
                    let text =
                        format!("the variable ${name} is not one of $vod_filepath, $vod_suburi, $vod_set_id");
                    return Err(Error::new(ErrorKind::InvalidInput, text));
                }
            });
            rest = left;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let text = text.to_owned();
        Ok(Self { text, parts })
    }

    /// The value as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value with its variables filled in.
    pub fn expand(&self, variables: &Variables<'_>) -> String {
        let part = |part: &'_ Part| match part {
            Part::Text(text) => text.clone(),
            Part::File => variables.file.to_owned(),
            Part::Uri => variables.uri.to_owned(),
            Part::Set => variables.set.to_owned(),
        };
        self.parts.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_others_refused() {
        let variables = Variables {
            file: "/a.mp4",
            uri: "/loc/a.mp4",
            set: "7",
        };
        for (text, expected) in [
            ("mysecret$vod_filepath", "mysecret/a.mp4"),
            ("${vod_set_id}x$vod_suburi-", "7x/loc/a.mp4-"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(Template::parse(text).unwrap().expand(&variables), expected);
        }
        for text in ["$arg_x", "a$", "${vod_set_id", "$vod_filepaths"] {
            let error = Template::parse(text).unwrap_err().to_string();
            assert!(error.contains("$vod_set_id"), "{error}");
        }
    }
}
