#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz_targets::prepare("page_tokens"), |input: &[u8]| {
    fuzz_targets::page_tokens::run(input);
});
