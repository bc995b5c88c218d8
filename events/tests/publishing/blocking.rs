//! The publisher for programs without an async runtime.

use events::{PublishError, PublishOptions, blocking::Publisher};
use tokio::runtime::Runtime;

use crate::support::{Plane, document, publisher};

#[test]
fn it_publishes_without_a_runtime() {
    let runtime = Runtime::new().unwrap();
    let plane = runtime.block_on(Plane::start());
    let publisher = Publisher::new(publisher(), &plane.connection()).unwrap();
    publisher.publish(&document("doc-1")).unwrap();
    let events = [document("doc-2"), document("doc-3")];
    let results = publisher
        .publish_all(&events, &PublishOptions::ordered("doc"))
        .unwrap();
    assert!(results.iter().all(Result::is_ok));
    publisher.flush().unwrap();
    assert_eq!(plane.backlog("document-events"), 3);
    drop(publisher);
}

#[test]
fn inside_a_runtime_it_says_so() {
    let runtime = Runtime::new().unwrap();
    let plane = runtime.block_on(Plane::start());
    let outside = Publisher::new(publisher(), &plane.connection()).unwrap();
    runtime.block_on(async move {
        let error = outside.publish(&document("doc-1")).unwrap_err();
        assert!(matches!(error, PublishError::InsideRuntime));
        let error = Publisher::new(publisher(), &plane.connection()).unwrap_err();
        assert!(matches!(error, PublishError::InsideRuntime));
    });
}
