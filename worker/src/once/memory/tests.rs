use super::*;

const HOUR: Duration = Duration::from_hours(1);
const HOURS: Memory = Memory {
    done: HOUR,
    failed: HOUR,
};

fn event(key: &str) -> Identity<'_> {
    Identity {
        event_type: "document.ingested",
        key,
        digest: Digest::of(&events::Payload::default()),
        message_id: "1",
        handler_version: "",
    }
}

async fn claimed(store: &MemoryStore, key: &str) -> Token {
    let token = Token::fresh();
    assert_eq!(
        store.claim(&event(key), token, HOUR).await.unwrap(),
        Claim::Claimed
    );
    token
}

#[tokio::test(start_paused = true)]
async fn an_event_is_claimed_once_and_its_end_is_remembered() {
    let store = MemoryStore::default();
    let token = claimed(&store, "a").await;
    assert_eq!(
        store.claim(&event("a"), Token::fresh(), HOUR).await.unwrap(),
        Claim::InFlight
    );
    assert_eq!(
        store.finish(&event("a"), token, End::Done).await.unwrap(),
        Noted::Yes
    );
    assert_eq!(
        store.claim(&event("a"), Token::fresh(), HOUR).await.unwrap(),
        Claim::Done
    );
    let token = claimed(&store, "b").await;
    store
        .finish(&event("b"), token, End::PermanentlyFailed)
        .await
        .unwrap();
    assert_eq!(
        store.claim(&event("b"), Token::fresh(), HOUR).await.unwrap(),
        Claim::PermanentlyFailed
    );
    tokio::time::advance(Memory::default().done).await;
    claimed(&store, "a").await;
}

#[tokio::test(start_paused = true)]
async fn a_released_claim_is_free_at_once() {
    let store = MemoryStore::default();
    let token = claimed(&store, "a").await;
    store.release(&event("a"), token).await.unwrap();
    claimed(&store, "a").await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_too_late_overwrites_nothing() {
    let store = MemoryStore::default();
    let late = claimed(&store, "a").await;
    tokio::time::advance(HOUR).await;
    let current = claimed(&store, "a").await;
    assert_eq!(
        store
            .finish(&event("a"), late, End::PermanentlyFailed)
            .await
            .unwrap(),
        Noted::TooLate
    );
    store.release(&event("a"), late).await.unwrap();
    assert_eq!(
        store.claim(&event("a"), Token::fresh(), HOUR).await.unwrap(),
        Claim::InFlight
    );
    assert_eq!(
        store.finish(&event("a"), current, End::Done).await.unwrap(),
        Noted::Yes
    );
    assert_eq!(
        store.finish(&event("a"), late, End::Done).await.unwrap(),
        Noted::TooLate
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_can_be_kept_as_long_as_nobody_took_it() {
    let store = MemoryStore::default();
    let token = claimed(&store, "a").await;
    tokio::time::advance(HOUR * 2 / 3).await;
    assert_eq!(store.extend(&event("a"), token, HOUR).await.unwrap(), Noted::Yes);
    tokio::time::advance(HOUR * 2 / 3).await;
    assert_eq!(
        store.claim(&event("a"), Token::fresh(), HOUR).await.unwrap(),
        Claim::InFlight
    );
    tokio::time::advance(HOUR).await;
    claimed(&store, "a").await;
    assert_eq!(
        store.extend(&event("a"), token, HOUR).await.unwrap(),
        Noted::TooLate
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_bounded_and_keeps_claims() {
    let store = MemoryStore::new(Memory::default(), 10);
    let held = claimed(&store, "held").await;
    for i in 0..100 {
        let key = format!("key-{i}");
        let token = claimed(&store, &key).await;
        store.finish(&event(&key), token, End::Done).await.unwrap();
    }
    assert!(store.state.lock().entries.len() <= 11);
    assert_eq!(
        store.claim(&event("key-99"), Token::fresh(), HOUR).await.unwrap(),
        Claim::Done
    );
    assert_eq!(
        store.claim(&event("held"), Token::fresh(), HOUR).await.unwrap(),
        Claim::InFlight
    );
    assert_eq!(
        store.finish(&event("held"), held, End::Done).await.unwrap(),
        Noted::Yes
    );
}

#[tokio::test(start_paused = true)]
async fn an_end_of_a_reused_key_is_not_forgotten_with_its_old_one() {
    let store = MemoryStore::new(HOURS, 2);
    let token = claimed(&store, "a").await;
    store.finish(&event("a"), token, End::Done).await.unwrap();
    tokio::time::advance(HOUR).await;
    let token = claimed(&store, "a").await;
    store.finish(&event("a"), token, End::Done).await.unwrap();
    let token = claimed(&store, "b").await;
    store.finish(&event("b"), token, End::Done).await.unwrap();
    assert_eq!(
        store.claim(&event("a"), Token::fresh(), HOUR).await.unwrap(),
        Claim::Done
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_is_of_one_type_and_one_payload() {
    let store = MemoryStore::default();
    let first = event("own-key");
    let token = claimed(&store, "own-key").await;
    store.finish(&first, token, End::Done).await.unwrap();
    let mut other_type = first;
    other_type.event_type = "document.updated";
    let claim = store.claim(&other_type, Token::fresh(), HOUR).await.unwrap();
    assert_eq!(claim, Claim::Claimed);
    let mut other_payload = first;
    let fields = serde_json::Map::from_iter([("a".to_owned(), 1.into())]);
    other_payload.digest = Digest::of(&fields.into());
    let claim = store.claim(&other_payload, Token::fresh(), HOUR).await.unwrap();
    assert_eq!(claim, Claim::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_counts_for_its_message_and_version_and_an_hour() {
    let store = MemoryStore::default();
    let first = event("a");
    for round in 0..4 {
        let token = claimed(&store, "a").await;
        store.finish(&first, token, End::PermanentlyFailed).await.unwrap();
        let claim = store.claim(&first, Token::fresh(), HOUR).await.unwrap();
        assert_eq!(claim, Claim::PermanentlyFailed);
        let mut next = first;
        match round {
            0 => next.message_id = "2",
            1 => next.handler_version = "2.1",
            2 => store.forget(&first).await.unwrap(),
            _ => tokio::time::advance(Memory::default().failed).await,
        }
        let token = Token::fresh();
        assert_eq!(store.claim(&next, token, HOUR).await.unwrap(), Claim::Claimed);
        store.release(&next, token).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_before_its_time_is_reported_once() {
    let store = MemoryStore::new(HOURS, 2);
    for key in ["a", "b", "c", "d"] {
        let token = claimed(&store, key).await;
        store.finish(&event(key), token, End::Done).await.unwrap();
    }
    assert_eq!(store.check().await.unwrap(), Kept::Forgot(2));
    assert_eq!(store.check().await.unwrap(), Kept::Yes);
}
