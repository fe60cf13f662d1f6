#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz_targets::prepare("data"), |input: &[u8]| {
    fuzz_targets::data::run(input);
});
