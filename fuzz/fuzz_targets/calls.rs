#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz_targets::prepare("calls"), |input: &[u8]| {
    fuzz_targets::calls::run(input);
});
