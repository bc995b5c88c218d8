//! The connection to Redis: one that all events share, made anew when it broke.

use std::time::Duration;

use parking_lot::RwLock;
use redis::{ErrorKind, RedisResult, ServerErrorKind};
use tokio::{sync::Mutex, time::Instant};

use super::{
    StoreError,
    address::RedisSettings,
    connect::{CONNECT, Connection, words},
};

/// After a connect that failed nobody tries for so long: a thousand waiting events are one attempt.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone)]
struct Open {
    connection: Connection,
    serial: u64,
}

#[derive(Debug, Default)]
struct Attempts {
    serial: u64,
    failed: Option<(Instant, String)>,
}

/// One connection, and the way back to it.
pub(super) struct Link {
    settings: RedisSettings,
    /// What our keys begin with.
    prefix: String,
    open: RwLock<Option<Open>>,
    attempts: Mutex<Attempts>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.settings.fmt(f)
    }
}

impl Link {
    pub(super) fn new(settings: RedisSettings, prefix: String) -> Self {
        // Redis' client takes the process's default; Google's names its own. The same one for both.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self {
            settings,
            prefix,
            open: RwLock::new(None),
            attempts: Mutex::default(),
        }
    }

    /// Asks once. An error that may be the connection's ends it, so that the next question gets a new one.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, StoreError> {
        let mut open = self.connection().await?;
        let answer = question(&mut open.connection).await;
        answer.map_err(|error| {
            if error.kind() != ErrorKind::Server(ServerErrorKind::NoPerm) {
                self.forget(open.serial);
            }
            StoreError(words(&error))
        })
    }

    fn forget(&self, serial: u64) {
        let mut open = self.open.write();
        if open.as_ref().is_some_and(|open| open.serial == serial) {
            *open = None;
        }
    }

    async fn connection(&self) -> Result<Open, StoreError> {
        if let Some(open) = &*self.open.read() {
            return Ok(open.clone());
        }
        let mut attempts = self.attempts.lock().await;
        // Somebody else may have connected, or failed to, while we waited.
        if let Some(open) = &*self.open.read() {
            return Ok(open.clone());
        }
        if let Some((at, why)) = &attempts.failed
            && at.elapsed() < PAUSE
        {
            return Err(StoreError(why.clone()));
        }
        let late = |_elapsed| Err(format!("it takes no connection within {CONNECT:?}"));
        let connecting = self.settings.connect(&self.prefix);
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        match connected.unwrap_or_else(late) {
            Ok(connection) => {
                attempts.serial += 1;
                attempts.failed = None;
                let open = Open {
                    connection,
                    serial: attempts.serial,
                };
                *self.open.write() = Some(open.clone());
                Ok(open)
            }
            Err(why) => {
                attempts.failed = Some((Instant::now(), why.clone()));
                Err(StoreError(why))
            }
        }
    }
}
