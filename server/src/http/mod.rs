//! The REST API: a handler extracts, calls one service method, and maps the result. One file for each resource.

mod audio;
mod auth;
mod catalogue;
mod codes;
mod cors;
pub(crate) mod extract;
mod extras;
pub(crate) mod file;
mod health;
mod jobs;
mod live;
mod media;
#[cfg(test)]
mod media_tests;
mod metrics;
mod patience;
pub(crate) mod problem;
mod reference;
mod retention;
mod schedules;
mod site;
mod sources;
mod system;
mod tasks;
mod trim;
mod tus;
mod uploads;
mod videos;
pub(crate) mod viewing;
mod webhooks;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use tower::ServiceExt;
use utoipa::OpenApi;
use utoipa::openapi::Ref;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::fault::Fault;
use crate::listen::Respond;
use crate::log;
use crate::metrics::HTTP;
use crate::service::limits::network;
use extract::Client;
use patience::Patient;

/// Bytes of the largest body of a request that is not an upload.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// The name of a request, in the log and in a problem.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client of a request as the socket has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

#[derive(OpenApi)]
#[openapi(
    info(title = "MediaStack", description = "Records live streams and publishes them as video on demand."),
    components(responses(problem::Problem), schemas(problem::Wrong, crate::service::library::Sort)),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// All routes of the API with their document.
fn api() -> OpenApiRouter<Arc<App>> {
    let mut routes = resources();
    for item in routes.get_openapi_mut().paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.head,
            &mut item.patch,
            &mut item.options,
        ];
        for operation in operations.into_iter().flatten() {
            // A handler's name is one in its file: `list` of sources, `list` of tags.
            let tag = operation.tags.as_ref().and_then(|tags| tags.first());
            if let (Some(tag), Some(name)) = (tag, &operation.operation_id) {
                operation.operation_id = Some(format!("{tag}_{name}").replace('-', "_"));
            }
            if operation.request_body.is_some() {
                // Whatever has a body may be too slow or too large.
                for status in ["408", "413"] {
                    let refused = || Ref::from_response_name("Problem").into();
                    let said = operation.responses.responses.entry(status.to_owned());
                    said.or_insert_with(refused);
                }
            }
        }
    }
    routes
}

fn resources() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(audio::routes())
        .merge(auth::routes())
        .merge(catalogue::routes())
        .merge(codes::routes())
        .merge(extras::routes())
        .merge(videos::routes())
        .merge(health::routes())
        .merge(media::routes())
        .merge(retention::routes())
        .merge(schedules::routes())
        .merge(sources::routes())
        .merge(system::routes())
        .merge(tasks::routes())
        .merge(live::routes())
        .merge(metrics::routes())
        .merge(jobs::routes())
        .merge(trim::routes())
        .merge(tus::routes())
        .merge(uploads::routes())
        .merge(webhooks::routes())
}

/// The OpenAPI document.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    api().split_for_parts().1
}

/// Everything that the server answers.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (routes, mut document) = api().split_for_parts();
    document.info.title.clone_from(&app.config.app_name);
    // As bytes: its tree takes ten times as much memory. One that can't be written is empty.
    let document = Bytes::from(document.to_json().unwrap_or_default());
    let docs: Router<Arc<App>> = utoipa_swagger_ui::SwaggerUi::new("/docs")
        .config(utoipa_swagger_ui::Config::from("/openapi.json"))
        .into();
    routes
        .merge(docs.layer(middleware::map_response(site::guarded)))
        .merge(reference::routes(document))
        .fallback(site::fallback)
        .method_not_allowed_fallback(|| async {
            problem::plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), cors::apply))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), around))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(
            problem::panicked,
        ))
        .with_state(app)
}

/// Names each request, and sends a path with a slash at its end to the one without.
async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id: Arc<str> = uuid::Uuid::new_v4().simple().to_string().into();
    let path = request.uri().path();
    if path.len() > 1 && path.starts_with("/api/") && path.ends_with('/') {
        return slashless(&request);
    }
    let response = log::named(Arc::clone(&id), logged(app, request, next)).await;
    problem::name(response, &id).await
}

/// Answers a request and says so; gives up a client that does not send it.
async fn logged(app: Arc<App>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let started = std::time::Instant::now();
    let asks_first = request.headers().contains_key(header::EXPECT);
    let (mut head, body) = request.into_parts();
    let client = Client::from_request_parts(&mut head, &app).await;
    let (body, late) = Patient::new(body, app.config.client_timeout, asks_first);
    let request = Request::from_parts(head, axum::body::Body::new(body));
    let mut response = next.run(request).await;
    if late.is() {
        response = problem::plain(StatusCode::REQUEST_TIMEOUT, "The request did not come in time");
    }
    // What is served is what it says it is: a page that somebody hid in a file stays a file.
    let sniffed = response.headers_mut().entry(header::X_CONTENT_TYPE_OPTIONS);
    sniffed.or_insert(HeaderValue::from_static("nosniff"));
    let status = response.status();
    let elapsed = started.elapsed();
    let route = route.as_ref().map(MatchedPath::as_str);
    HTTP.count(route, &method, status, elapsed);
    if let Some(cause) = response.extensions_mut().remove::<problem::Cause>() {
        tracing::error!(%method, path, "request failed: {cause}");
    }
    // Whoever is refused often is told of once.
    if status == StatusCode::TOO_MANY_REQUESTS
        && let Ok(Client(address)) = client
        && app.refused.take(&network(address))
    {
        tracing::warn!(network = %network(address), path, "a client is refused for a while: too many attempts");
    }
    let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(%method, path, status = status.as_u16(), elapsed_us, "answered");
    response
}

fn slashless(request: &Request) -> Response {
    let path = request.uri().path().trim_end_matches('/');
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    match HeaderValue::from_str(&target) {
        Ok(target) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target)]).into_response(),
        Err(_) => Fault::missing("Not Found").into_response(),
    }
}

/// The router as what answers a connection's requests.
pub(crate) struct Site(pub(crate) Router);

impl Respond for Site {
    type Body = axum::body::Body;

    async fn respond(self: Arc<Self>, request: http::Request<Incoming>, peer: SocketAddr) -> Response {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(Peer(peer));
        let answered: Result<Response, Infallible> = self.0.clone().oneshot(request).await;
        answered.unwrap_or_else(|never| match never {})
    }
}
