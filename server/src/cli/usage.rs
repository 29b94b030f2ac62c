//! What clap says about wrong arguments, on one line and without any address in it.

use std::process::ExitCode;

use clap::error::ErrorKind as Wrong;
use mediacore::source::SourceUrl;
use mediacore::{Error, ErrorKind};

use super::answer::Answer;

/// Prints help, a version or what is wrong with the arguments.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        Wrong::DisplayHelp | Wrong::DisplayVersion | Wrong::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let message = one_line(&error.render().to_string(), &arguments);
    Answer::failed(Error::new(ErrorKind::InvalidInput, message)).print(json)
}

/// The message before the usage, with the addresses among `arguments` hidden.
fn one_line(rendered: &str, arguments: &[String]) -> String {
    let mut text = rendered
        .split("\n\nUsage:")
        .next()
        .and_then(|text| text.split("\n\nFor more information").next())
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned();
    let mut addresses: Vec<&str> = arguments
        .iter()
        .map(|argument| match argument.split_once('=') {
            Some((option, value)) if option.starts_with("--") => value,
            _ => argument,
        })
        .filter(|argument| argument.contains("://") || argument.contains('@'))
        .collect();
    addresses.sort_by_key(|address| std::cmp::Reverse(address.len()));
    for address in addresses {
        let shown = SourceUrl::parse(address).map_or_else(|_| "<address>".to_owned(), |url| url.to_string());
        text = text.replace(address, &shown);
    }
    let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "tip:").collect();
    format!("{} (see mediastack --help)", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_without_secrets() {
        let url = "rtsp://u:secret@h/a".to_owned();
        let rendered =
            format!("error: unexpected argument '{url}' found\n\nUsage: mediastack record\n\nFor more");
        assert_eq!(
            one_line(&rendered, &[url]),
            "unexpected argument 'rtsp://***@h/a' found (see mediastack --help)"
        );
        let wrong = "file:/u:secret@h".to_owned();
        assert!(!one_line(&format!("error: what is '{wrong}'"), &[wrong]).contains("secret"));
    }
}
