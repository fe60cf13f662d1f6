#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz_targets::prepare("tokens"), |input: &[u8]| {
    fuzz_targets::tokens::run(input);
});
