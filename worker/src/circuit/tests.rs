use super::*;

const DOWN: Failure = Failure {
    kind: "503",
    alone: Alone::Retryable,
    batch: None,
};

/// An event of its own each time.
fn fresh() -> Record {
    Record::new(rand::random())
}

async fn fail(circuit: &Arc<Circuit>, record: &mut Record, asked: Option<Duration>) -> Judgement {
    let mut pass = circuit.enter(record).await;
    pass.begin();
    pass.failed(record, DOWN, asked)
}

async fn work(circuit: &Arc<Circuit>) {
    let mut pass = circuit.enter(&fresh()).await;
    pass.begin();
    pass.succeeded(Instant::now());
}

async fn open(circuit: &Arc<Circuit>) {
    for _ in 0..evidence::OPENS_AFTER {
        fail(circuit, &mut fresh(), None).await;
    }
    assert!(!circuit.is_closed());
}

#[tokio::test(start_paused = true)]
async fn only_failures_in_a_row_open_it() {
    let circuit = Arc::new(Circuit::default());
    for _ in 0..10 {
        fail(&circuit, &mut fresh(), None).await;
        fail(&circuit, &mut fresh(), None).await;
        work(&circuit).await;
    }
    assert!(circuit.is_closed());
    for _ in 0..evidence::OPENS_AFTER_RECENT {
        fail(&circuit, &mut fresh(), None).await;
    }
    assert_eq!(*circuit.belief().borrow(), Belief::Open);
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_and_a_good_one_closes_it() {
    let circuit = Arc::new(Circuit::default());
    open(&circuit).await;
    let probe = circuit.enter(&fresh()).await;
    assert!(probe.is_probe());
    assert_eq!(*circuit.belief().borrow(), Belief::Probing);
    let other = fresh();
    let second = circuit.enter(&other);
    tokio::pin!(second);
    assert!(
        tokio::time::timeout(Duration::from_mins(10), &mut second)
            .await
            .is_err()
    );
    probe.succeeded(Instant::now());
    assert!(!second.await.is_probe());
    assert_eq!(*circuit.belief().borrow(), Belief::Closed);
}

#[tokio::test(start_paused = true)]
async fn probes_back_off_and_honour_what_the_handler_asks() {
    let circuit = Arc::new(Circuit::default());
    open(&circuit).await;
    let start = Instant::now();
    for _ in 0..10 {
        fail(&circuit, &mut fresh(), None).await;
    }
    let spent = start.elapsed();
    assert!(
        spent > Duration::from_mins(1) && spent < Duration::from_mins(5),
        "{spent:?}"
    );
    fail(&circuit, &mut fresh(), Some(Duration::from_secs(10_000))).await;
    let start = Instant::now();
    work(&circuit).await;
    assert!(start.elapsed() >= LONGEST_ASKED_WAIT && start.elapsed() < LONGEST_ASKED_WAIT * 2);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_lets_the_next_one_try() {
    let circuit = Arc::new(Circuit::default());
    open(&circuit).await;
    drop(circuit.enter(&fresh()).await);
    assert!(circuit.enter(&fresh()).await.is_probe());
}

#[tokio::test(start_paused = true)]
async fn a_call_from_before_does_not_close_it() {
    let circuit = Arc::new(Circuit::default());
    let early = circuit.enter(&fresh()).await;
    open(&circuit).await;
    early.succeeded(Instant::now());
    assert!(!circuit.is_closed());
}

#[tokio::test(start_paused = true)]
async fn events_that_have_not_failed_are_tried_first_and_a_few_at_a_time() {
    let circuit = Arc::new(Circuit::default());
    open(&circuit).await;
    let mut known = fresh();
    fail(&circuit, &mut known, None).await;
    let tried = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for (name, record) in [
        ("known", known),
        ("a", fresh()),
        ("b", fresh()),
        ("c", fresh()),
        ("d", fresh()),
    ] {
        let (circuit, tried) = (Arc::clone(&circuit), Arc::clone(&tried));
        tasks.spawn(async move {
            let mut record = record;
            loop {
                let mut pass = circuit.enter(&record).await;
                tried.lock().push(name);
                pass.begin();
                pass.failed(&mut record, DOWN, None);
            }
        });
    }
    tokio::time::sleep(Duration::from_mins(5)).await;
    let tried = tried.lock().clone();
    let mut first = tried.get(..4).unwrap().to_vec();
    first.sort_unstable();
    assert_eq!(first, ["a", "b", "c", "d"]);
    assert!(tried.contains(&"known"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_be_tried_again_is_decided_by_the_success_of_another() {
    let circuit = Arc::new(Circuit::default());
    let mut record = fresh();
    assert_eq!(fail(&circuit, &mut record, None).await, Judgement::Pending);
    let start = Instant::now();
    let long = Duration::from_secs(20);
    let (next, ()) = tokio::join!(circuit.decide(&record, DOWN, long), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        work(&circuit).await;
    });
    assert_eq!((next, start.elapsed()), (Next::Own, Duration::from_secs(1)));
    // One that can never work is asked once more: the failure may have been of a moment.
    let mut record = fresh();
    fail(&circuit, &mut record, None).await;
    work(&circuit).await;
    let permanent = Failure {
        alone: Alone::Permanent,
        ..DOWN
    };
    assert_eq!(circuit.decide(&record, permanent, long).await, Next::Again);
    assert_eq!(fail(&circuit, &mut record, None).await, Judgement::Own);
    assert!(!circuit.trouble.load(Ordering::Acquire), "nothing fails any more");
}
