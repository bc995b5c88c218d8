//! Which Service an address names, and what it says of its pods.

use super::*;

fn of(yaml: &str) -> Service {
    serde_yaml::from_str(yaml).unwrap()
}

#[test]
fn finds_host_and_port() {
    for (address, expected) in [
        ("http://handler.acme:8080/events", Some(("handler.acme", 8080))),
        ("https://user:secret@example.com/x", Some(("example.com", 443))),
        ("http://[fd00::1]:9000/", Some(("[fd00::1]", 9000))),
        ("http://[fd00::1]/", Some(("[fd00::1]", 80))),
        ("https://[::1]", Some(("[::1]", 443))),
        ("emulator:8085", Some(("emulator", 8085))),
        ("[fd00::1]:8085", Some(("[fd00::1]", 8085))),
        ("nothing", None),
    ] {
        let expected = expected.map(|(host, port): (&str, u16)| (host.to_owned(), port));
        assert_eq!(host_and_port(address), expected, "{address}");
    }
}

#[test]
fn a_host_is_a_service_as_dns_finds_it() {
    for (host, expected) in [
        ("handler", Some(("handler", "acme", true))),
        ("handler.acme", Some(("handler", "acme", true))),
        ("handler.other", Some(("handler", "other", false))),
        ("handler.other.svc", Some(("handler", "other", true))),
        (
            "handler.other.svc.cluster.local.",
            Some(("handler", "other", true)),
        ),
        ("example.com", Some(("example", "com", false))),
        ("api.example.com", None),
        ("10.0.0.1", None),
        ("[fd00::1]", None),
        ("Handler", None),
    ] {
        let found = service(host, "acme").map(|one| (one.name, one.namespace, one.is_certain));
        let expected = expected.map(|(name, namespace, is_certain): (&str, &str, bool)| {
            (name.to_owned(), namespace.to_owned(), is_certain)
        });
        assert_eq!(found, expected, "{host}");
    }
}

#[test]
fn the_pods_port_is_the_target_as_a_number_or_a_name() {
    let service = of(
        "spec: {clusterIP: 10.0.0.9, clusterIPs: [10.0.0.9, 'fd00::9'], selector: {app: handler},
                ports: [{port: 80, targetPort: 8080}, {port: 81, targetPort: web}, {port: 82}]}",
    );
    for (port, expected) in [
        (80, IntOrString::Int(8080)),
        (81, IntOrString::String("web".into())),
        (82, IntOrString::Int(82)),
    ] {
        let Some(Behind::Pods(pods)) = behind(&service, "acme", port) else {
            panic!("port {port} leads nowhere");
        };
        assert_eq!((pods.port, pods.namespace.as_str()), (expected, "acme"));
        assert_eq!(pods.addresses, ["10.0.0.9", "fd00::9"]);
        assert_eq!(pods.selector["app"], "handler");
    }
    assert_eq!(behind(&service, "acme", 83), None, "no port of the Service");
}

#[test]
fn services_that_choose_no_pods_or_rewrite_nothing() {
    let headless = of(
        "spec: {clusterIP: None, clusterIPs: [None], selector: {app: handler}, ports: [{port: 80, targetPort: 8080}]}",
    );
    let Some(Behind::Pods(pods)) = behind(&headless, "acme", 80) else {
        panic!("a headless Service has pods");
    };
    assert_eq!((pods.port, pods.addresses), (IntOrString::Int(80), vec![]));
    let by_hand = of("spec: {clusterIP: 10.0.0.9, ports: [{port: 80, targetPort: 8080}]}");
    assert_eq!(
        behind(&by_hand, "acme", 80),
        Some(Behind::Port(IntOrString::Int(8080)))
    );
    let external =
        of("spec: {type: ExternalName, externalName: example.com, ports: [{port: 80, targetPort: 8080}]}");
    assert_eq!(behind(&external, "acme", 80), None);
}
