//! The gRPC surface: Publisher, Subscriber, `SchemaService` and `IAMPolicy`.

pub(crate) mod codec;
mod details;
mod iam;
mod publisher;
pub(crate) mod request;
mod schemas;
mod stream;
mod subscriber;

use crate::{api::Api, gate::Caller, limits::MAX_REQUEST_BYTES, status};
use tonic::{Request, Response, Status, codec::CompressionEncoding, service::Routes};

/// What is read of a request at all. Above it the transport ends the call; below it the codecs of
/// `request` answer with the service's words.
const MAX_READ_BYTES: usize = 2 * MAX_REQUEST_BYTES;

/// Answer of methods without one; it stands for `google.protobuf.Empty` on the wire.
pub(crate) type Empty = ();

/// The server traits that build.rs makes.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]
mod generated {
    pub(super) mod publisher {
        include!(concat!(env!("OUT_DIR"), "/google.pubsub.v1.Publisher.rs"));
    }
    pub(super) mod subscriber {
        include!(concat!(env!("OUT_DIR"), "/google.pubsub.v1.Subscriber.rs"));
    }
    pub(super) mod schemas {
        include!(concat!(env!("OUT_DIR"), "/google.pubsub.v1.SchemaService.rs"));
    }
    pub(super) mod iam {
        include!(concat!(env!("OUT_DIR"), "/google.iam.v1.IAMPolicy.rs"));
    }
}

use generated::{
    iam::i_a_m_policy_server::IAMPolicyServer, publisher::publisher_server::PublisherServer,
    schemas::schema_service_server::SchemaServiceServer, subscriber::subscriber_server::SubscriberServer,
};

/// One service object implements all four traits.
#[derive(Clone)]
struct Service(Api);

/// All gRPC services of the emulator.
pub(crate) fn routes(api: Api) -> Routes {
    /// What a client may send: requests of this size, also compressed.
    macro_rules! serve {
        ($server:ident, $service:expr) => {
            $server::new($service)
                .max_decoding_message_size(MAX_READ_BYTES)
                .accept_compressed(CompressionEncoding::Gzip)
        };
    }
    let service = Service(api);
    Routes::new(serve!(PublisherServer, service.clone()))
        .add_service(serve!(SubscriberServer, service.clone()))
        .add_service(serve!(SchemaServiceServer, service.clone()))
        .add_service(serve!(IAMPolicyServer, service))
        .prepare()
}

type Answer<T> = Result<Response<T>, Status>;

fn answer<T>(result: status::Result<T>) -> Answer<T> {
    result.map(Response::new).map_err(details::to_tonic)
}

/// Who calls, and the message.
fn open<T>(request: Request<T>) -> (Caller, T) {
    let header = |name: &str| request.metadata().get(name).and_then(|value| value.to_str().ok());
    let caller = Caller::new(header("authorization"), header("x-goog-user-project"));
    (caller, request.into_inner())
}
