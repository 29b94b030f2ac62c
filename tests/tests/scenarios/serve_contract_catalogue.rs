//! Categories, tags and viewing codes as existing admin UIs use them.

use mediastack_tests::fixtures::media;
use mediastack_tests::server::Server;
use mediastack_tests::shape::{assert_all, assert_shape};
use serde_json::{Value, json};

const CATEGORY: &str = "id:int name:str sort_order:int created_at:date video_count:int";
const TAG: &str = "id:int name:str created_at:date video_count:int";
const CODE: &str =
    "id:int code:str is_active:bool created_at:date expires_at:date? category_ids:arr category_names:arr";

fn names(list: &Value) -> Vec<&str> {
    let all = list.as_array().expect("a bare array").iter();
    all.filter_map(|one| one["name"].as_str()).collect()
}

#[test]
fn categories_are_in_their_order_and_stay_while_videos_are_in_them() {
    let server = Server::start();
    let mut admin = server.admin();
    let mut made = |name: &str, order: i64| {
        let new = json!({"name": name, "sort_order": order});
        admin.post("/api/categories", &new).json(201)
    };
    let talks = made("讲座", 2);
    assert_shape(&talks, CATEGORY);
    made("b", 1);
    made("a", 1);
    let mut visitor = server.visitor();
    let listed = visitor.get("/api/categories").json(200);
    assert_all(&listed, CATEGORY);
    assert_eq!(
        names(&listed),
        ["未分类", "b", "a", "讲座"],
        "by order, then by number; for everybody"
    );
    let plain = admin.post("/api/categories", &json!({"name": "c"})).json(201);
    assert_eq!(plain["sort_order"], 0);
    // 32 characters, not bytes.
    let long = "类".repeat(32);
    let id = admin.post("/api/categories", &json!({"name": long})).json(201)["id"].clone();
    let target = format!("/api/categories/{id}");
    for name in ["类".repeat(33), String::new(), "  ".to_owned()] {
        admin.post("/api/categories", &json!({"name": name})).detail(422);
        admin.put(&target, &json!({"name": name})).detail(422);
    }
    assert_eq!(
        admin.put(&target, &json!({"name": null})).json(422)["errors"][0]["loc"],
        json!(["body", "name"])
    );
    for refused in [
        admin.post("/api/categories", &json!({"name": "a"})),
        admin.put(&target, &json!({"name": "a"})),
    ] {
        assert_eq!(refused.detail(400), "Category name already exists");
    }
    let changed = admin
        .put(&target, &json!({"name": "d", "sort_order": 9}))
        .json(200);
    assert_shape(&changed, CATEGORY);
    assert_eq!(
        (&changed["name"], &changed["sort_order"]),
        (&json!("d"), &json!(9))
    );
    admin.delete(&target).empty(204);
    assert_eq!(admin.delete(&target).detail(404), "Category not found");
    assert_eq!(
        admin.put(&target, &json!({"name": "x"})).detail(404),
        "Category not found"
    );

    let about = json!({"category_id": talks["id"]});
    let video = admin.upload(&media("audio_aac.m4a"), &about)["video_id"].clone();
    let target = format!("/api/categories/{}", talks["id"]);
    let counted = admin.get("/api/categories").json(200);
    assert_eq!(counted[4]["video_count"], 1, "of every status: {counted}");
    assert_eq!(
        admin.delete(&target).detail(400),
        "Cannot delete category with 1 videos"
    );
    // Sources and codes lose a category that goes.
    let source = json!({"name": "x", "protocol": "rtmp", "url": "rtmp://127.0.0.1:1/x", "is_active": false,
                        "category_id": talks["id"]});
    let source = admin.post("/api/sources", &source).json(201)["id"].clone();
    let code = json!({"code": "ABC123", "category_ids": [talks["id"], plain["id"]]});
    admin.post("/api/view-codes", &code).json(201);
    admin.delete(&format!("/api/videos/{video}")).empty(204);
    admin.delete(&target).empty(204);
    let source = admin.get(&format!("/api/sources/{source}")).json(200);
    assert_eq!(source["category"], Value::Null);
    let code = admin.get("/api/view-codes").json(200)[0].clone();
    assert_eq!(
        (&code["category_ids"], &code["category_names"]),
        (&json!([plain["id"]]), &json!(["c"]))
    );
}

#[test]
fn tags_are_by_name() {
    let server = Server::start();
    let mut admin = server.admin();
    for name in ["b", "标签", "a"] {
        let tag = admin.post("/api/tags", &json!({"name": name})).json(201);
        assert_shape(&tag, TAG);
    }
    let listed = server.visitor().get("/api/tags").json(200);
    assert_all(&listed, TAG);
    assert_eq!(names(&listed), ["a", "b", "标签"]);
    assert_eq!(
        admin.post("/api/tags", &json!({"name": "a"})).detail(400),
        "Tag name already exists"
    );
    for name in ["签".repeat(17), String::new()] {
        admin.post("/api/tags", &json!({"name": name})).detail(422);
    }
    admin
        .post("/api/tags", &json!({"name": "签".repeat(16)}))
        .json(201);
    let target = format!("/api/tags/{}", listed[0]["id"]);
    let about = json!({"tag_ids": [listed[0]["id"], listed[1]["id"]]});
    let video = admin.upload(&media("audio_aac.m4a"), &about)["video_id"].clone();
    assert_eq!(admin.get("/api/tags").json(200)[0]["video_count"], 1);

    let renamed = admin.put(&target, &json!({"name": "z"})).json(200);
    assert_shape(&renamed, TAG);
    assert_eq!(
        (&renamed["id"], &renamed["name"], &renamed["video_count"]),
        (&listed[0]["id"], &json!("z"), &json!(1))
    );
    let shown = admin.get(&format!("/api/videos/{video}")).json(200);
    let mut shown: Vec<&str> = names(&shown["tags"]);
    shown.sort_unstable();
    assert_eq!(shown, ["b", "z"], "on videos too");
    assert_eq!(
        admin.put(&target, &json!({})).json(200)["name"],
        "z",
        "what is left out stays"
    );
    assert_eq!(
        admin.put(&target, &json!({"name": "b"})).detail(400),
        "Tag name already exists"
    );
    for name in [json!("签".repeat(17)), json!(""), json!("  "), Value::Null] {
        let refused = admin.put(&target, &json!({"name": name})).json(422);
        assert_eq!(refused["errors"][0]["loc"], json!(["body", "name"]), "{name}");
    }
    assert_eq!(
        admin.put("/api/tags/99", &json!({"name": "y"})).detail(404),
        "Tag not found"
    );
    server.visitor().put(&target, &json!({"name": "y"})).detail(401);

    admin.delete(&target).empty(204);
    assert_eq!(admin.delete(&target).detail(404), "Tag not found");
    let video = admin.get(&format!("/api/videos/{video}")).json(200);
    assert_eq!(
        video["tags"],
        json!([{"id": listed[1]["id"], "name": "b"}]),
        "videos lose it"
    );
}

#[test]
fn viewing_codes_are_made_changed_and_verified() {
    let server = Server::start();
    let mut admin = server.admin();
    let category = admin.post("/api/categories", &json!({"name": "x"})).json(201)["id"].clone();
    let first = admin
        .post("/api/view-codes", &json!({"code": "aB3456"}))
        .json(201);
    assert_shape(&first, CODE);
    assert_eq!(
        (
            &first["is_active"],
            &first["expires_at"],
            &first["category_ids"],
            &first["category_names"]
        ),
        (&json!(true), &Value::Null, &json!([]), &json!([])),
        "arrays, never null"
    );
    // As a date picker sends it.
    let new = json!({"code": "ABCDEF123456", "expires_at": "2031-05-06T07:08:09.000Z", "category_ids": [category],
                     "is_active": true});
    let second = admin.post("/api/view-codes", &new).json(201);
    assert_eq!(second["expires_at"], "2031-05-06T07:08:09Z");
    let listed = assert_all(&admin.get("/api/view-codes").json(200), CODE);
    assert_eq!(
        (&listed[0]["code"], &listed[1]["code"]),
        (&json!("ABCDEF123456"), &json!("aB3456")),
        "newest first"
    );
    for code in ["abcde", "abcdefghijklm", "abc 12", "abc-12", "代码代码代码", ""] {
        admin.post("/api/view-codes", &json!({"code": code})).detail(422);
    }
    for code in [&first, &second] {
        let again = json!({"code": code["code"]});
        assert_eq!(
            admin.post("/api/view-codes", &again).detail(400),
            "View code already exists"
        );
    }
    let target = format!("/api/view-codes/{}", second["id"]);
    let kept = admin
        .put(&target, &json!({"is_active": true, "code": "OTHER1"}))
        .json(200);
    assert_shape(&kept, CODE);
    assert_eq!(
        (&kept["expires_at"], &kept["category_ids"], &kept["code"]),
        (&second["expires_at"], &second["category_ids"], &second["code"]),
        "what is left out stays, and the code itself is fixed"
    );
    for field in ["is_active", "category_ids"] {
        admin.put(&target, &json!({field: null})).detail(422);
    }
    admin.put(&target, &json!({"expires_at": "tomorrow"})).detail(422);
    assert_eq!(
        admin.put(&target, &json!({"category_ids": [99]})).detail(400),
        "Some categories not found"
    );
    for method in ["PUT", "DELETE"] {
        let missing = admin.ask(
            method,
            "/api/view-codes/99",
            &["Content-Type: application/json"],
            Some(b"{}"),
        );
        assert_eq!(missing.detail(404), "View code not found");
    }

    let mut visitor = server.visitor();
    let mut verify = |code: &str| visitor.post("/api/view-codes/verify", &json!({"code": code}));
    let right = verify("ABCDEF123456");
    let cookie = right.header("set-cookie").expect("a cookie");
    for word in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let right = right.json(200);
    assert_shape(&right, "valid:bool category_ids:arr expires_at:date?");
    assert_eq!(
        (&right["valid"], &right["category_ids"], &right["expires_at"]),
        (&json!(true), &json!([category]), &second["expires_at"])
    );
    let no = json!({"valid": false, "category_ids": [], "expires_at": null});
    assert_eq!(verify("abcdef123456").json(200), no, "case matters");
    assert_eq!(verify("").json(200), no);
    admin.put(&target, &json!({"is_active": false})).json(200);
    assert_eq!(verify("ABCDEF123456").json(200), no, "inactive");
    let expired = json!({"is_active": true, "expires_at": "2020-01-01T00:00:00Z"});
    admin.put(&target, &expired).json(200);
    assert_eq!(verify("ABCDEF123456").json(200), no, "expired");
    admin.delete(&target).empty(204);
    assert_eq!(verify("ABCDEF123456").json(200), no, "removed");
    let wrong = visitor.post("/api/view-codes/verify", &json!({}));
    wrong.detail(422);
}
