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
    subscriber(style).init();
}

/// What takes in the events.
pub(crate) fn subscriber(style: Style) -> impl Subscriber + Send + Sync {
    let level = if style.debug {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    tracing_subscriber::registry().with(Lines { style }.with_filter(level))
}

/// Prints one line. A log that nobody reads any more must not end the step.
pub(crate) fn print(line: &str) {
    #[cfg(test)]
    if tests::take_down(line) {
        return;
    }
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
        let mut message = Message::default();
        event.record(&mut message);
        let text = message.text;
        print(&match *event.metadata().level() {
            Severity::ERROR => command::message(Level::Error, "", &text),
            Severity::WARN => command::message(Level::Warning, "", &text),
            Severity::INFO => coloured(&text, self.style.colour.then_some(message.tone)),
            Severity::DEBUG | Severity::TRACE => command::message(Level::Debug, "", &text),
        });
    }
}

/// Colours our prefix, which also keeps what follows from ever starting a line.
fn coloured(text: &str, tone: Option<u64>) -> String {
    let (colour, reset) = match tone {
        Some(tone) => (format!("\u{1b}[{tone}m"), "\u{1b}[0m"),
        None => (String::new(), ""),
    };
    format!("{colour}sofy |{reset} {}", plain(text))
}

/// The colour of a line, as the number that ANSI gives it; the field `tone` of an event.
pub(crate) mod tone {
    pub(crate) const RED: u64 = 31;
    pub(crate) const GREEN: u64 = 32;
    pub(crate) const YELLOW: u64 = 33;
    pub(crate) const NEUTRAL: u64 = 36;
}

struct Message {
    text: String,
    tone: u64,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            text: String::new(),
            tone: tone::NEUTRAL,
        }
    }
}

impl Visit for Message {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "tone" {
            self.tone = value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.text = format!("{value:?}");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        /// The log of a step that is played on this thread.
        static TAKEN_DOWN: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    /// Takes the log down from now on, and gives what was taken down before.
    pub(crate) fn taken_down() -> String {
        TAKEN_DOWN.replace(Some(String::new())).unwrap_or_default()
    }

    pub(super) fn take_down(line: &str) -> bool {
        TAKEN_DOWN.with_borrow_mut(|log| {
            let Some(log) = log else {
                return false;
            };
            log.push_str(line);
            log.push('\n');
            true
        })
    }

    #[test]
    fn a_line_begins_with_our_prefix_in_colour_or_not() {
        assert_eq!(coloured("::error::x", None), "sofy | : :error: :x");
        assert_eq!(
            coloured("fine", Some(tone::GREEN)),
            "\u{1b}[32msofy |\u{1b}[0m fine"
        );
    }
}
