//! What user stories need: a real API server, a Pub/Sub, an operator, and patience.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`control_plane`] | where does a real API server come from? |
//! | [`audit`] | who wrote what to it? |
//! | [`eventually`] | has it happened yet? |
//! | [`stage`] | what does an operator under test stand on? |

pub mod audit;
pub mod control_plane;
pub mod eventually;
pub mod stage;
