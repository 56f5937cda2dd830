//! What was committed is there after any crash, and what is damaged is told by name.

mod crashes;
mod damage;
mod model;
mod store;
