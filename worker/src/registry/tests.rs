use serde_json::json;

use super::*;
use crate::handle::{Event, Outcome};

fn handler() -> Arc<dyn Handler> {
    Arc::new(|_: Event| async { Outcome::Success })
}

fn event(event_type: &str, version: &str) -> DomainEvent {
    let json = json!({
        "event_id": "e", "event_type": event_type, "tenant_id": "t", "occurred_at": "2026-01-02T03:04:05Z",
        "source": "s", "data": {"version": version, "name": "Ada"},
    });
    DomainEvent::decode(json.to_string().as_bytes()).unwrap()
}

#[test]
fn the_most_specific_handler_wins() {
    let [version, exact, near, far, rest] = [(); 5].map(|()| handler());
    let mut registry = Registry::default();
    registry
        .on_version("document.ingested", "2.0", Arc::clone(&version))
        .unwrap();
    registry.on("document.ingested", Arc::clone(&exact)).unwrap();
    registry.on("document.*", Arc::clone(&far)).unwrap();
    registry.on("document.page.*", Arc::clone(&near)).unwrap();
    registry.otherwise(Arc::clone(&rest));
    for (event_type, event_version, expected) in [
        ("document.ingested", "2.0", &version),
        ("document.ingested", "1.0", &exact),
        ("document.page.read", "1.0", &near),
        ("document.deleted", "1.0", &far),
        ("user.login", "1.0", &rest),
    ] {
        let Route::To(found) = registry.route(&mut event(event_type, event_version)) else {
            panic!("{event_type} goes nowhere");
        };
        assert!(
            Arc::ptr_eq(&found.handler, expected),
            "{event_type} {event_version} went astray"
        );
    }
}

#[test]
fn what_is_not_handled_is_said() {
    let mut registry = Registry::default();
    assert!(registry.is_empty());
    assert!(matches!(
        registry.route(&mut event("a.b", "1.0")),
        Route::Unhandled
    ));
    registry.on_version("a.b", "1.0", handler()).unwrap();
    registry.otherwise(handler());
    assert!(matches!(
        registry.route(&mut event("a.b", "9.0")),
        Route::UnknownVersion
    ));
    assert!(registry.on("not a type", handler()).is_err());
    assert!(registry.on_version("document.*", "1.0", handler()).is_err());
}

fn rename(mut data: Map<String, Value>, from: &str, to: &str) -> Map<String, Value> {
    let value = data.remove(from).unwrap();
    data.insert(to.to_owned(), value);
    data
}

#[test]
fn old_versions_are_lifted_step_by_step_to_one_that_is_handled() {
    let mut registry = Registry::default();
    let third = handler();
    registry.on_version("a.b", "3.0", Arc::clone(&third)).unwrap();
    for (from, to, field, renamed) in [
        ("1.0", "2.0", "name", "full_name"),
        ("2.0", "3.0", "full_name", "title"),
    ] {
        let lift = move |data| Ok(rename(data, field, renamed));
        registry.lift("a.b", from, to, Arc::new(lift)).unwrap();
    }
    let mut old = event("a.b", "1.0");
    let Route::To(found) = registry.route(&mut old) else {
        panic!("it goes nowhere");
    };
    assert!(Arc::ptr_eq(&found.handler, &third));
    assert_eq!(
        Value::from(old.data.fields().clone()),
        json!({"version": "3.0", "title": "Ada"})
    );
    assert!(matches!(
        registry.route(&mut event("a.b", "0.9")),
        Route::UnknownVersion
    ));
}

#[test]
fn a_lift_may_fail_and_may_not_go_round_in_circles() {
    let mut registry = Registry::default();
    registry.on_version("a.b", "9.0", handler()).unwrap();
    registry.lift("a.b", "1.0", "2.0", Arc::new(Ok)).unwrap();
    registry.lift("a.b", "2.0", "1.0", Arc::new(Ok)).unwrap();
    assert!(matches!(
        registry.route(&mut event("a.b", "1.0")),
        Route::UnknownVersion
    ));
    let fails = |_| Err(Cow::from("no name"));
    registry.lift("a.b", "3.0", "9.0", Arc::new(fails)).unwrap();
    assert!(matches!(
        registry.route(&mut event("a.b", "3.0")),
        Route::NotLifted(why) if why == "no name"
    ));
    registry
        .lift("a.b", "4.0", "9.0", Arc::new(|_| panic!("no")))
        .unwrap();
    assert!(matches!(
        registry.route(&mut event("a.b", "4.0")),
        Route::NotLifted(why) if why.contains("panicked")
    ));
}
