//! Tests of a room's history over HTTP.

use serde_json::Value;

use super::bench::{Bench, Does, HELLO, post, send};
use crate::store::CodeKeeping;

const PATH: &str = "/api/rooms/room-1/executions";

#[tokio::test]
async fn a_room_lists_its_executions_and_no_others() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("hello\n")).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let answer = bench.post(HELLO).await;
        let id = answer.body["jobId"].as_str().unwrap().to_owned();
        bench.recorded(&id, "completed").await;
        ids.insert(0, id);
    }
    let other = send(&bench.api.router, post("/api/rooms/another/execute", HELLO)).await;
    assert_eq!(other.status, 200);

    let all = bench.get(PATH).await;
    assert_eq!(all.status, 200);
    assert_eq!(all.body["nextCursor"], Value::Null);
    let listed = all.body["executions"].as_array().unwrap().clone();
    let listed_ids: Vec<_> = listed.iter().map(|item| &item["jobId"]).collect();
    assert_eq!(listed_ids, ids.iter().collect::<Vec<_>>());
    let keys: Vec<_> = listed[0].as_object().unwrap().keys().collect();
    let expected = [
        "codeSha256",
        "durationMs",
        "jobId",
        "language",
        "recordedAt",
        "status",
        "submittedAt",
        "success",
        "url",
    ];
    assert_eq!(keys, expected);
    assert_eq!(listed[0]["success"], true);
    let url = listed[0]["url"].as_str().unwrap();
    assert_eq!(bench.get(url).await.body["jobId"], listed[0]["jobId"]);

    let first = bench.get(&format!("{PATH}?limit=2")).await;
    let cursor = first.body["nextCursor"].as_str().unwrap();
    let rest = bench.get(&format!("{PATH}?limit=2&cursor={cursor}")).await;
    assert_eq!(first.body["executions"], Value::from(&listed[..2]));
    assert_eq!(rest.body["executions"], Value::from(&listed[2..]));
    for (query, count) in [
        ("language=python&status=completed", 3),
        ("language=javascript", 0),
        ("status=lost", 0),
    ] {
        let answer = bench.get(&format!("{PATH}?{query}")).await;
        assert_eq!(answer.body["executions"].as_array().unwrap().len(), count);
    }
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused_by_name() {
    let bench = Bench::new().await;
    for (query, parameter) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("status=great", "status"),
        ("language=Not%20One", "language"),
        ("cursor=abc", "cursor"),
        ("cursor=%ff", "cursor"),
        ("sort=asc", "sort"),
        ("limit=1&limit=1", "limit"),
    ] {
        let answer = bench.get(&format!("{PATH}?{query}")).await;
        let details = answer.error(400, "invalid_parameter");
        assert_eq!(details["parameter"], parameter, "{query}");
    }
    let answer = bench.get("/api/rooms/no%20room/executions").await;
    assert_eq!(answer.status, 400);
    bench.store.close().await;
    bench.get(PATH).await.error(503, "store_unavailable");
}

#[tokio::test]
async fn the_code_is_shown_only_where_it_is_kept() {
    for (keeping, code) in [
        (CodeKeeping::HashOnly, Value::Null),
        (CodeKeeping::Whole, "print('hello')".into()),
    ] {
        let bench = Bench::with(|config| config.keeping = keeping.into()).await;
        bench.worker(Does::Prints("hello\n")).await;
        let answer = bench.post(HELLO).await;
        let id = answer.body["jobId"].as_str().unwrap();
        assert_eq!(bench.recorded(id, "completed").await.body["code"], code);
    }
}

#[tokio::test]
async fn buffered_executions_are_shown_while_the_store_is_unavailable() {
    let bench = Bench::new().await;
    bench.worker(Does::Prints("hello\n")).await;
    bench.store.close().await;
    let answer = bench.post(HELLO).await;
    let id = answer.body["jobId"].as_str().unwrap();
    let recorded = bench.get(&format!("/api/executions/{id}")).await;
    assert_eq!(recorded.body["result"], answer.body);
    bench.health("degraded").await;
}
