//! How does an event reach the log? `warn` is a warning annotation, `error` an error annotation.
//!
//! Everything goes to standard output, a line at a time: the runner interleaves the other stream wrongly.

use std::fmt;
use std::io::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level as Severity, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::command::{self, Level, plain};

/// How much the log says, and whether in colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) debug: bool,
    pub(crate) colour: bool,
}

impl Style {
    /// Reads the runner's and the user's wishes from the environment.
    pub(crate) fn of(env: &[(String, String)]) -> Self {
        let set = |name: &str| {
            env.iter()
                .any(|(key, value)| key == name && !value.is_empty())
        };
        Self {
            debug: env
                .iter()
                .any(|(key, value)| key == "RUNNER_DEBUG" && value == "1"),
            // No terminal is attached to a step, but GitHub's log shows colours.
            colour: set("GITHUB_ACTIONS") && !set("NO_COLOR"),
        }
    }
}

/// Starts the log.
pub(crate) fn start(style: Style) {
    let level = if style.debug {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    tracing_subscriber::registry()
        .with(Lines { style }.with_filter(level))
        .init();
}

/// Prints one line. A log that nobody reads any more must not end the step.
pub(crate) fn print(line: &str) {
    let mut out = io::stdout().lock();
    _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

struct Lines {
    style: Style,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // The crates below us say nothing that a user could act on, and might say more than they should.
        if !event
            .metadata()
            .target()
            .starts_with(env!("CARGO_CRATE_NAME"))
        {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let text = message.0;
        print(&match *event.metadata().level() {
            Severity::ERROR => command::message(Level::Error, "", &text),
            Severity::WARN => command::message(Level::Warning, "", &text),
            Severity::INFO => coloured(&text, self.style.colour),
            Severity::DEBUG | Severity::TRACE => command::message(Level::Debug, "", &text),
        });
    }
}

/// Dims our prefix, which also keeps what follows from ever starting a line.
fn coloured(text: &str, colour: bool) -> String {
    let (dim, reset) = if colour {
        ("\u{1b}[36m", "\u{1b}[0m")
    } else {
        ("", "")
    };
    format!("{dim}sofy |{reset} {}", plain(text))
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
