//! What does it cost? Tables that `cargo bench` prints.

mod cost;
mod frame;
mod pace;
mod runs;

pub use cost::cost;
pub use pace::pace;
