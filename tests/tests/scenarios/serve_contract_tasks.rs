//! Recording tasks, schedules and the system's figures as existing admin UIs use them.

use std::time::Duration;

use mediastack_tests::file_server::FileServer;
use mediastack_tests::fixtures::media;
use mediastack_tests::server::Server;
use mediastack_tests::shape::{assert_all, assert_shape};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

const TASK: &str = "id:int source_id:int status:str started_at:date? ended_at:date? file_path:str? file_size:int? duration:int? \
                    error_message:str? created_at:date";

#[test]
fn a_task_goes_through_its_states_and_leaves_a_video() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let origin = FileServer::start(folder.path());
    origin.live_flv("live.flv", &media("live_180p.flv"));
    let server = Server::start();
    let mut admin = server.admin();
    assert_eq!(admin.get("/api/tasks").json(200), json!([]));
    let category = admin.post("/api/categories", &json!({"name": "halls"})).json(201)["id"].clone();
    let new =
        json!({"name": "Hall", "protocol": "hls", "url": origin.url("live.flv"), "category_id": category});
    let source = admin.post("/api/sources", &new).json(201)["id"].clone();
    let target = format!("/api/sources/{source}");
    let begun = admin.push(&format!("{target}/record/start")).json(200);
    assert_shape(&begun, TASK);
    assert_eq!(
        (&begun["status"], &begun["ended_at"], &begun["source_id"]),
        (&json!("pending"), &Value::Null, &source)
    );
    assert_eq!(begun["stop_asked"], false);
    let one = format!("/api/tasks/{}", begun["id"]);
    assert_eq!(
        admin.delete(&one).detail(400),
        "Cannot delete a task that is currently recording"
    );
    let listed = admin.until("/api/tasks", SOON, |tasks| tasks[0]["status"] == "recording");
    assert_all(&listed, TASK);
    assert_shape(
        &listed[0],
        "source_name:str category_id:int? category_name:str? started_at:date",
    );
    assert_eq!(
        (
            &listed[0]["source_name"],
            &listed[0]["category_id"],
            &listed[0]["category_name"]
        ),
        (&json!("Hall"), &category, &json!("halls"))
    );
    assert_eq!(admin.get(&target).json(200)["is_recording"], true);
    let put = admin.put(&target, &json!({"name": "Hall 1"})).json(200);
    assert_eq!(put["is_recording"], true);
    assert_eq!(
        admin.push(&format!("{target}/record/start")).detail(400),
        "Source is already being recorded"
    );
    admin.until("/api/tasks/live", SOON, |live| {
        live[0]["durable_s"].as_f64() > Some(1.0)
    });
    assert_eq!(admin.delete(&target).detail(400), "无法删除正在录制的直播源");
    let shown = admin.get("/api/sources").json(200)[0].clone();
    assert_eq!(
        (&shown["is_recording"], &shown["is_online"]),
        (&json!(true), &json!(true)),
        "bytes come, so it is on the air: {shown}"
    );
    let stopped = admin.push(&format!("{target}/record/stop")).json(200);
    assert_shape(
        &stopped,
        "status:str ended_at:date file_size:int duration:int file_path:str",
    );
    assert!(
        ["completed", "interrupted"].contains(&stopped["status"].as_str().expect("a text")),
        "its final state: {stopped}"
    );
    assert_eq!(stopped["stop_asked"], true, "a person stopped it: {stopped}");
    assert_eq!(
        admin.push(&format!("{target}/record/stop")).detail(400),
        "No active recording for this source"
    );
    // The page reads the list at once.
    assert_eq!(admin.get("/api/sources").json(200)[0]["is_recording"], false);
    for task in [
        admin.get(&one).json(200),
        admin.get("/api/tasks").json(200)[0].clone(),
    ] {
        assert_shape(&task, TASK);
        assert_eq!(
            (&task["stop_asked"], &task["continued_by"]),
            (&json!(true), &Value::Null)
        );
    }
    let video = admin.get("/api/videos").json(200)[0].clone();
    assert_eq!(
        (
            &video["task_id"],
            &video["category_id"],
            &video["status"],
            &video["source_type"]
        ),
        (&begun["id"], &category, &json!("pending"), &json!("recorded"))
    );
    assert!(
        video["title"].as_str().expect("a title").starts_with("Hall"),
        "{video}"
    );
    admin.delete(&one).empty(204);
    for missing in [admin.get(&one), admin.delete(&one), admin.get("/api/tasks/999")] {
        assert_eq!(missing.detail(404), "Task not found");
    }
    // A video keeps its file, whatever becomes of the task and of the source.
    admin.delete(&target).empty(204);
    let stream = admin.get(&format!("/api/videos/{}/stream", video["id"]));
    assert_eq!(stream.status, 200);
    assert_eq!(video["file_size"], stream.body.len());
}

#[test]
fn schedules_are_made_listed_changed_and_removed() {
    const SCHEDULE: &str = "id:int source_id:int cron_expr:str is_active:bool last_run_at:date? next_run_at:date? created_at:date";
    let server = Server::start();
    let mut admin = server.admin();
    assert_eq!(admin.get("/api/schedules").json(200), json!([]));
    let new = json!({"name": "Hall", "protocol": "rtmp", "url": "rtmp://127.0.0.1:1/x", "is_active": false});
    let source = admin.post("/api/sources", &new).json(201)["id"].clone();
    let mut made = |cron: &str| {
        let new = json!({"source_id": source, "cron_expr": cron});
        admin.post("/api/schedules", &new).json(201)
    };
    let first = made("0 8 * * 6");
    assert_shape(&first, SCHEDULE);
    assert_eq!(
        (&first["is_active"], &first["last_run_at"]),
        (&json!(true), &Value::Null)
    );
    let second = made("*/5 9-17 1,15 JAN-JUN MON");
    let listed = assert_all(&admin.get("/api/schedules").json(200), SCHEDULE);
    assert_eq!(
        (&listed[0]["id"], &listed[1]["id"], &listed[0]["source_name"]),
        (&second["id"], &first["id"], &json!("Hall"))
    );
    assert!(
        listed[1]["next_run_at"]
            .as_str()
            .is_some_and(|at| at.ends_with("T08:00:00+08:00")),
        "in the server's zone: {listed:?}"
    );
    let target = format!("/api/schedules/{}", first["id"]);
    let changed = admin
        .put(&target, &json!({"cron_expr": "30 7 * * *", "source_id": 99}))
        .json(200);
    assert_shape(&changed, SCHEDULE);
    assert_eq!(
        (&changed["cron_expr"], &changed["source_id"]),
        (&json!("30 7 * * *"), &source),
        "its source is fixed"
    );
    let off = admin.put(&target, &json!({"is_active": false})).json(200);
    assert_eq!(
        (&off["is_active"], &off["next_run_at"], &off["cron_expr"]),
        (&json!(false), &Value::Null, &json!("30 7 * * *"))
    );
    for cron in ["@daily", "0 0 8 * * *", "60 * * * *", "", "* * * *", "0 0 31 2 *"] {
        for refused in [
            admin.put(&target, &json!({"cron_expr": cron})),
            admin.post("/api/schedules", &json!({"source_id": source, "cron_expr": cron})),
        ] {
            let said = refused.detail(400);
            assert!(said.starts_with("Invalid cron expression"), "{cron}: {said}");
        }
    }
    for field in ["cron_expr", "is_active"] {
        admin.put(&target, &json!({field: null})).detail(422);
    }
    let nothing = json!({"source_id": 99, "cron_expr": "* * * * *"});
    assert_eq!(
        admin.post("/api/schedules", &nothing).detail(404),
        "Source not found"
    );
    admin
        .post("/api/schedules", &json!({"cron_expr": "* * * * *"}))
        .detail(422);
    admin.delete(&target).empty(204);
    for missing in [admin.delete(&target), admin.put(&target, &json!({}))] {
        assert_eq!(missing.detail(404), "Schedule not found");
    }
    // A source that has a schedule goes with it.
    admin.delete(&format!("/api/sources/{source}")).empty(204);
    assert_eq!(admin.get("/api/schedules").json(200), json!([]));
}

#[test]
fn the_header_of_every_page_gets_its_numbers() {
    let server = Server::start();
    let mut admin = server.admin();
    for _ in 0..3 {
        let asked = std::time::Instant::now();
        let status = admin.get("/api/system/status").json(200);
        assert!(
            asked.elapsed() < Duration::from_millis(100),
            "it waits for nothing"
        );
        // A page calls toFixed on them: null would break it.
        assert_shape(
            &status,
            "cpu_percent:num memory_percent:num disk_total:int disk_used:int disk_free:int disk_percent:num",
        );
        for name in ["cpu_percent", "memory_percent", "disk_percent"] {
            let percent = status[name].as_f64().expect("a number");
            assert!((0.0..=100.0).contains(&percent), "{name}: {percent}");
        }
        assert!(status["disk_total"].as_i64() > Some(0), "{status}");
    }
    let mut visitor = server.visitor();
    let refused = visitor.get("/api/system/status");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert_eq!(refused.detail(401), "Could not validate credentials");
}
