//! Somebody who is no administrator and wants to be: routes without a token, forged tokens, guessed passwords and codes.

use mediastack_tests::discreet::assert_tells_nothing;
use mediastack_tests::faults::Fault;
use mediastack_tests::jwt::{self, Token};
use mediastack_tests::server::{Api, Server};
use serde_json::{Value, json};

const SECRET: &str = "a secret that only this server has";

/// The row of guesses.
const GUESSING: (&str, &str) = (
    "guessing of passwords and viewing codes, also from made-up addresses",
    "limits by account and by network; X-Forwarded-For counts from trusted proxies only; an unknown user looks like a wrong password",
);

fn with(server: &Server, token: &str) -> Api {
    let mut api = server.visitor();
    api.headers.push(format!("Authorization: Bearer {token}"));
    api
}

fn sign_in(server: &Server) -> String {
    let form = [("username", "admin"), ("password", "admin123")];
    let answer = server.visitor().form("/api/auth/login", &form, None).json(200);
    answer["access_token"].as_str().expect("a token").to_owned()
}

/// Methods and paths of all routes that need a token.
fn guarded(server: &Server) -> Vec<(String, String)> {
    let document = server.visitor().get("/openapi.json").json(200);
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            // Where nothing is one of the ways, others than administrators may come too.
            let needs = |all: &Vec<Value>| !all.is_empty() && all.iter().all(|way| *way != json!({}));
            if operation["security"].as_array().is_some_and(needs) {
                let target = path
                    .replace("{task_id}", "00000000-0000-4000-8000-000000000000")
                    .replace("{id}", "1")
                    .replace(['{', '}'], "");
                all.push((method.to_uppercase(), target));
            }
        }
    }
    assert!(all.len() > 80, "{}", all.len());
    all
}

#[test]
fn no_route_takes_a_token_that_is_not_its_own() {
    let mut fault = Fault::new(
        33,
        "tokens: `alg: none`, another algorithm, expired, of the future, foreign, a megabyte",
        "401, alike for all, whatever the token",
    );
    let server = Server::start_with(&[("SECRET_KEY", SECRET)]);
    let foreign = sign_in(&Server::start());
    let good = sign_in(&server);
    let key = jwt::key_of(SECRET);
    let read = Token::read(&good);
    assert_eq!(
        (&read.header["alg"], &read.claims["sub"]),
        (&json!("HS256"), &json!("admin"))
    );
    let claim = |name: &str, value: Value| {
        let mut token = read.clone();
        token.claims[name] = value;
        token.signed(&key)
    };
    let algorithm = |name: &str| {
        let mut token = read.clone();
        token.header["alg"] = json!(name);
        token
    };
    // The same claims signed anew are good, so that below it is the one change that is refused.
    with(&server, &read.signed(&key)).get("/api/auth/me").json(200);
    let now = read.claims["iat"].as_i64().expect("a time");
    let (head, signature) = good.rsplit_once('.').expect("parts");
    let parts: Vec<&str> = good.split('.').collect();
    let mut without_end = read.clone();
    without_end.claims.as_object_mut().expect("claims").remove("exp");
    let forged = [
        ("none", algorithm("none").unsigned() + "."),
        ("None", algorithm("None").unsigned() + "."),
        ("none, signed", algorithm("none").signed(&key)),
        ("of another algorithm", algorithm("HS512").signed(&key)),
        ("of a public key", algorithm("RS256").signed(&key)),
        ("of another server", foreign),
        ("signed with the text itself", read.signed(SECRET.as_bytes())),
        ("signed with nothing", read.signed(b"")),
        (
            "signed with the published default",
            read.signed(b"change-me-in-production"),
        ),
        ("expired", claim("exp", json!(now - 1))),
        ("without an end", without_end.signed(&key)),
        ("of the future", claim("nbf", json!(now + 3600))),
        ("of another issuer", claim("iss", json!("elsewhere"))),
        ("of another name", claim("sub", json!("root"))),
        ("of another account", claim("uid", json!(2))),
        ("of an older version", claim("ver", json!(-1))),
        ("with claims of another kind", claim("exp", json!("never"))),
        ("without its signature", format!("{head}.")),
        ("cut", good[..good.len() - 1].to_owned()),
        (
            "turned around",
            format!("{head}.{}", signature.chars().rev().collect::<String>()),
        ),
        (
            "with other claims",
            format!("{}.{}x.{}", parts[0], parts[1], parts[2]),
        ),
        ("empty", String::new()),
        ("long", "x".repeat(20_000)),
        ("with bytes", "\u{fffd}.\u{fffd}.\u{fffd}".to_owned()),
    ];
    let routes = guarded(&server);
    let mut strangers: Vec<(&str, Api)> = forged
        .iter()
        .map(|(what, token)| (*what, with(&server, token)))
        .collect();
    strangers.push(("nothing", server.visitor()));
    let mut basic = server.visitor();
    basic
        .headers
        .push("Authorization: Basic YWRtaW46YWRtaW4xMjM=".to_owned());
    strangers.push(("a password instead", basic));
    let mut cookie = server.visitor();
    cookie
        .headers
        .push(format!("Cookie: mediastack_session={}", forged[0].1));
    strangers.push(("none in a cookie", cookie));
    for (number, (method, path)) in routes.iter().enumerate() {
        // Every route without a token and with one forgery of each kind in turn; one route with all of them.
        for (index, (what, api)) in strangers.iter_mut().enumerate() {
            let always =
                number == 0 || *what == "nothing" || *what == "expired" || *what == "of another server";
            if !always && (number + index) % 8 != 0 {
                continue;
            }
            let answer = api.ask(method, path, &["Content-Type: application/json"], Some(b"{}"));
            let said = format!("{method} {path} with a token {what}");
            assert_eq!(answer.status, 401, "{said}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{said}");
            if method != "HEAD" {
                assert_eq!(
                    answer.detail(401),
                    "Could not validate credentials",
                    "all look the same: {said}"
                );
            }
            assert_tells_nothing(&said, &answer.text());
        }
    }
    // A visitor's list is a visitor's, whatever token comes with it.
    for (what, api) in &mut strangers {
        assert_eq!(api.get("/api/videos").status, 200, "{what}");
    }
    assert!(!server.log().contains(&good), "a token is never logged");
    let (kinds, paths) = (strangers.len(), routes.len());
    fault.seen(format!(
        "{kinds} kinds of token on {paths} routes: 401 each time, in the same words"
    ));
}

#[test]
fn passwords_are_guessed_slowly_whatever_address_is_claimed() {
    let mut fault = Fault::new(34, GUESSING.0, GUESSING.1);
    let server = Server::start_with(&[("RUST_LOG", "info")]);
    let mut admin = server.admin();
    let guess = |name: &str, password: &str, from: &str| {
        let mut visitor = server.visitor();
        visitor.headers.push(format!("X-Forwarded-For: {from}"));
        visitor.form(
            "/api/auth/login",
            &[("username", name), ("password", password)],
            None,
        )
    };
    let mut refused = 0;
    for number in 0..14 {
        let answer = guess("admin", "guess", &format!("203.0.113.{number}"));
        match answer.status {
            401 => assert_eq!(answer.detail(401), "Incorrect username or password"),
            429 => {
                refused += 1;
                let wait = answer.header("retry-after").expect("when to come again");
                assert!(
                    (1..=60).contains(&wait.parse::<u64>().expect("seconds")),
                    "{wait}"
                );
                answer.detail(429);
            }
            other => panic!("{other}"),
        }
    }
    assert!(
        refused >= 3,
        "by account, whatever X-Forwarded-For says: {refused}"
    );
    assert_eq!(
        guess("admin", "admin123", "198.51.100.1").status,
        429,
        "the right one neither, while it is guessed"
    );
    let unknown = guess("nobody", "guess", "x");
    assert_eq!(
        unknown.detail(401),
        "Incorrect username or password",
        "an unknown name looks like a wrong password"
    );
    // Many names from one place.
    let statuses: Vec<u16> = (0..40)
        .map(|number| guess(&format!("user{number}"), "guess", "x").status)
        .collect();
    assert!(statuses.ends_with(&[429, 429, 429]), "by network: {statuses:?}");
    admin.get("/api/auth/me").json(200);
    let log = server.log();
    let lines = |word: &str| log.lines().filter(|line| line.contains(word)).count();
    let wrong = 11 + statuses.iter().filter(|status| **status == 401).count();
    let told = lines("a sign-in was refused");
    assert!(
        (wrong - 1..=wrong + 1).contains(&told),
        "each once: {told} of {wrong}\n{log}"
    );
    assert_eq!(lines("too many attempts"), 1, "a flood is one line: {log}");
    assert!(!log.contains("guess") && !log.contains("admin123"), "{log}");
    fault.seen("an account takes ten guesses, a network twenty, whatever X-Forwarded-For says; an unknown name looks like a wrong password");
}

#[test]
fn a_trusted_proxy_says_who_asks_and_nobody_else_does() {
    let mut fault = Fault::new(34, GUESSING.0, GUESSING.1);
    let server = Server::start_with(&[("TRUSTED_PROXIES", "127.0.0.1/32")]);
    let guess = |forwarded: &str| {
        let mut visitor = server.visitor();
        visitor.headers.push(format!("X-Forwarded-For: {forwarded}"));
        visitor
            .post("/api/view-codes/verify", &json!({"code": "GUESS1"}))
            .status
    };
    let spent = (0..40)
        .map(|_| guess("203.0.113.1"))
        .filter(|status| *status == 429)
        .count();
    assert!((15..=20).contains(&spent), "{spent}");
    assert_eq!(guess("203.0.113.2"), 200, "another client is another one");
    // What a client makes up stands before what the proxy saw.
    assert_eq!(guess("203.0.113.77, 203.0.113.1"), 429);
    assert_eq!(guess("127.0.0.1, 203.0.113.1"), 429);
    // A household has a network of addresses.
    let spent = (0..40)
        .map(|number| guess(&format!("2001:db8:1:2::{number}")))
        .filter(|status| *status == 429)
        .count();
    assert!((15..=20).contains(&spent), "{spent}");

    let alone = Server::start();
    let statuses: Vec<u16> = (0..40)
        .map(|number| {
            let mut visitor = alone.visitor();
            visitor
                .headers
                .push(format!("X-Forwarded-For: 203.0.113.{number}"));
            visitor.headers.push("X-View-Code: GUESS1".to_owned());
            visitor.get("/api/videos").status
        })
        .collect();
    let spent = statuses.iter().filter(|status| **status == 429).count();
    assert!(
        (15..=20).contains(&spent),
        "codes are guessed by a header no faster: {statuses:?}"
    );
    fault.seen("viewing codes likewise, in a body or a header");
}
