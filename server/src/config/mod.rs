//! The configuration: defaults ← TOML file ← environment ← flags. Every mistake is reported at once.

mod settings;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mediacore::source::Network;

use crate::log::Format;

pub(crate) use values::{Mistakes, Origin, Values};

/// A text that is shown to nobody.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("***")
    }
}

/// Whether processes that read media of others must be held to what they need.
#[derive(Clone, Copy, Debug, serde::Deserialize, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sandbox {
    /// As far as the system can do it.
    Auto,
    /// The server starts, and media is read, only where it can be done.
    Required,
    /// They have limits of memory and time, and no more.
    Off,
}

impl Sandbox {
    /// The word of the setting.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Required => "required",
            Self::Off => "off",
        }
    }
}

/// What the server runs with. What each is, its name in a file and in the environment: [`settings`].
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) storage: PathBuf,
    pub(crate) database_url: String,
    pub(crate) app_name: String,
    pub(crate) admin_username: String,
    pub(crate) admin_password: Option<Secret>,
    pub(crate) secret_key: Option<Secret>,
    pub(crate) token_life: Duration,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) zone: jiff::tz::TimeZone,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) allow_private_sources: bool,
    pub(crate) source_networks: Vec<Network>,
    pub(crate) check_interval: Duration,
    pub(crate) callback_key: Option<Secret>,
    pub(crate) max_video_upload: u64,
    pub(crate) max_audio_upload: u64,
    pub(crate) upload_life: Duration,
    pub(crate) trash_life: Duration,
    pub(crate) min_free: u64,
    pub(crate) low_space: u64,
    pub(crate) log_level: String,
    pub(crate) metrics_token: Option<Secret>,
    pub(crate) log_format: Format,
    pub(crate) max_connections: usize,
    /// Of them, those of one client.
    pub(crate) max_connections_per_client: usize,
    pub(crate) client_timeout: Duration,
    pub(crate) worker_sandbox: Sandbox,
}

/// What a server that was configured with its published defaults must not use.
const PUBLISHED_KEY: &str = "change-me-in-production";

impl Config {
    /// Reads what `values` say.
    ///
    /// # Errors
    /// All mistakes.
    pub(crate) fn of(values: &Values) -> Result<Self, Mistakes> {
        let mut read = values.reader();
        let listen = read.address("listen");
        let data_dir = read.path("data_dir");
        let storage = match read.text("storage_path") {
            text if text.is_empty() => data_dir.join("videos"),
            text => PathBuf::from(text),
        };
        let database_url = match read.text("database_url") {
            url if url.is_empty() => format!("sqlite:{}", data_dir.join("db/mediastack.db").display()),
            url => url,
        };
        if !database_url.starts_with("postgres")
            && let Err(error) = crate::store::sqlite_path(&database_url)
        {
            read.wrong("database_url", error);
        }
        if read.text("algorithm") != "HS256" {
            read.wrong("algorithm", "only HS256 is supported");
        }
        let zone = read.text("timezone");
        let zone = if zone.is_empty() {
            jiff::tz::TimeZone::system()
        } else {
            jiff::tz::TimeZone::get(&zone).unwrap_or_else(|_| {
                read.wrong(
                    "timezone",
                    format!("{zone:?} is no IANA time zone, such as Asia/Shanghai"),
                );
                jiff::tz::TimeZone::UTC
            })
        };
        let allow_private_sources = match read.text("allow_private_sources").as_str() {
            "" => listen.ip().is_loopback(),
            "true" | "1" => true,
            "false" | "0" => false,
            _ => {
                read.wrong("allow_private_sources", "true or false");
                false
            }
        };
        let trusted_proxies = networks(&mut read, "trusted_proxies");
        let source_networks = networks(&mut read, "source_networks");
        let admin_username = read.text("admin_username");
        if admin_username.is_empty() || admin_username.chars().count() > 32 {
            read.wrong("admin_username", "1 to 32 characters");
        }
        let admin_password = read.secret("admin_password");
        if admin_password.is_none() && !listen.ip().is_loopback() {
            read.wrong(
                "admin_password",
                "needed when the server listens on an address that others reach: set ADMIN_PASSWORD",
            );
        }
        let log_level = read.text("log_level");
        if !log_level.is_empty()
            && let Err(error) = crate::log::filter(&log_level)
        {
            read.wrong("log_level", error);
        }
        let log_format = match read.text("log_format").as_str() {
            "text" => Format::Text,
            "json" => Format::Json,
            _ => {
                read.wrong("log_format", "text or json");
                Format::Text
            }
        };
        let worker_sandbox = match read.text("worker_sandbox").as_str() {
            "auto" => Sandbox::Auto,
            "required" => Sandbox::Required,
            "off" => Sandbox::Off,
            _ => {
                read.wrong("worker_sandbox", "auto, required or off");
                Sandbox::Auto
            }
        };
        let config = Self {
            listen,
            storage,
            database_url,
            app_name: read.text("app_name"),
            admin_username,
            admin_password,
            secret_key: read
                .secret("secret_key")
                .filter(|key| key.expose() != PUBLISHED_KEY),
            token_life: read.span("access_token_expire_minutes", 60, 1..=525_600),
            cors_origins: read.list("cors_origins"),
            zone,
            trusted_proxies,
            allow_private_sources,
            source_networks,
            callback_key: read.secret("callback_key"),
            check_interval: read.span("check_interval_s", 1, 5..=86_400),
            max_video_upload: read.bytes("max_video_upload"),
            max_audio_upload: read.bytes("max_audio_upload"),
            upload_life: read.span("upload_life_hours", 3600, 1..=8760),
            trash_life: read.span("trash_hours", 3600, 1..=8760),
            min_free: read.bytes("min_free_space"),
            low_space: read.bytes("low_space"),
            log_level,
            log_format,
            metrics_token: read.secret("metrics_token"),
            max_connections: read.count("max_connections", 16..=1_000_000),
            max_connections_per_client: read.count("max_connections_per_client", 1..=1_000_000),
            client_timeout: read.span("client_timeout_s", 1, 1..=3600),
            worker_sandbox,
            data_dir,
        };
        read.finish(config)
    }
}

/// The networks of a list.
fn networks(read: &mut values::Reader<'_>, name: &'static str) -> Vec<Network> {
    let mut networks = Vec::new();
    for text in read.list(name) {
        match text.parse() {
            Ok(network) => networks.push(network),
            Err(_) => read.wrong(name, format!("{text:?} is no network, such as 10.0.0.0/8")),
        }
    }
    networks
}

/// Reads the file at `path`, the environment and `flags`.
///
/// # Errors
/// All mistakes, also those of names that don't exist.
pub(crate) fn load(
    path: Option<&Path>,
    flags: &[(&'static str, String)],
) -> Result<(Config, Values), Mistakes> {
    let mut values = Values::defaults();
    let mut mistakes = Mistakes::default();
    if let Some(path) = path {
        values.take_file(path, &mut mistakes);
    }
    values.take_environment(&mut mistakes, |name| std::env::var(name).ok());
    for (name, value) in flags {
        values.set(name, value.clone(), Origin::Flag);
    }
    match Config::of(&values) {
        Ok(config) if mistakes.is_empty() => Ok((config, values)),
        Ok(_) => Err(mistakes),
        Err(more) => Err(mistakes.and(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &str)]) -> Result<Config, Mistakes> {
        let mut values = Values::defaults();
        for (name, value) in pairs {
            values.set(name, (*value).to_owned(), Origin::Flag);
        }
        Config::of(&values)
    }

    #[test]
    fn the_defaults_are_a_server_on_loopback() {
        let config = of(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.storage, Path::new("data/videos"));
        assert_eq!(config.token_life, Duration::from_secs(86_400));
        assert_eq!(config.max_video_upload, 10 << 30);
        assert!(config.allow_private_sources);
        assert_eq!(config.cors_origins.len(), 2);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let told = of(&[
            ("listen", "0.0.0.0:8000"),
            ("timezone", "Mars/Olympus"),
            ("access_token_expire_minutes", "0"),
            ("max_video_upload", "many"),
            ("algorithm", "none"),
            ("worker_sandbox", "perhaps"),
            ("source_networks", "10.0.0.0/33"),
        ])
        .unwrap_err()
        .to_string();
        for name in [
            "admin_password",
            "timezone",
            "access_token_expire_minutes",
            "max_video_upload",
            "algorithm",
            "worker_sandbox",
            "source_networks",
        ] {
            assert!(told.contains(name), "{name}: {told}");
        }
    }

    #[test]
    fn the_environment_wins_over_the_file_and_lists_come_in_both_forms() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.toml");
        std::fs::write(
            &path,
            "app_name = \"Of the file\"\ncors_origins = [\"https://a\"]\ntoken = 1\n",
        )
        .unwrap();
        let mut values = Values::defaults();
        let mut mistakes = Mistakes::default();
        values.take_file(&path, &mut mistakes);
        assert!(mistakes.to_string().contains("token"), "{mistakes}");
        values.take_environment(&mut mistakes, |name| match name {
            "APP_NAME" => Some("Of the environment".to_owned()),
            "CORS_ORIGINS" => Some("https://b, https://c".to_owned()),
            "SECRET_KEY" => Some("s3cret".to_owned()),
            _ => None,
        });
        let config = Config::of(&values).unwrap();
        assert_eq!(config.app_name, "Of the environment");
        assert_eq!(config.cors_origins, ["https://b", "https://c"]);
        let shown = values.to_string();
        assert!(
            shown.contains("secret_key = \"***\"") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}
