//! The settings in effect, as an administrator may see them.

use mediacore::source::Network;

use crate::config::Config;

/// What the server runs with; secrets are `***`.
pub(crate) fn settings(config: &Config) -> Vec<(&'static str, String)> {
    let secret = |is_set: bool| if is_set { "***" } else { "" }.to_owned();
    let seconds = |length: std::time::Duration| length.as_secs().to_string();
    let networks = |networks: &[Network]| {
        let texts: Vec<String> = networks.iter().map(Network::to_string).collect();
        texts.join(", ")
    };
    vec![
        ("listen", config.listen.to_string()),
        ("data_dir", config.data_dir.display().to_string()),
        ("storage_path", config.storage.display().to_string()),
        ("database_url", without_password(&config.database_url)),
        ("app_name", config.app_name.clone()),
        ("admin_username", config.admin_username.clone()),
        ("admin_password", secret(config.admin_password.is_some())),
        ("secret_key", secret(config.secret_key.is_some())),
        ("token_life_s", seconds(config.token_life)),
        ("cors_origins", config.cors_origins.join(", ")),
        ("timezone", config.zone.iana_name().unwrap_or_default().to_owned()),
        ("trusted_proxies", networks(&config.trusted_proxies)),
        ("allow_private_sources", config.allow_private_sources.to_string()),
        ("source_networks", networks(&config.source_networks)),
        ("check_interval_s", seconds(config.check_interval)),
        ("callback_key", secret(config.callback_key.is_some())),
        ("max_video_upload", config.max_video_upload.to_string()),
        ("max_audio_upload", config.max_audio_upload.to_string()),
        ("upload_life_s", seconds(config.upload_life)),
        ("trash_life_s", seconds(config.trash_life)),
        ("min_free_space", config.min_free.to_string()),
        ("low_space", config.low_space.to_string()),
        ("log_level", config.log_level.clone()),
        ("log_format", config.log_format.as_str().to_owned()),
        ("metrics_token", secret(config.metrics_token.is_some())),
        ("max_connections", config.max_connections.to_string()),
        (
            "max_connections_per_client",
            config.max_connections_per_client.to_string(),
        ),
        ("client_timeout_s", seconds(config.client_timeout)),
        ("worker_sandbox", config.worker_sandbox.as_str().to_owned()),
    ]
}

fn without_password(url: &str) -> String {
    match url.parse::<url::Url>() {
        // A password may stand in the query too.
        Ok(mut parsed) if url.starts_with("postgres") => {
            parsed.set_query(None);
            if parsed.password().is_some() && parsed.set_password(Some("***")).is_err() {
                return "***".to_owned();
            }
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_keys_are_not_shown() {
        let shown = without_password("postgres://m:s3cret@db/m?password=s3cret");
        assert_eq!(shown, "postgres://m:***@db/m");
        assert_eq!(without_password("sqlite:data/m.db"), "sqlite:data/m.db");
    }
}
