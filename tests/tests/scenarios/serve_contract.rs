//! What existing admin UIs rely on: status codes, bodies, and the words of refusals.

use mediastack_tests::fixtures::media;
use mediastack_tests::jwt::Token;
use mediastack_tests::server::Server;
use serde_json::json;

#[test]
fn sessions_are_as_the_uis_know_them() {
    let server = Server::start();
    let mut visitor = server.visitor();
    assert_eq!(visitor.get("/api/health").json(200), json!({"status": "ok"}));
    let answer = visitor.form(
        "/api/auth/login",
        &[("username", "admin"), ("password", "wrong")],
        None,
    );
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    assert_eq!(answer.detail(401), "Incorrect username or password");
    let missing = visitor
        .form("/api/auth/login", &[("username", "admin")], None)
        .json(422);
    assert_eq!(missing["errors"][0]["loc"], json!(["body", "password"]));
    assert!(missing["detail"].is_string(), "a page shows it as it is");

    let form = b"grant_type=password&username=admin&password=admin123&scope=";
    let kind = ["Content-Type: application/x-www-form-urlencoded"];
    let signed_in = visitor.ask("POST", "/api/auth/login", &kind, Some(form));
    let cookie = signed_in.header("set-cookie").expect("a cookie").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let token = signed_in.json(200);
    assert_eq!(token["token_type"], "bearer");
    let read = Token::read(token["access_token"].as_str().expect("a token"));
    assert_eq!(
        (&read.header, &read.claims["sub"]),
        (&json!({"alg": "HS256", "typ": "JWT"}), &json!("admin"))
    );
    let life = read.claims["exp"].as_i64().zip(read.claims["iat"].as_i64());
    assert_eq!(
        life.map(|(end, begin)| end - begin),
        Some(86_400),
        "a day, in whatever zone the server is"
    );
    assert!(
        cookie.contains("Max-Age=86400") && cookie.contains("Path=/"),
        "{cookie}"
    );
    let bearer = format!(
        "Authorization: Bearer {}",
        token["access_token"].as_str().expect("a token")
    );

    assert_eq!(
        visitor.get("/api/auth/me").detail(401),
        "Could not validate credentials"
    );
    let me = visitor.ask("GET", "/api/auth/me", &[&bearer], None).json(200);
    assert_eq!(me, json!({"id": 1, "username": "admin"}));
    let by_cookie = format!("Cookie: {}", cookie.split(';').next().expect("a pair"));
    visitor.ask("GET", "/api/auth/me", &[&by_cookie], None).json(200);
    let posted = visitor.ask(
        "POST",
        "/api/tags",
        &[&by_cookie, "Content-Type: application/json"],
        Some(b"{\"name\":\"x\"}"),
    );
    assert_eq!(
        posted.status, 401,
        "a cookie changes nothing: other sites' pages send it too"
    );
    let by_script = visitor.ask(
        "POST",
        "/api/tags",
        &[
            &by_cookie,
            "Content-Type: application/json",
            "X-Requested-With: a page's script",
        ],
        Some(b"{\"name\":\"x\"}"),
    );
    assert!(
        matches!(by_script.status, 200 | 201),
        "a header that forms can't send shows our own page: {}",
        by_script.status
    );

    let left = visitor
        .ask("POST", "/api/auth/logout", &[&bearer], Some(b""))
        .json(200);
    assert_eq!(left, json!({"message": "Logged out successfully"}));
    visitor.ask("GET", "/api/auth/me", &[&bearer], None).detail(401);
    visitor
        .ask("GET", "/api/auth/me", &[&by_cookie], None)
        .detail(401);
}

#[test]
fn unknown_routes_methods_slashes_and_origins_are_answered_as_before() {
    let server = Server::start();
    let mut admin = server.admin();
    assert_eq!(admin.get("/api/nothing").detail(404), "Not Found");
    let wrong = admin.ask("PATCH", "/api/tags", &[], Some(b""));
    assert!(
        wrong.header("allow").is_some_and(|allow| allow.contains("POST")),
        "{wrong:?}"
    );
    assert_eq!(wrong.detail(405), "Method Not Allowed");
    let moved = admin.get("/api/tags/?x=1");
    assert_eq!(
        (moved.status, moved.header("location")),
        (307, Some("/api/tags?x=1"))
    );
    assert_eq!(admin.ask("HEAD", "/api/tags", &[], None).status, 200);
    for path in ["/docs/", "/openapi.json"] {
        assert_eq!(admin.get(path).status, 200, "{path}");
    }
    assert_eq!(admin.get("/api/videos/x").status, 422);
    assert_eq!(admin.get("/api/videos?limit=101").status, 422);

    let preflight = |origin: &str| {
        vec![
            format!("Origin: {origin}"),
            "Access-Control-Request-Method: PUT".to_owned(),
        ]
    };
    let lines = preflight("http://localhost:5173");
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let answer = admin.ask("OPTIONS", "/api/tags", &lines, None);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("http://localhost:5173")
    );
    assert_eq!(
        (
            answer.status,
            answer.header("access-control-allow-credentials"),
            answer.header("access-control-max-age"),
            answer.header("vary"),
        ),
        (200, Some("true"), Some("600"), Some("Origin"))
    );
    let lines = preflight("http://evil.example");
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(
        admin.ask("OPTIONS", "/api/tags", &lines, None).detail(400),
        "Disallowed CORS origin"
    );
}

#[test]
fn every_route_of_administrators_refuses_visitors() {
    let server = Server::start();
    let mut visitor = server.visitor();
    let document = visitor.get("/openapi.json").json(200);
    let public = [
        "/api/health",
        "/api/ready",
        "/api/auth/login",
        "/api/auth/logout",
        "/api/sources/callback",
        "/api/view-codes/verify",
        "/api/videos",
        "/api/videos/{id}",
        "/api/videos/{id}/play",
        "/api/videos/{id}/view",
        "/api/videos/{id}/stream",
        "/api/videos/{id}/audio",
        "/api/videos/{id}/audio/download",
        "/api/videos/{id}/images",
        "/api/videos/{id}/texts",
        "/api/videos/{id}/links",
        "/api/categories",
        "/api/tags",
        "/api/images/{file}",
        "/thumbnails/{name}",
        "/metrics",
    ];
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            if method == "options" {
                continue;
            }
            let guarded = operation["security"]
                .as_array()
                .is_some_and(|all| !all.is_empty() && !all.contains(&json!({})));
            let reads = method == "get"
                || path.ends_with("/view")
                || path.contains("/auth/")
                || path.ends_with("verify")
                || path.ends_with("callback");
            let listed = public.contains(&path.as_str()) && reads;
            assert!(
                guarded || listed,
                "{method} {path} has no security and is not on the list"
            );
            let target = path.replace("{id}", "1").replace(['{', '}'], "");
            let status = visitor
                .ask(
                    &method.to_uppercase(),
                    &target,
                    &["Content-Type: application/json"],
                    Some(b"{}"),
                )
                .status;
            if guarded {
                assert_eq!(status, 401, "{method} {path}");
                asked += 1;
            } else if !path.contains("/auth/") {
                assert_ne!(
                    status, 401,
                    "{method} {path}: a visitor would be thrown to the sign-in"
                );
            }
        }
    }
    assert!(asked > 40, "{asked}");
}

#[test]
fn a_code_locks_everything_of_its_category_and_its_end_locks_it_again() {
    let server = Server::start();
    let mut admin = server.admin();
    let category = admin
        .post("/api/categories", &json!({"name": "locked"}))
        .json(201)["id"]
        .clone();
    let about = json!({"title": "Secret talk", "category_id": category});
    let id = admin.upload(&media("av_h264_aac_faststart.mp4"), &about)["video_id"].clone();
    let video = format!("/api/videos/{id}");
    // The job of the upload makes one too, and the later picture takes the place of the other.
    admin.until(&video, std::time::Duration::from_secs(30), |video| {
        video["thumbnail"].is_string()
    });
    admin.push(&format!("{video}/thumbnail/auto")).json(200);
    let mut visitor = server.visitor();
    assert_eq!(visitor.get(&format!("{video}/play")).status, 403, "not published");
    assert_eq!(visitor.get("/api/videos").json(200), json!([]));
    admin.push(&format!("{video}/publish")).json(200);
    let open = visitor.get(&format!("{video}/play")).json(200)["hls_url"]
        .as_str()
        .expect("a path")
        .to_owned();
    assert!(open.starts_with("/vod/"), "{open}");
    assert_eq!(visitor.get(&open).status, 200);
    let picture = visitor.get(&video).json(200)["thumbnail"]
        .as_str()
        .expect("a picture")
        .to_owned();
    assert_eq!(visitor.get(&picture).status, 200);

    let new = json!({"code": "OPEN99", "category_ids": [category]});
    let code = admin.post("/api/view-codes", &new).json(201)["id"].clone();
    assert_eq!(visitor.get("/api/videos").json(200)[0]["locked"], true);
    let folder = open.trim_end_matches("index.m3u8");
    let shut = [
        open.clone(),
        format!("{folder}seg-1-v1-a1.ts"),
        format!("{video}/play"),
        format!("{video}/stream"),
        picture.clone(),
        format!("{video}/audio"),
        format!("{video}/audio/download"),
        format!("{video}/images"),
        folder.trim_end_matches('/').replace("/vod/", "/videos/"),
        folder.trim_end_matches('/').replace("/vod/", "/audio/"),
    ];
    for path in &shut {
        assert_eq!(visitor.get(path).status, 403, "{path}");
        assert_ne!(admin.get(path).status, 403, "{path}");
    }

    let answer = visitor.post("/api/view-codes/verify", &json!({"code": "OPEN99"}));
    let cookie = answer
        .header("set-cookie")
        .expect("a cookie")
        .split(';')
        .next()
        .expect("a pair")
        .to_owned();
    let mut viewer = server.visitor();
    viewer.headers.push(format!("Cookie: {cookie}"));
    assert_eq!(viewer.get("/api/videos").json(200)[0]["locked"], false);
    let playlist = viewer.get(&format!("{video}/play")).json(200)["hls_url"]
        .as_str()
        .expect("a path")
        .to_owned();
    // A television sends no cookie.
    let text = visitor.get(&playlist).text();
    let segment = text
        .lines()
        .find(|line| line.starts_with("seg-1"))
        .unwrap_or_else(|| panic!("{playlist}: {text}"));
    let segment = playlist.replace("index.m3u8", segment);
    assert_eq!(visitor.get(&segment).status, 200, "{segment}");
    assert_eq!(viewer.get(&picture).status, 200);
    let mut by_header = server.visitor();
    by_header.headers.push("X-View-Code: OPEN99".to_owned());
    by_header.get(&format!("{video}/play")).json(200);
    assert_eq!(
        visitor.get(&segment.replacen("/play/", "/play/A", 1)).status,
        403,
        "a signature that is wrong"
    );

    let other = admin.post("/api/categories", &json!({"name": "other"})).json(201)["id"].clone();
    admin
        .post(
            "/api/view-codes",
            &json!({"code": "OTHER1", "category_ids": [other]}),
        )
        .json(201);
    let mut stranger = server.visitor();
    stranger.headers.push("X-View-Code: OTHER1".to_owned());
    stranger.get(&format!("{video}/play")).detail(403);

    admin
        .put(&format!("/api/view-codes/{code}"), &json!({"is_active": false}))
        .json(200);
    for path in [&playlist, &segment, &picture] {
        assert_eq!(viewer.get(path).status, 403, "revoked: {path}");
    }
    let expired = json!({"is_active": true, "expires_at": "2020-01-01T00:00:00Z"});
    admin.put(&format!("/api/view-codes/{code}"), &expired).json(200);
    assert_eq!(visitor.get("/api/videos").json(200)[0]["locked"], true);
    viewer.get(&format!("{video}/play")).detail(403);
    // Without any code nothing locks it.
    admin.delete(&format!("/api/view-codes/{code}")).empty(204);
    visitor.get(&format!("{video}/play")).json(200);
}
