//! What every call passes on its way in and out, whatever its transport: planned faults, quota,
//! access control, the log.

use crate::{
    calls::{CallLog, Entry},
    engine::Engine,
    faults::{Fault, FaultPlan, Strike},
    methods::{self, Method},
    quota::Quota,
    settings::IamMode,
    status::{Code, Detail, Result, Status},
};
use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// Who calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// IAM members that the bearer token stands for; none came with a token that is not there.
    pub(crate) members: Vec<String>,
    /// When the token stops being one; principals given as tokens never do.
    expires: Option<SystemTime>,
    /// `X-Goog-User-Project`: whose quota pays.
    pub(crate) quota_project: Option<String>,
}

impl Caller {
    /// The token itself is the principal, `serviceAccount:a@b` or `user:…`; one that names no kind
    /// is taken for a user. Tokens of the emulator's own token endpoint carry theirs encoded.
    pub(crate) fn new(authorization: Option<&str>, quota_project: Option<&str>) -> Self {
        let token = authorization.and_then(|value| {
            value
                .strip_prefix("Bearer ")
                .or_else(|| value.strip_prefix("bearer "))
                .map(str::trim)
                .filter(|token| !token.is_empty())
        });
        let quota_project = quota_project.map(str::to_owned);
        if let Some(bearer) = token.and_then(crate::identity::bearer) {
            return Self {
                members: bearer.members,
                expires: Some(bearer.expires),
                quota_project,
            };
        }
        let member = token.map(|token| {
            if token.contains(':') {
                token.to_owned()
            } else {
                format!("user:{token}")
            }
        });
        Self {
            members: member.into_iter().collect(),
            expires: None,
            quota_project,
        }
    }
}

/// A permission beside the method's own, and the resource it is asked for on.
pub(crate) type Also<'a> = (&'a str, &'a str);

pub(crate) struct Gate {
    engine: Arc<Engine>,
    pub(crate) calls: CallLog,
    pub(crate) faults: FaultPlan,
    quota: Quota,
}

impl Gate {
    pub(crate) fn new(engine: Arc<Engine>, seed: u64) -> Self {
        Self {
            engine,
            calls: CallLog::default(),
            faults: FaultPlan::new(seed),
            quota: Quota::default(),
        }
    }

    /// Runs one call.
    pub(crate) async fn pass<T>(
        &self,
        method: &'static Method,
        resource: &str,
        also: &[Also<'_>],
        caller: &Caller,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let fault = self.faults.strike(method.name, resource);
        if let Some(delay) = fault.as_ref().map(|fault| fault.delay_ms).filter(|ms| *ms > 0) {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        let planned = fault.as_ref().and_then(answer);
        let result = match (&planned, fault.as_ref().map(|fault| fault.strike)) {
            (Some(status), Some(Strike::Before)) => Err(status.clone()),
            (planned, _) => {
                let result = match self.admit(method, resource, also, caller) {
                    Ok(()) => self.stored(method, call.await).await,
                    Err(status) => Err(status),
                };
                planned.clone().map_or(result, Err)
            }
        };
        let entry = Entry {
            method,
            resource,
            caller: caller.members.first().map(String::as_str),
        };
        let code = result.as_ref().err().map(|status| status.code);
        self.calls
            .record(&entry, code, planned.is_some(), self.engine.clock.wall_now());
        if let Err(status) = &result {
            tracing::debug!(method = method.name, resource, code = status.code.name(), message = %status.message, "Refused.");
        }
        result
    }

    /// A reply says that something is so; it waits until the store says so too. An ack may be lost
    /// in a crash: its message comes again, which the service reserves for itself as well.
    async fn stored<T>(&self, method: &'static Method, result: Result<T>) -> Result<T> {
        if result.is_ok() && (method.admin || std::ptr::eq(method, &raw const methods::PUBLISH)) {
            self.engine.flush().await?;
        }
        result
    }

    fn admit(
        &self,
        method: &'static Method,
        resource: &str,
        also: &[Also<'_>],
        caller: &Caller,
    ) -> Result<()> {
        let quota = self.engine.settings.read().admin_quota_per_minute;
        if let Some(per_minute) = quota.filter(|_| method.admin) {
            let payer = caller
                .quota_project
                .as_deref()
                .unwrap_or_else(|| project_of(resource));
            let number = self.engine.project_number(payer);
            self.quota.take(payer, number, per_minute, Instant::now())?;
        }
        let enforced = self.engine.settings.read().iam == IamMode::Enforce;
        // A stream that is open goes on: its token was good when it began.
        if enforced
            && caller
                .expires
                .is_some_and(|at| at <= self.engine.clock.wall_now())
        {
            return Err(unauthenticated());
        }
        self.authorise(method, resource, also, caller)
    }

    /// Are the permissions there? Asked at the start of a call, and again and again in a stream.
    pub(crate) fn authorise(
        &self,
        method: &'static Method,
        resource: &str,
        also: &[Also<'_>],
        caller: &Caller,
    ) -> Result<()> {
        if self.engine.settings.read().iam == IamMode::Off {
            return Ok(());
        }
        let own = if method.on_project {
            format!("projects/{}", project_of(resource))
        } else {
            resource.to_owned()
        };
        std::iter::once((method.permission, own.as_str()))
            .chain(also.iter().copied())
            .filter(|(permission, _)| !permission.is_empty())
            .try_for_each(|(permission, resource)| self.require(caller, permission, resource))
    }

    fn require(&self, caller: &Caller, permission: &str, resource: &str) -> Result<()> {
        if caller.members.is_empty() {
            return Err(unauthenticated());
        }
        if caller
            .members
            .iter()
            .any(|member| self.engine.allows(member, permission, resource))
        {
            return Ok(());
        }
        let metadata = BTreeMap::from([
            ("permission".to_owned(), permission.to_owned()),
            ("resource".to_owned(), resource.to_owned()),
        ]);
        Err(Status::new(
            Code::PermissionDenied,
            "User not authorized to perform this action.",
        )
        .with(Detail::ErrorInfo {
            reason: "IAM_PERMISSION_DENIED".to_owned(),
            domain: "pubsub.googleapis.com".to_owned(),
            metadata,
        }))
    }
}

fn unauthenticated() -> Status {
    Status::new(
        Code::Unauthenticated,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
         authentication credential.",
    )
}

fn project_of(resource: &str) -> &str {
    resource.split('/').nth(1).unwrap_or_default()
}

fn answer(fault: &Fault) -> Option<Status> {
    let message = || {
        fault
            .message
            .clone()
            .unwrap_or_else(|| "A planned fault of the emulator.".to_owned())
    };
    fault.code.map(|code| Status::new(code, message()))
}
