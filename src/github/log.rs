//! How does an event reach the log? On GitHub warnings and errors are annotations; elsewhere every line is plain.
//!
//! Everything goes to standard output, a line at a time: the runner interleaves the other stream wrongly.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::command::{self, plain};
use crate::secret::without_key;

/// The runner shows ten warnings of a step. These may come while it runs; the others are left to its report.
const WARNINGS_ON_THE_WAY: usize = 5;

/// How long the log waits for a slow reader, in all. A step that is cancelled has 7.5 s, of which an abort takes three.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// How much the log says, and to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) debug: bool,
    /// Whether the reader is a runner that understands workflow commands.
    pub(crate) commands: bool,
}

/// Takes in the events and prints them.
pub(crate) fn subscriber(style: Style) -> impl Subscriber + Send + Sync {
    let level = match style.debug {
        true => LevelFilter::DEBUG,
        false => LevelFilter::INFO,
    };
    let lines = Lines {
        commands: style.commands,
        warnings: AtomicUsize::new(0),
    };
    tracing_subscriber::registry().with(lines.with_filter(level))
}

/// Prints one line. A log that nobody reads must not end the step, nor keep it from ending.
pub(crate) fn print(line: &str) {
    /// How many milliseconds the log has waited for its reader.
    static WAITED: AtomicU64 = AtomicU64::new(0);
    #[cfg(test)]
    if tests::take_down(line) {
        return;
    }
    let mut out = io::stdout().lock();
    // If there is any room, a piece of this size is written without waiting.
    for piece in format!("{line}\n").as_bytes().chunks(512) {
        let start = Instant::now();
        let left = LONGEST_WAIT.saturating_sub(Duration::from_millis(WAITED.load(Relaxed)));
        let left = Timespec::try_from(left).ok();
        let has_room = retry_on_intr(|| {
            let out = PollFd::new(&out, PollFlags::OUT);
            poll(&mut [out], left.as_ref())
        });
        WAITED.fetch_add(start.elapsed().as_millis() as u64, Relaxed);
        if has_room == Ok(0) || out.write_all(piece).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

struct Lines {
    commands: bool,
    /// How many came without a title, so not from the report.
    warnings: AtomicUsize,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        // The crates below us say nothing that a user could act on, and might say more than they should.
        if !metadata.target().starts_with(env!("CARGO_CRATE_NAME")) {
            return;
        }
        let mut message = Message::default();
        event.record(&mut message);
        let Message { title, text } = message;
        let severity = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => return print(&format!("sofy | {}", plain(&text))),
            Level::DEBUG | Level::TRACE => "debug",
        };
        let is_one_too_many = severity == "warning"
            && title.is_empty()
            && self.warnings.fetch_add(1, Relaxed) >= WARNINGS_ON_THE_WAY;
        if self.commands && !is_one_too_many {
            return print(&command::message(severity, &title, &text));
        }
        // Only a text of the report has a title, and lines of its own.
        let text = match title.as_str() {
            "" => text.replace('\n', " "),
            title => format!("{title}: {text}"),
        };
        // Our prefix keeps what follows from ever starting a line.
        for line in format!("{severity}: {text}").split('\n') {
            print(&format!("sofy | {}", plain(line)));
        }
    }
}

/// What an event says: its message, and the field `title`. The key is replaced before anything is cut or made harmless.
#[derive(Default)]
struct Message {
    title: String,
    text: String,
}

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "title" {
            self.title = without_key(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.text = without_key(&format!("{value:?}"));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;
    use std::sync::LazyLock;

    use tracing::Dispatch;
    use tracing::subscriber::DefaultGuard;

    use super::*;

    thread_local! {
        /// The log of a step that is played on this thread.
        static TAKEN_DOWN: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    /// Takes the log down from now on, and gives what was taken down before.
    pub(crate) fn taken_down() -> String {
        TAKEN_DOWN.replace(Some(String::new())).unwrap_or_default()
    }

    /// Listens to the log of this thread for as long as the guard lives, and takes it down.
    pub(crate) fn listening(style: Style) -> DefaultGuard {
        /// If tracing knows of one listener only, and another thread is the first to reach a line, it takes the line for
        /// one that nobody listens to, on all threads.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| {
            Dispatch::new(subscriber(Style {
                debug: true,
                commands: false,
            }))
        });
        LazyLock::force(&ANOTHER);
        taken_down();
        tracing::subscriber::set_default(subscriber(style))
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

    fn logged(style: Style, say: impl FnOnce()) -> String {
        let _listening = listening(style);
        say();
        taken_down()
    }

    fn say_all() {
        tracing::info!("::error::x\ny");
        tracing::warn!("odd");
        tracing::error!(title = "Sofy: schedule", "1 of 2\nLook at it.");
        tracing::debug!("detail");
    }

    #[test]
    fn the_runner_gets_commands_and_everybody_else_plain_lines() {
        for (debug, commands, expected) in [
            (
                true,
                true,
                "sofy | : :error: :x y\n::warning::odd\n\
                 ::error title=Sofy%3A schedule::1 of 2%0ALook at it.\n::debug::detail\n",
            ),
            (
                true,
                false,
                "sofy | : :error: :x y\nsofy | warning: odd\n\
                 sofy | error: Sofy: schedule: 1 of 2\nsofy | Look at it.\nsofy | debug: detail\n",
            ),
            (
                false,
                false,
                "sofy | : :error: :x y\nsofy | warning: odd\n\
                 sofy | error: Sofy: schedule: 1 of 2\nsofy | Look at it.\n",
            ),
        ] {
            let style = Style { debug, commands };

            assert_eq!(logged(style, say_all), expected);
        }
    }

    #[test]
    fn only_the_messages_and_titles_of_this_crate_are_printed() {
        let style = Style {
            debug: true,
            commands: true,
        };

        let log = logged(style, || {
            tracing::error!(target: "hyper", "noise");
            tracing::warn!(number = 7, word = "x", "odd");
        });

        assert_eq!(log, "::warning::odd\n");
    }

    #[test]
    fn warnings_on_the_way_leave_room_for_those_of_the_report() {
        let style = Style {
            debug: false,
            commands: true,
        };

        let log = logged(style, || {
            (0..9).for_each(|n| tracing::warn!("{n}"));
            tracing::warn!(title = "Sofy schedule 1888", "tolerated");
        });

        assert_eq!(log.matches("::warning::").count(), WARNINGS_ON_THE_WAY);
        assert!(log.contains("sofy | warning: 8\n"), "{log}");
        assert!(
            log.ends_with("::warning title=Sofy schedule 1888::tolerated\n"),
            "{log}"
        );
    }
}
