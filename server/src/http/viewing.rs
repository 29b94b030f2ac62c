//! [`Viewing`]: who looks, by sign-in, by cookie or by header.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::extract::{Client, MaybeAdmin, cookie};
use crate::app::App;
use crate::fault::Fault;
use crate::service::access::Viewer;

/// The cookie of entered viewing codes.
pub(crate) const VIEWER_COOKIE: &str = "mediastack_view";

/// Who looks: an administrator, somebody with codes, or anybody. Never 401.
#[derive(Clone, Debug)]
pub(crate) struct Viewing(pub(crate) Viewer);

impl FromRequestParts<Arc<App>> for Viewing {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Fault> {
        let Ok(MaybeAdmin(session)) = MaybeAdmin::from_request_parts(parts, app).await;
        if session.is_some() {
            return Ok(Self(app.access.viewer(true, &[])));
        }
        let Client(from) = Client::from_request_parts(parts, app).await?;
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let token = cookie(&parts.headers, VIEWER_COOKIE).or_else(|| header("x-view-token"));
        let codes = app.access.codes_of(token, header("x-view-code"), from)?;
        Ok(Self(app.access.viewer(false, &codes)))
    }
}
