//! `/api/health`, `/api/ready`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use crate::app::App;
use crate::fault::Fault;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(ready))
}

/// That the server runs.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

/// Whether the server runs.
#[utoipa::path(get, path = "/api/health", tag = "system", responses((status = 200, body = Health)))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the server can work: its database answers and its storage folder is there.
#[utoipa::path(get, path = "/api/ready", tag = "system", responses((status = 200, body = Health), (status = 503, response = Problem)))]
async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>, Fault> {
    let unavailable = |what: &str| Fault::Unavailable(what.to_owned());
    app.store
        .ping()
        .await
        .map_err(|_| unavailable("the database does not answer"))?;
    let folders = Arc::clone(&app.folders);
    let there = tokio::task::spawn_blocking(move || folders.check()).await?;
    there.map_err(|_| unavailable("the storage folder is not there"))?;
    Ok(Json(Health { status: "ok" }))
}
