//! What happens, as it happens: the WebSocket of the sources' page, and server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::sse::{Event as Sse, KeepAlive, Sse as Stream};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::Admin;
use super::problem::Problem;
use crate::app::App;
use crate::domain::time::Micros;
use crate::listen::told;
use crate::service::events::Event;

/// Bytes of the longest message of a client.
const MAX_MESSAGE: usize = 4096;

/// A client that says nothing for longer is gone; pages say something every 30 s.
const SILENCE: Duration = Duration::from_secs(120);

/// How often running recordings are told.
const LIVE: Duration = Duration::from_secs(2);

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(events))
        .route("/ws/sources", axum::routing::any(sources))
}

async fn sources(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => upgrade
            .max_message_size(MAX_MESSAGE)
            .on_upgrade(|socket| converse(socket, app)),
        Err(rejected) => rejected.into_response(),
    }
}

async fn converse(mut socket: WebSocket, app: Arc<App>) {
    static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
    let mut heard = app.events.listen();
    let id = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let hello = json!({"type": "connected", "data": {"connection_id": id, "timestamp": Micros::now()}});
    if say(&mut socket, &hello).await.is_none() {
        return;
    }
    let mut stopping = app.stopping.clone();
    let mut silent = tokio::time::Instant::now() + SILENCE;
    loop {
        let done = tokio::select! {
            event = heard.recv() => match event {
                Ok(event @ Event::SourceStatusChanged { .. }) => match serde_json::to_value(&event) {
                    Ok(event) => say(&mut socket, &event).await,
                    Err(_) => Some(()),
                },
                // It missed some; the page reads the list when it needs it.
                Ok(_) | Err(RecvError::Lagged(_)) => Some(()),
                Err(RecvError::Closed) => None,
            },
            message = socket.recv() => {
                silent = tokio::time::Instant::now() + SILENCE;
                match message {
                    Some(Ok(Message::Text(text))) if wants_pong(&text) => say(&mut socket, &json!({"type": "pong"})).await,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => None,
                    Some(Ok(_)) => Some(()),
                }
            }
            () = tokio::time::sleep_until(silent) => None,
            () = told(&mut stopping) => None,
        };
        if done.is_none() {
            return;
        }
    }
}

/// A ping, or what is no JSON at all.
fn wants_pong(text: &str) -> bool {
    serde_json::from_str::<Value>(text).map_or(true, |value| value["type"] == "ping")
}

async fn say(socket: &mut WebSocket, value: &Value) -> Option<()> {
    socket.send(Message::Text(value.to_string().into())).await.ok()
}

/// What happens, as server-sent events: one for each change, named by its type; `live` with all running recordings every two seconds;
/// `resync` when some were missed and the lists are to be read anew. It ends with the session.
#[utoipa::path(get, path = "/api/events", tag = "system", security(("bearer" = [])),
    responses((status = 200, description = "Events", content_type = "text/event-stream"), (status = 401, response = Problem)))]
async fn events(State(app): State<Arc<App>>, Admin(session): Admin) -> impl IntoResponse {
    let heard = app.events.listen();
    let ticks = tokio::time::interval(LIVE);
    let stopping = app.stopping.clone();
    let told = stream::unfold(
        (app, session, heard, ticks, stopping),
        |(app, session, mut heard, mut ticks, mut stopping)| async move {
            let event = tokio::select! {
                event = heard.recv() => match event {
                    Ok(event) => named(&event),
                    Err(RecvError::Lagged(_)) => Sse::default().event("resync").data("{}"),
                    Err(RecvError::Closed) => return None,
                },
                _ = ticks.tick() => {
                    if !app.auth.lasts(&session) {
                        return None;
                    }
                    let live = serde_json::to_string(&app.recordings.live()).unwrap_or_default();
                    Sse::default().event("live").data(live)
                }
                () = told(&mut stopping) => return None,
            };
            Some((Ok::<_, Infallible>(event), (app, session, heard, ticks, stopping)))
        },
    );
    Stream::new(told).keep_alive(KeepAlive::default())
}

fn named(event: &Event) -> Sse {
    let value = serde_json::to_value(event).unwrap_or_default();
    let name = value["type"].as_str().unwrap_or("changed").to_owned();
    Sse::default().event(name).data(value["data"].to_string())
}
