#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz_targets::prepare("patches"), |input: &[u8]| {
    fuzz_targets::patches::run(input);
});
