//! What handlers take: who asks, and the parts of a request, with problems where they are wrong.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::HeaderMap;
use http::request::Parts;
use http::{Method, header};
use mediacore::source::Network;
use serde::de::DeserializeOwned;

use super::Peer;
use crate::app::App;
use crate::fault::Fault;
use crate::service::auth::Session;

/// The cookie of a sign-in, for media elements, which send no header.
pub(crate) const SESSION_COOKIE: &str = "mediastack_session";

/// An administrator; 401 without one.
#[derive(Clone, Debug)]
pub(crate) struct Admin(pub(crate) Session);

/// An administrator, if one is signed in. A wrong or expired token counts as none.
#[derive(Clone, Debug)]
pub(crate) struct MaybeAdmin(pub(crate) Option<Session>);

/// Where a request comes from, for limits. A proxy is believed only when it is a trusted one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) IpAddr);

fn session(parts: &Parts, app: &App) -> Option<Session> {
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| app.auth.session(token.trim()))?;
    }
    // A cookie is sent by forms of other sites too: alone it lets one look and change nothing. A header that isn't every form's is
    // added by scripts only, and a script of another site must be allowed to by the preflight, which knows the configured origins.
    let looks = parts.method == Method::GET || parts.method == Method::HEAD;
    if looks || parts.headers.contains_key("x-requested-with") {
        return app.auth.session(cookie(&parts.headers, SESSION_COOKIE)?);
    }
    None
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Fault> {
        let unknown = || Fault::Unauthorized("Could not validate credentials".to_owned());
        session(parts, app).map(Self).ok_or_else(unknown)
    }
}

impl FromRequestParts<Arc<App>> for MaybeAdmin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        Ok(Self(session(parts, app)))
    }
}

impl FromRequestParts<Arc<App>> for Client {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Fault> {
        let peer = parts
            .extensions
            .get::<Peer>()
            .ok_or_else(|| Fault::internal("a request without a peer"))?;
        Ok(Self(client_of(
            peer.0.ip(),
            &parts.headers,
            &app.config.trusted_proxies,
        )))
    }
}

/// Whom the last trusted proxy saw; what stands before that in the header can be made up by anybody.
fn client_of(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let forwarded = headers.get_all("x-forwarded-for").iter().rev();
    let hops = forwarded.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        if !trusted(client) {
            break;
        }
        match address_of(hop.trim()) {
            Some(address) => client = address.to_canonical(),
            None => break,
        }
    }
    client
}

/// An address; some proxies write its port too.
fn address_of(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let with_port = || text.parse::<std::net::SocketAddr>().map(|address| address.ip());
    plain.unwrap_or(text).parse().or_else(|_| with_port()).ok()
}

/// A body of JSON. Wrong JSON and wrong fields are 422; unknown keys do not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let bytes = bytes(request, state).await?;
        parse(&bytes).map(Self)
    }
}

/// A body of JSON, or none at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaybeJson<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for MaybeJson<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let bytes = bytes(request, state).await?;
        Ok(Self(match bytes.trim_ascii() {
            b"" | b"null" => None,
            bytes => Some(parse(bytes)?),
        }))
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<bytes::Bytes, Fault> {
    let taken = bytes::Bytes::from_request(request, state).await;
    taken.map_err(|rejected| match rejected.status() {
        http::StatusCode::PAYLOAD_TOO_LARGE => {
            Fault::TooLarge(format!("the body is larger than {} bytes", super::MAX_BODY))
        }
        _ => Fault::bad("the body ended early"),
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    // An array would be taken for the fields in their order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Fault::field("body", "an object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." {
            "body".to_owned()
        } else {
            format!("body.{path}")
        };
        Fault::field(place, plain(error.inner()))
    })
}

/// What serde says, without the place in the text.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// The query; wrong fields are 422.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Fault> {
        let query = parts.uri.query().unwrap_or_default();
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(reader)
            .map(Self)
            .map_err(|error| {
                let path = error.path().to_string();
                let place = if path == "." {
                    "query".to_owned()
                } else {
                    format!("query.{path}")
                };
                Fault::field(place, error.inner().to_string())
            })
    }
}

/// The parts of the path; wrong ones are 422.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let taken = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        taken
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|rejected| match rejected {
                axum::extract::rejection::PathRejection::FailedToDeserializePathParams(wrong) => {
                    Fault::field("path", wrong.body_text())
                }
                other => Fault::internal(other),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let proxies: Vec<Network> = proxies.iter().map(|text| text.parse().unwrap()).collect();
        client_of(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn a_forwarded_address_counts_from_trusted_proxies_alone() {
        let proxies = ["10.0.0.0/8", "fd00::1/128"];
        let cases: &[(&str, &[&str], &str)] = &[
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
            ("fd00::2", &["2001:db8::7"], "fd00::2"),
            // What a client makes up stands first, also in headers of its own.
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Whoever is not understood is nobody: the proxy that says so is.
            ("10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ];
        for (peer, forwarded, expected) in cases {
            assert_eq!(
                client(peer, forwarded, &proxies),
                *expected,
                "{peer} {forwarded:?}"
            );
        }
        assert_eq!(client("10.0.0.1", &["198.51.100.7"], &[]), "10.0.0.1");
    }
}
