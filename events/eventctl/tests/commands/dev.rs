//! `eventctl dev`: everything in one binary.

use std::{process::Stdio, time::Duration};

use crate::support::{Running, eventctl};

fn dev(arguments: &[&str]) -> Running {
    let mut command = eventctl();
    command
        .args(["dev", "--listen", "127.0.0.1:0", "--emulator-port", "0"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    Running(command.spawn().unwrap())
}

/// The address of the page in what was printed at the start.
fn page(printed: &str) -> String {
    let line = printed
        .lines()
        .find(|line| line.contains("page and API"))
        .unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

async fn post(url: String, body: &'static str) -> (u16, serde_json::Value) {
    let request = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json")
        .body(body)
        .timeout(Duration::from_secs(20));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn terminate(running: &Running) {
    let pid = running.0.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_handled_by_its_own_tenants_worker_and_one_signal_ends_all() {
    let logs = tempfile::tempdir().unwrap();
    let folder = logs.path().to_str().unwrap().to_owned();
    let mut running = dev(&["--tenant", "acme", "--tenant", "globex", "--logs", &folder]);
    let printed = running.until("workers for");
    let url = page(&printed);
    let event = r#"{"event_type": "document.ingested", "tenant_id": "acme", "event_id": "e-1"}"#;
    let (status, answer) = post(format!("{url}test/publish-event"), event).await;
    assert_eq!((status, &answer["event_id"]), (200, &"e-1".into()));
    let seen = running.until("handled");
    assert!(
        seen.lines()
            .any(|line| line.contains("handled") && line.contains("acme") && line.contains("e-1")),
        "{seen}"
    );
    let log =
        |tenant: &str| std::fs::read_to_string(logs.path().join(format!("worker-{tenant}.log"))).unwrap();
    assert!(log("acme").contains("\"event_id\":\"e-1\""));
    assert!(!log("globex").contains("e-1"));
    let foreign = r#"{"event_type": "document.ingested", "tenant_id": "initech"}"#;
    let (status, answer) = post(format!("{url}test/publish-event"), foreign).await;
    assert_eq!(
        (status, &answer["errors"][0]["field"]),
        (422, &"tenant_id".into())
    );

    terminate(&running);
    running.until("Stopped.");
    assert!(running.0.wait().unwrap().success());
    assert!(log("acme").contains("Stopped."), "{}", log("acme"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_that_changes_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = folder.path().join("operator.yaml");
    let write = |types: &str| {
        std::fs::write(
            &catalogue,
            format!("catalogue:\n  orders:\n    eventTypes: [{types}]\n"),
        )
        .unwrap();
    };
    write("order.placed");
    let mut running = dev(&[
        "--tenant",
        "acme",
        "--watch",
        "--catalogue",
        catalogue.to_str().unwrap(),
    ]);
    let url = format!("{}test/publish-event", page(&running.until("workers for")));
    let cancelled = r#"{"event_type": "order.cancelled", "tenant_id": "acme"}"#;
    let (status, answer) = post(url.clone(), cancelled).await;
    assert_eq!(
        (status, &answer["errors"][0]["field"]),
        (422, &"event_type".into())
    );
    std::fs::write(
        &catalogue,
        "catalogue:\n  orders: {eventTypes: [order.placed]}\n  ends: {eventTypes: [order.cancelled]}\n",
    )
    .unwrap();
    running.until("it has 2 topics now");
    assert_eq!(post(url, cancelled).await.0, 200);
    assert!(running.until("handled").contains("order.cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_is_named_and_the_rest_is_ended() {
    let logs = tempfile::tempdir().unwrap();
    let mut command = eventctl();
    command
        .args([
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--emulator-port",
            "0",
            "--tenant",
            "acme",
            "--tenant",
            "globex",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .arg("--logs")
        .arg(logs.path());
    let mut running = Running(command.spawn().unwrap());
    running.until("workers for");
    let children = std::process::Command::new("ps")
        .args(["-o", "pid=", "--ppid", &running.0.id().to_string()])
        .output()
        .unwrap();
    let children = String::from_utf8(children.stdout).unwrap();
    let children: Vec<&str> = children.split_whitespace().collect();
    assert_eq!(children.len(), 2);
    assert!(
        std::process::Command::new("kill")
            .args(["-KILL", children[0]])
            .status()
            .unwrap()
            .success()
    );
    running.until("Stopped.");
    assert_eq!(running.0.wait().unwrap().code(), Some(1));
    let mut complaint = String::new();
    std::io::Read::read_to_string(running.0.stderr.as_mut().unwrap(), &mut complaint).unwrap();
    assert!(
        complaint.contains("was ended by signal 9; the rest is ended too"),
        "{complaint}"
    );
    for pid in children {
        assert!(
            !std::path::Path::new(&format!("/proc/{pid}")).exists(),
            "{pid} is left over"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_of_ones_own_gets_the_events_and_what_it_refuses_becomes_a_dead_letter() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let handler = format!("http://{}/", listener.local_addr().unwrap());
    let refuse = axum::Router::new().fallback(|| async { axum::http::StatusCode::UNPROCESSABLE_ENTITY });
    tokio::spawn(async move { axum::serve(listener, refuse).await });
    let mut running = dev(&["--tenant", "acme", "--handler-url", &handler]);
    let url = page(&running.until("workers for"));
    let event = r#"{"event_type": "user.login", "tenant_id": "acme", "event_id": "bad-1"}"#;
    assert_eq!(post(format!("{url}test/publish-event"), event).await.0, 200);
    let seen = running.until("dead-lettered");
    assert!(
        seen.contains("failed") && seen.lines().last().unwrap().contains("bad-1"),
        "{seen}"
    );
}

#[test]
fn a_wrong_command_line_exits_2() {
    for arguments in [
        &["dev", "--watch"][..],
        &["dev", "--tenant", "a b"],
        &[
            "dev",
            "--catalogue",
            "/nonexistent",
            "--emulator-port",
            "0",
            "--listen",
            "127.0.0.1:0",
        ],
        &["dev-server"],
        &["dev-server", "--emulator", "127.0.0.1:1", "--listen", "nowhere"],
    ] {
        let output = eventctl().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
}
