//! Was Pub/Sub away and is it back? Then streams that wait out a backoff of up to a minute may come back at once.
//!
//! The official client reconnects by itself, with a backoff that cannot be set, and says nothing about it. Dropping
//! its pending `next()` starts over. Doing so on a timer would be wrong: an idle stream of Google's is not *open* for
//! the client before the first answer, so a timer would open streams again and again, and lose what they carry. So
//! it is done on evidence: the endpoint refused connections and takes them again.

use std::time::Duration;

use events::Connection;
use tokio::{net::TcpStream, sync::watch, time::timeout};

use crate::{drain::Drain, health::Health};

const GOOGLE: &str = "pubsub.googleapis.com:443";
/// An emulator is watched closely, Google's from afar: a thousand workers make a hundred connections a second.
const EMULATOR_PERIOD: Duration = Duration::from_secs(1);
const GOOGLE_PERIOD: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
const WHO: &str = "pubsub";

/// Watches the endpoint until the worker stops, and counts how often it came back.
pub(crate) async fn watch(connection: Connection, back: watch::Sender<u64>, health: Health, drain: Drain) {
    let (address, period) = match connection.endpoint().and_then(address) {
        Some(address) => (address, EMULATOR_PERIOD),
        None => (GOOGLE.to_owned(), GOOGLE_PERIOD),
    };
    let mut away = false;
    loop {
        let reached = matches!(timeout(CONNECT, TcpStream::connect(&address)).await, Ok(Ok(_)));
        match (away, reached) {
            (false, false) => {
                tracing::warn!(%address, "Pub/Sub is not reachable.");
                health.blocked(WHO, format!("{address} does not take connections"));
            }
            (true, true) => {
                tracing::info!(%address, "Pub/Sub is reachable again.");
                health.fine(WHO);
                back.send_modify(|times| *times += 1);
            }
            (false, true) | (true, false) => {}
        }
        away = !reached;
        if drain.unless_stopping(tokio::time::sleep(period)).await.is_none() {
            return;
        }
    }
}

/// `host:port` of an endpoint's URL.
fn address(endpoint: &str) -> Option<String> {
    let url = reqwest::Url::parse(endpoint).ok()?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address() {
        assert_eq!(
            address("http://127.0.0.1:8085").as_deref(),
            Some("127.0.0.1:8085")
        );
        assert_eq!(
            address("https://pubsub.example").as_deref(),
            Some("pubsub.example:443")
        );
        assert_eq!(address("nonsense"), None);
    }

    #[tokio::test]
    async fn tells_when_it_is_back() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let (health, drain) = (Health::default(), Drain::new(Duration::from_secs(25)));
        let (sender, mut back) = watch::channel(0);
        let connection = Connection::emulator(&address.to_string());
        let task = tokio::spawn(super::watch(connection, sender, health.clone(), drain.clone()));
        while health.problems().is_none() {
            tokio::task::yield_now().await;
        }
        let _listener = tokio::net::TcpListener::bind(address).await.unwrap();
        back.changed().await.unwrap();
        assert_eq!(health.problems(), None);
        drain.stopping.cancel();
        task.await.unwrap();
    }
}
