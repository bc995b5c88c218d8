//! Every write to the API server goes through here, and is refused without the permit. It sits in the client, so that
//! no writer can forget it.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use tower::{BoxError, Layer, Service};

use super::Permit;

/// A client whose writes need the permit.
///
/// # Errors
/// When the configuration makes no client.
pub fn client(config: Config, permit: Permit) -> kube::Result<Client> {
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&Guard { permit })
        .build())
}

/// Puts a permit before a service.
#[derive(Debug, Clone)]
pub struct Guard {
    /// What writes need.
    pub permit: Permit,
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded {
            inner,
            permit: self.permit.clone(),
        }
    }
}

/// A service whose writes need the permit.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    permit: Permit,
}

impl<S, B> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let permit = self.permit.clone();
        if !reads && let Err(refused) = permit.check() {
            return Box::pin(async move { Err(refused.into()) });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            match reads {
                true => answer.await.map_err(Into::into),
                false => permit.cover(answer).await?.map_err(Into::into),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    async fn send(permit: &Permit, method: Method) -> Result<Response<String>, BoxError> {
        let server = service_fn(async |_: Request<Body>| Ok::<_, BoxError>(Response::new("done".to_owned())));
        let guarded = Guard {
            permit: permit.clone(),
        }
        .layer(server);
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        guarded.oneshot(request).await
    }

    #[tokio::test]
    async fn only_reads_pass_without_the_permit() {
        let permit = Permit::none();
        assert!(send(&permit, Method::GET).await.is_ok());
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let refused = send(&permit, method).await.unwrap_err();
            assert!(refused.is::<crate::leader::NotLeading>(), "{refused}");
        }
        assert!(send(&Permit::always(), Method::PATCH).await.is_ok());
    }
}
