#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz_targets::prepare("messages"), |input: &[u8]| {
    fuzz_targets::messages::run(input);
});
