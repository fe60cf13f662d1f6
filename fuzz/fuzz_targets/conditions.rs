#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz_targets::prepare("conditions"), |input: &[u8]| {
    fuzz_targets::conditions::run(input);
});
