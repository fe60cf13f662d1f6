//! Everything this process logs, and every panic in it.

use std::io;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INSTALLED: Once = Once::new();

/// Begins to record, once for each process.
pub(super) fn record() {
    INSTALLED.call_once(|| {
        // A line for each frame would be most of what many calls cost.
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_env_filter(EnvFilter::new("debug,h2=info"))
            .with_writer(Recorder)
            .finish();
        // A test binary may have set one of its own: then its own assertions read that.
        let _ = tracing::subscriber::set_global_default(subscriber);
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // The thread of a test has its path as a name: a failed assertion is no panic of
            // the server.
            let thread = std::thread::current();
            if !thread.name().is_some_and(|name| name.contains("::")) {
                held(&PANICS).push(panic.to_string());
            }
            shown(panic);
        }));
    });
}

/// What has been logged since the start of the process, one JSON object a line.
pub fn log() -> String {
    String::from_utf8_lossy(&held(&LOG)).into_owned()
}

/// Panics since the start of the process, those of tests themselves apart.
pub fn panics() -> Vec<String> {
    held(&PANICS).clone()
}

fn held<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Recorder;

impl io::Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        held(&LOG).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Recorder {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}
