//! The program: everything is in the library.

fn main() -> std::process::ExitCode {
    sofy_schedule_run::main()
}
