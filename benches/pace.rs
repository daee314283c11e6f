//! Prints a table; the bench itself is below `src/tests/bench`, where it can see what it measures.

fn main() {
    sofy_schedule_run::bench::pace();
}
