#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz_targets::prepare("definitions"), |input: &[u8]| {
    fuzz_targets::definitions::run(input);
});
