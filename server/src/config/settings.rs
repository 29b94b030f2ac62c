//! Every setting: its name in a file, in the environment, its default, and what it is.

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name in the TOML file.
    pub(crate) name: &'static str,
    /// Its name in the environment.
    pub(crate) env: &'static str,
    /// What it is when nobody says.
    pub(crate) default: &'static str,
    /// It is never shown.
    pub(crate) secret: bool,
    /// What it is, for people.
    pub(crate) about: &'static str,
}

const fn setting(
    name: &'static str,
    env: &'static str,
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        name,
        env,
        default,
        secret: false,
        about,
    }
}

const fn secret(name: &'static str, env: &'static str, about: &'static str) -> Setting {
    Setting {
        name,
        env,
        default: "",
        secret: true,
        about,
    }
}

/// All of them.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "listen",
        "LISTEN",
        "127.0.0.1:8000",
        "Address and port of the server",
    ),
    setting(
        "data_dir",
        "DATA_DIR",
        "data",
        "Folder of everything that the server keeps",
    ),
    setting(
        "storage_path",
        "STORAGE_PATH",
        "",
        "Folder of the media; empty is `videos` in data_dir",
    ),
    setting(
        "database_url",
        "DATABASE_URL",
        "",
        "sqlite:PATH or postgres://…; empty is SQLite in data_dir",
    ),
    setting(
        "app_name",
        "APP_NAME",
        "MediaStack",
        "Title of the API and of the pages",
    ),
    setting(
        "admin_username",
        "ADMIN_USERNAME",
        "admin",
        "Name of the first administrator",
    ),
    secret(
        "admin_password",
        "ADMIN_PASSWORD",
        "Password of the first administrator; on loopback alone it may be left out and is admin123",
    ),
    secret(
        "secret_key",
        "SECRET_KEY",
        "Key of tokens and stored codes; empty is one made at the first start",
    ),
    setting(
        "algorithm",
        "ALGORITHM",
        "HS256",
        "Signature of tokens; only HS256",
    ),
    setting(
        "access_token_expire_minutes",
        "ACCESS_TOKEN_EXPIRE_MINUTES",
        "1440",
        "Minutes that a sign-in lasts",
    ),
    setting(
        "cors_origins",
        "CORS_ORIGINS",
        "http://localhost:5173,http://localhost:3000",
        "Origins whose pages may call the API: a JSON array, or separated by commas",
    ),
    setting(
        "timezone",
        "TZ",
        "",
        "IANA zone of schedules that name none; empty is the system's",
    ),
    setting(
        "trusted_proxies",
        "TRUSTED_PROXIES",
        "",
        "Networks whose X-Forwarded-For and -Proto are believed",
    ),
    setting(
        "allow_private_sources",
        "ALLOW_PRIVATE_SOURCES",
        "",
        "Whether sources may be in private networks; empty is yes while the server listens on loopback",
    ),
    setting(
        "source_networks",
        "SOURCE_NETWORKS",
        "",
        "Networks that sources may be in beside public ones, such as 192.168.1.0/24 of the cameras",
    ),
    setting(
        "check_interval_s",
        "CHECK_INTERVAL_S",
        "30",
        "Seconds between checks of a source that is not recorded",
    ),
    secret(
        "callback_key",
        "CALLBACK_KEY",
        "Key that a cloud vendor signs its pushes with; empty takes any push, as the vendor's form has no other secret",
    ),
    setting(
        "max_video_upload",
        "MAX_VIDEO_UPLOAD",
        "10GiB",
        "Largest video that can be uploaded",
    ),
    setting(
        "max_audio_upload",
        "MAX_AUDIO_UPLOAD",
        "1GiB",
        "Largest audio file that can be uploaded",
    ),
    setting(
        "upload_life_hours",
        "UPLOAD_LIFE_HOURS",
        "48",
        "Hours until an upload that nobody goes on with is dropped",
    ),
    setting(
        "trash_hours",
        "TRASH_HOURS",
        "24",
        "Hours that a video can be brought back that a person or a rule deleted",
    ),
    setting(
        "min_free_space",
        "MIN_FREE_SPACE",
        "1GiB",
        "Free space on the media's disk that uploads leave to recordings; retention's min_free_bytes is at least that; 0 is off",
    ),
    setting(
        "low_space",
        "LOW_SPACE",
        "5GiB",
        "Free space on the media's disk below which webhooks are told storage.low; 0 is off",
    ),
    setting(
        "log_level",
        "LOG_LEVEL",
        "",
        "What is logged: error, warn, info, debug or a tracing filter; empty is RUST_LOG, or warn",
    ),
    setting(
        "log_format",
        "LOG_FORMAT",
        "text",
        "How lines of the log look: text or json",
    ),
    secret(
        "metrics_token",
        "METRICS_TOKEN",
        "Bearer token of /metrics; while it is empty a program on this machine needs none",
    ),
    setting(
        "max_connections",
        "MAX_CONNECTIONS",
        "10000",
        "Connections at a time; more wait",
    ),
    setting(
        "max_connections_per_client",
        "MAX_CONNECTIONS_PER_CLIENT",
        "4000",
        "Connections at a time of one address (IPv6: a network of 64 bits) that is no trusted proxy; more are closed",
    ),
    setting(
        "client_timeout_s",
        "CLIENT_TIMEOUT_S",
        "60",
        "Seconds that a client may send nothing of a request, or take nothing of an answer",
    ),
    setting(
        "worker_sandbox",
        "WORKER_SANDBOX",
        "auto",
        "Whether processes that read uploads are held to the system calls and files that they need: auto is as far as the system can, required, off",
    ),
];
