#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sofy_schedule_run::fuzz::uploads(bytes));
