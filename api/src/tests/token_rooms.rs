//! Tests of the rooms that a token's claim names.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use super::bench::{request, send};
use super::issuer::{Issuer, Signer, claims};
use super::tokens::{ask, bearing, bench};

#[tokio::test]
async fn a_claim_names_the_rooms_of_a_user() {
    let signer = Signer::one();
    let issuer = Issuer::of(&[&signer]).await;
    let bench = bench(issuer.config_with(|provider| {
        provider.rooms_claim = Some("https://warren.example/rooms".parse().unwrap());
    }))
    .await;
    bench.api.record_unclaimed().await.unwrap();
    let token =
        |rooms: Value| signer.token(&claims(&json!({ "https://warren.example/rooms": rooms })));
    let mine = [token(json!(["room-1"])), token(json!("other room-*"))];
    let theirs = [
        token(json!(["room-2"])),
        token(json!([])),
        token(json!(true)),
        signer.token(&claims(&json!({}))),
    ];
    let answer = ask(&bench, &mine[0]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let id = answer.body["jobId"].as_str().unwrap();
    let execution = format!("/api/executions/{id}");
    let read = async |path: &str, token: &str| {
        let read = request(Method::GET, path).body(Body::empty()).unwrap();
        send(&bench.api.router, bearing(read, token)).await
    };
    for token in &mine {
        assert_eq!(ask(&bench, token).await.status, 200);
        assert_eq!(read(&execution, token).await.status, 200);
        assert_eq!(
            read("/api/rooms/room-1/executions", token).await.status,
            200
        );
    }
    for token in &theirs {
        ask(&bench, token).await.error(403, "forbidden_room");
        read(&execution, token)
            .await
            .error(404, "unknown_execution");
        read(&format!("{execution}/events"), token)
            .await
            .error(404, "unknown_execution");
        read("/api/rooms/room-1/executions", token)
            .await
            .error(403, "forbidden_room");
    }
}
