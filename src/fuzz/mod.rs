//! Whatever comes in, does what goes out keep its promises? Answers, inputs, state and reports, from bytes to pages.
//!
//! `properties` says what must hold, `generated` what comes in. `PROPTEST_CASES=100000 cargo test --release fuzz` looks for
//! longer; what it finds stays as a row of a table beside the code.

mod generated;
mod properties;
