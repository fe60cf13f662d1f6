#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz_targets::prepare("names"), |input: &[u8]| {
    fuzz_targets::names::run(input);
});
