//! Tests of the bounds on large answers.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const LARGE: usize = 3 << 20;

fn peer(number: u8) -> Peer {
    IpAddr::from([192, 0, 2, number]).into()
}

fn text(len: usize) -> Read<String> {
    Read {
        value: "x".repeat(len - 2),
        turn: None,
    }
}

async fn never() -> Result<Read<String>, Problem> {
    panic!("there was a place")
}

async fn answer(answers: &Answers, number: u8, len: usize) -> Result<Bytes, Problem> {
    let again = || async move { Ok(text(len)) };
    let around = Around::default();
    answers
        .of_record(peer(number), around, text(len), again)
        .await
}

#[tokio::test(start_paused = true)]
async fn one_peer_holds_a_quarter_and_all_together_the_whole() {
    let answers = Answers::default();
    let mut held = Vec::new();
    for number in 0..4 {
        for _ in 0..2 {
            held.push(answer(&answers, number, LARGE).await.unwrap());
        }
        let refused = answer(&answers, number, LARGE).await.unwrap_err();
        assert_eq!((refused.status, refused.code), (503, "answers_full"));
    }
    assert_eq!(answers.sending(), SENDING.as_len());
    assert!(answer(&answers, 9, LARGE).await.is_err(), "all is held");
    let value = "x".repeat(LARGE);
    let by = Instant::now() + LONGEST_WAIT;
    assert!(answers.of(peer(9), &value, by).await.is_err());
    let small = answer(&answers, 9, SMALL.as_len()).await.unwrap();
    assert_eq!(small.len(), SMALL.as_len());
    drop(held);
    assert_eq!(answers.sending(), 0);
    assert!(answer(&answers, 9, LARGE).await.is_ok());
    assert!(
        answers.0.peers.lock().unwrap().len() < 4,
        "they are forgotten"
    );
}

#[tokio::test(start_paused = true)]
async fn a_place_is_held_until_the_last_part_is_gone() {
    let answers = Answers::default();
    let mut bytes = answer(&answers, 1, LARGE).await.unwrap();
    let last = bytes.split_off(LARGE - 1);
    drop(bytes);
    assert_eq!(answers.sending(), LARGE);
    drop(last);
    assert_eq!(answers.sending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_place_is_dropped_and_read_again() {
    let answers = Answers::default();
    let held = [
        answer(&answers, 1, LARGE).await.unwrap(),
        answer(&answers, 1, LARGE).await.unwrap(),
    ];
    let reads = AtomicUsize::new(0);
    let (counted, from) = (&reads, &answers);
    let again = move || async move {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Read {
            turn: Some(from.turn().await?),
            ..text(LARGE)
        })
    };
    let mut turns = Vec::new();
    for _ in 0..READERS {
        turns.push(answers.turn().await.unwrap());
    }
    assert!(answers.turn().await.is_err(), "no more are read at a time");
    let first = Read {
        turn: turns.pop(),
        ..text(LARGE)
    };
    let around = Around {
        before: "data: ",
        after: "\n\n",
    };
    let mut waits = std::pin::pin!(answers.of_record(peer(1), around, first, again));
    assert!(futures_util::poll!(waits.as_mut()).is_pending());
    // Its turn is free while it waits.
    drop(answers.turn().await.unwrap());
    assert_eq!(reads.load(Ordering::Relaxed), 0);
    drop(held);
    let bytes = waits.await.unwrap();
    assert_eq!(reads.load(Ordering::Relaxed), 1);
    assert!(bytes.starts_with(b"data: \"x") && bytes.ends_with(b"x\"\n\n"));
    assert_eq!(answers.sending(), bytes.len());
    drop((bytes, turns));
    let turn = answers.turn().await;
    assert!(turn.is_ok(), "an answer that is made holds no turn");
}

#[tokio::test]
async fn memory_is_exact() {
    let (answers, around) = (Answers::default(), Around::default());
    let bytes = answers.of_record(peer(1), around, text(LARGE), never).await;
    let bytes = bytes.unwrap();
    assert_eq!(len_of(&text(LARGE).value, around), bytes.len());
}
