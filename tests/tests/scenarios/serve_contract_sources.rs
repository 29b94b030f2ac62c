//! Sources as existing admin UIs use them.

use std::time::Duration;

use mediastack_tests::server::Server;
use mediastack_tests::shape::{assert_all, assert_shape};
use serde_json::{Value, json};

const SOURCE: &str = "id:int name:str protocol:str url:str retention_days:int is_active:bool is_online:bool last_check_time:date? \
                      is_recording:bool category:obj? created_at:date updated_at:date";

#[test]
fn sources_are_made_listed_changed_and_removed() {
    let server = Server::start();
    let mut admin = server.admin();
    assert_eq!(admin.get("/api/sources").json(200), json!([]));
    // What the form sends, with an emptied category: it is not there at all.
    let first = json!({"name": "大厅", "protocol": "rtmp", "url": "rtmp://127.0.0.1:1/live/a"});
    let first = admin.post("/api/sources", &first).json(201);
    assert_shape(&first, SOURCE);
    assert_eq!(
        (&first["retention_days"], &first["is_active"], &first["category"]),
        (&json!(365), &json!(true), &Value::Null)
    );
    assert!(
        first.get("category_id").is_none(),
        "it is written and not read: {first}"
    );
    let category = admin.get("/api/categories").json(200)[0].clone();
    let second = json!({"name": "b", "protocol": "hls", "url": "http://127.0.0.1:1/b.m3u8", "retention_days": 7,
                        "is_active": false, "category_id": category["id"]});
    let second = admin.post("/api/sources", &second).json(201);
    assert_shape(&second["category"], "id:int name:str sort_order:int");
    assert_eq!(
        (&second["category"]["name"], &second["retention_days"]),
        (&json!("未分类"), &json!(7))
    );
    for (protocol, url) in [
        ("rtsp", "rtsp://127.0.0.1:1/x"),
        ("rtmps", "rtmps://127.0.0.1:1/x/y"),
        ("rtsps", "rtsps://127.0.0.1:1/x"),
        ("hls", "HTTPS://127.0.0.1:1/x"),
    ] {
        let new = json!({"name": protocol, "protocol": protocol, "url": url, "is_active": false});
        let id = admin.post("/api/sources", &new).json(201)["id"].clone();
        admin.delete(&format!("/api/sources/{id}")).empty(204);
    }
    let listed = assert_all(&admin.get("/api/sources").json(200), SOURCE);
    let ids: Vec<&Value> = listed.iter().map(|source| &source["id"]).collect();
    assert_eq!(ids, [&second["id"], &first["id"]], "newest first");

    let target = format!("/api/sources/{}", second["id"]);
    assert_shape(&admin.get(&target).json(200), SOURCE);
    // The UI sends the whole row back, its number too.
    let changed = json!({"id": 77, "name": "c", "protocol": "hls", "url": "http://127.0.0.1:1/c.m3u8", "retention_days": 30,
                         "is_active": false, "is_online": true, "anything": {"else": []}});
    let changed = admin.put(&target, &changed).json(200);
    assert_shape(&changed, SOURCE);
    assert_eq!(
        (&changed["id"], &changed["name"], &changed["is_online"]),
        (&second["id"], &json!("c"), &json!(false))
    );
    assert_eq!(
        changed["category"]["id"], category["id"],
        "what is left out stays"
    );
    assert_eq!(admin.put(&target, &json!({})).json(200)["name"], "c");
    let cleared = admin.put(&target, &json!({"category_id": null})).json(200);
    assert_eq!(cleared["category"], Value::Null);
    for field in ["name", "protocol", "url", "retention_days", "is_active"] {
        let refused = admin.put(&target, &json!({field: null}));
        assert_eq!(
            refused.json(422)["errors"][0]["loc"],
            json!(["body", field]),
            "null clears nothing that must be there"
        );
    }
    let moved = json!({"source_ids": [first["id"], second["id"], 999], "category_id": category["id"]});
    let moved = admin.post("/api/sources/bulk-update-category", &moved).json(200);
    assert_eq!(
        moved,
        json!({"updated_count": 2}),
        "numbers that nothing has are skipped"
    );
    assert_eq!(admin.get(&target).json(200)["category"]["id"], category["id"]);

    admin.delete(&target).empty(204);
    for missing in [
        admin.get(&target),
        admin.put(&target, &json!({"name": "x"})),
        admin.delete(&target),
        admin.get(&format!("{target}/status")),
    ] {
        assert_eq!(missing.detail(404), "Source not found");
    }
}

#[test]
fn what_is_no_source_is_refused_in_the_words_that_pages_show() {
    let server = Server::start();
    let mut admin = server.admin();
    let mut refused = |protocol: &str, url: &str| {
        let new = json!({"name": "x", "protocol": protocol, "url": url});
        admin.post("/api/sources", &new).detail(400)
    };
    for url in [
        "http://h/x",
        "rtmps://h/x",
        "",
        "file:///etc/passwd",
        "/etc/passwd",
    ] {
        assert_eq!(
            refused("rtmp", url),
            "RTMP protocol requires rtmp:// URL",
            "{url}"
        );
    }
    for url in ["rtmp://h/x", "concat:http://h/x|/etc/passwd", "data:x"] {
        let said = refused("hls", url);
        assert_eq!(said, "HLS protocol requires http:// or https:// URL", "{url}");
    }
    let mut wrong = |body: &Value, place: &[&str]| {
        let problem = admin.post("/api/sources", body).json(422);
        assert_eq!(problem["errors"][0]["loc"], json!(place), "{problem}");
        assert!(
            problem["detail"].is_string(),
            "a page shows it as it is: {problem}"
        );
    };
    wrong(&json!({"protocol": "rtmp", "url": "rtmp://h/x"}), &["body"]);
    wrong(
        &json!({"name": "x", "protocol": "srt", "url": "srt://h"}),
        &["body", "protocol"],
    );
    wrong(
        &json!({"name": "", "protocol": "rtmp", "url": "rtmp://h/x"}),
        &["body", "name"],
    );
    wrong(
        &json!({"name": "x".repeat(65), "protocol": "rtmp", "url": "rtmp://h/x"}),
        &["body", "name"],
    );
    wrong(
        &json!({"name": "x", "protocol": "rtmp", "url": "rtmp://h/x", "retention_days": "a"}),
        &["body", "retention_days"],
    );
    wrong(&json!([]), &["body"]);
    let new = json!({"name": "x", "protocol": "rtmp", "url": "rtmp://127.0.0.1:1/x", "category_id": 99});
    assert_eq!(admin.post("/api/sources", &new).detail(400), "Category not found");
    let no_json = admin.ask(
        "POST",
        "/api/sources",
        &["Content-Type: application/json"],
        Some(b"{\"name\":"),
    );
    no_json.detail(422);
    for path in [
        "/api/sources/x",
        "/api/sources/1.5",
        "/api/sources/99999999999999999999",
    ] {
        assert_eq!(admin.get(path).json(422)["errors"][0]["loc"][0], "path", "{path}");
    }
    assert_eq!(
        admin.push("/api/sources/9/record/start").detail(400),
        "Source not found"
    );
    assert_eq!(
        admin.push("/api/sources/9/record/stop").detail(400),
        "No active recording for this source"
    );
    assert_eq!(admin.get("/api/sources").json(200), json!([]), "none was stored");
}

#[test]
fn a_vendor_tells_what_is_on_the_air() {
    let server = Server::start();
    let mut admin = server.admin();
    let mut made = |name: &str, url: &str| {
        let new = json!({"name": name, "protocol": "rtmp", "url": url, "is_active": false});
        admin.post("/api/sources", &new).json(201)["id"].clone()
    };
    let hall = made("hall", "rtmp://127.0.0.1:1/Live/Hall?txSecret=hunter2");
    let other = made("other", "rtmp://127.0.0.1:1/live/hal_");
    let mut push = json!({"app": "a.example", "appname": "live", "channel_id": "hall", "errmsg": "ok", "node": "n",
                          "sequence": "1", "sign": "s", "stream_id": "hall", "stream_param": "", "user_ip": "192.0.2.1",
                          "appid": 1, "errcode": 0, "event_time": 1, "event_type": 1, "idc_id": 1, "set_id": 1, "t": 1});
    let mut vendor = server.visitor();
    let taken = vendor.post("/api/sources/callback", &push);
    assert_eq!(taken.json(200), json!({"code": 0}));
    let mut online = |id: &Value| admin.get(&format!("/api/sources/{id}")).json(200)["is_online"].clone();
    assert_eq!((online(&hall), online(&other)), (json!(true), json!(false)));
    // Characters that mean something to a database mean nothing here.
    push["channel_id"] = json!("ha%");
    push["event_type"] = json!(0);
    push["more"] = json!("is allowed");
    vendor.post("/api/sources/callback", &push).json(200);
    assert_eq!((online(&hall), online(&other)), (json!(true), json!(false)));
    push["channel_id"] = json!("hall");
    vendor.post("/api/sources/callback", &push).json(200);
    assert_eq!(online(&hall), json!(false));
    let signed = Server::start_with(&[("CALLBACK_KEY", "the vendor's")]);
    let mut stranger = signed.visitor();
    stranger.post("/api/sources/callback", &push).detail(403);
    push.as_object_mut().expect("an object").remove("t");
    vendor.post("/api/sources/callback", &push).detail(422);
}

#[test]
fn a_check_is_answered_at_once_and_told_over_the_socket() {
    use mediastack_tests::socket::Socket;
    let server = Server::start();
    let mut admin = server.admin();
    for (path, status) in [("/ws/other", 403), ("/ws", 403)] {
        assert_eq!(Socket::open(server.port(), path).err(), Some(status), "{path}");
    }
    let mut socket = Socket::open(server.port(), "/ws/sources").expect("a public socket");
    let hello = socket.hear(Duration::from_secs(5)).expect("a greeting");
    assert_eq!(hello["type"], "connected");
    assert_shape(&hello["data"], "connection_id:int timestamp:date");
    for (said, heard) in [
        (r#"{"type":"ping"}"#, Some(json!({"type": "pong"}))),
        ("hello", Some(json!({"type": "pong"}))),
        (r#"{"type":"other"}"#, None),
        ("[1]", None),
    ] {
        socket.say(said);
        assert_eq!(socket.hear(Duration::from_millis(500)), heard, "{said}");
    }
    let new =
        json!({"name": "x", "protocol": "rtmp", "url": "rtmp://127.0.0.1:1/live/x", "is_active": false});
    let id = admin.post("/api/sources", &new).json(201)["id"].clone();
    let asked = std::time::Instant::now();
    let answer = admin.get(&format!("/api/sources/{id}/status")).json(202);
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(answer, json!({"message": "检测任务已启动", "source_id": id}));
    // Pings are answered while the check runs, and nothing else comes between.
    socket.say(r#"{"type":"ping"}"#);
    let mut told = Vec::new();
    let mut pongs = 0;
    while told.len() < 2 {
        match socket.hear(Duration::from_secs(15)).expect("a message") {
            message if message["type"] == "pong" => pongs += 1,
            message => told.push(message),
        }
    }
    assert_eq!(pongs, 1);
    for (number, message) in told.iter().enumerate() {
        assert_eq!(message["type"], "source_status_changed");
        let data = &message["data"];
        assert_shape(
            data,
            "source_id:int is_online:bool timestamp:date attempt:int max_attempts:int checking:bool",
        );
        assert_eq!(
            (
                &data["attempt"],
                &data["max_attempts"],
                &data["checking"],
                &data["is_online"]
            ),
            (&json!(number + 1), &json!(10), &json!(true), &json!(false))
        );
    }
}
