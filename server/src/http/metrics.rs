//! `/metrics`, for Prometheus.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::header;
use http::request::Parts;
use subtle::ConstantTimeEq;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Peer;
use super::extract::Admin;
use super::problem::Problem;
use crate::app::App;
use crate::fault::Fault;
use crate::metrics::TYPE;
use crate::service::observe;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// Who may read metrics: whoever has the token of the setting `metrics_token`, an administrator, and, while that setting is empty, a
/// program on this machine that asks itself and not for somebody else.
struct Watcher;

impl FromRequestParts<Arc<App>> for Watcher {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Fault> {
        let header = |name: &str| parts.headers.get(name);
        match &app.config.metrics_token {
            Some(token) => {
                let given = header("authorization")
                    .and_then(|value| value.to_str().ok()?.split_once(' '))
                    .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                    .map(|(_, given)| given.trim().as_bytes());
                if given.is_some_and(|given| given.ct_eq(token.expose().as_bytes()).into()) {
                    return Ok(Self);
                }
            }
            None => {
                let here = parts
                    .extensions
                    .get::<Peer>()
                    .is_some_and(|peer| peer.0.ip().to_canonical().is_loopback());
                let passed_on = FORWARDED.iter().any(|name| header(name).is_some());
                if here && !passed_on {
                    return Ok(Self);
                }
            }
        }
        Admin::from_request_parts(parts, app).await.map(|_| Self)
    }
}

/// What proxies add to what they pass on.
const FORWARDED: [&str; 5] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
];

/// What the server counts, in the text format of Prometheus. For an administrator, for whoever has the token of the setting
/// `metrics_token`, and while that is empty for programs on the server's machine.
#[utoipa::path(get, path = "/metrics", tag = "system", security((), ("bearer" = [])),
    responses((status = 200, description = "Metrics", content_type = "text/plain"), (status = 401, response = Problem)))]
async fn metrics(State(app): State<Arc<App>>, _watcher: Watcher) -> Result<Response, Fault> {
    let page = observe::page(&app.store, &app.recordings, &app.monitor).await?;
    Ok(([(header::CONTENT_TYPE, TYPE)], page).into_response())
}
