//! What user stories need: a real API server, a Pub/Sub, an operator, and patience.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`control_plane`] | where does a real API server come from? |
//! | [`audit`] | who wrote what to it? |
//! | [`eventually`] | has it happened yet? |
//! | [`stage`] | what does an operator under test stand on? |
//! | [`tenants`] | how does a platform engineer make, wait for and delete a Tenant? |
//! | [`sabotage`] | how does the k-th write of an operator go wrong? |
//! | [`gateway`] | how does the way to the API server become bad? |
//! | [`portrait`] | what is there of a Tenant, but for what differs from run to run? |
//! | [`world`] | where may an operator go wrong at each of its writes? |
//! | [`pubsub`] | what is seen of Pub/Sub, and done there by hand? |
//! | [`quiet`] | has an operator come to rest? |
//! | [`process`] | how are our real binaries run? |
//! | [`usage`] | what does a process cost? |

pub mod audit;
pub mod control_plane;
pub mod eventually;
pub mod gateway;
pub mod portrait;
pub mod process;
pub mod pubsub;
pub mod quiet;
pub mod sabotage;
pub mod stage;
pub mod tenants;
pub mod usage;
pub mod world;
