//! The border with the runner: its environment, its files, its log.

pub(crate) mod command;
pub(crate) mod log;
pub(crate) mod privileges;
pub(crate) mod signal;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tracing_subscriber::util::SubscriberInitExt as _;
use uuid::Uuid;

use crate::secret::without_key;
use crate::text::value_of;
use log::Style;

/// The runner's files, opened while that is still allowed.
#[derive(Debug)]
pub(crate) struct Runner {
    output: Result<File, String>,
    summary: Result<File, String>,
    state: Result<File, String>,
    /// The folder that reports are written below.
    pub(crate) workspace: PathBuf,
    style: Style,
}

impl Runner {
    /// Opens the files that the environment names. None of them is worth failing for.
    pub(crate) fn open(env: &[(String, String)]) -> Self {
        let file = |name: &str| {
            let path = value_of(env, name);
            if path.is_empty() {
                return Err(format!("{name} is not set"));
            }
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            // Only a file that can be read shows whether its last line has an end.
            let file = options.clone().read(true).open(path);
            file.or_else(|_| options.open(path))
                .map_err(|error| format!("{name} cannot be opened ({error})"))
        };
        let workspace = Some(value_of(env, "GITHUB_WORKSPACE")).filter(|path| !path.is_empty());
        Self {
            output: file("GITHUB_OUTPUT"),
            summary: file("GITHUB_STEP_SUMMARY"),
            state: file("GITHUB_STATE"),
            workspace: workspace.unwrap_or(".").into(),
            style: Style {
                debug: value_of(env, "RUNNER_DEBUG") == "1",
                commands: value_of(env, "GITHUB_ACTIONS") == "true",
            },
        }
    }

    /// Tells whether the step runs in a workflow.
    pub(crate) const fn is_github(&self) -> bool {
        self.style.commands
    }

    /// Starts the log, in the style that the runner wants.
    pub(crate) fn start_log(&self) {
        log::subscriber(self.style).init();
    }

    /// Sets step outputs.
    pub(crate) fn set_outputs(&mut self, pairs: &[(&str, String)]) {
        let lines = pairs.iter().map(|(name, value)| heredoc(name, value));
        if !pairs.is_empty()
            && let Err(problem) = append(&mut self.output, &lines.collect::<String>())
        {
            self.miss(&format!("the step outputs were not written: {problem}"));
        }
    }

    /// Saves a value for the post step. Runners without one need not hear about it.
    pub(crate) fn save_state(&mut self, name: &str, value: &str) {
        if let Err(problem) = append(&mut self.state, &heredoc(name, value)) {
            tracing::debug!("the state for the post step was not saved: {problem}");
        }
    }

    /// Adds to the job summary, and tells whether it was written.
    pub(crate) fn add_summary(&mut self, markdown: &str) -> bool {
        let written = append(&mut self.summary, markdown);
        if let Err(problem) = &written {
            self.miss(&format!(
                "the job summary was not written: {problem}. The log has every test run"
            ));
        }
        written.is_ok()
    }

    /// Warns on GitHub. Elsewhere nobody waits for outputs and a summary.
    fn miss(&self, problem: &str) {
        match self.is_github() {
            true => tracing::warn!("{problem}"),
            false => tracing::debug!("{problem}"),
        }
    }

    /// Prints lines in a fold of the log, or below its title.
    pub(crate) fn print_fold(&self, title: &str, lines: impl IntoIterator<Item = String>) {
        match self.is_github() {
            true => log::print(&command::group(title)),
            false => tracing::info!("{title}:"),
        }
        lines.into_iter().for_each(|line| tracing::info!("{line}"));
        if self.is_github() {
            log::print("::endgroup::");
        }
    }

    /// Writes a report below the workspace, whole or not at all.
    ///
    /// A link that leads out of the workspace is not followed.
    pub(crate) fn write_report(
        &self,
        path: &Path,
        render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let workspace = Dir::open_ambient_dir(&self.workspace, ambient_authority())?;
        let parent = path.parent().unwrap_or(Path::new(""));
        workspace.create_dir_all(parent)?;
        let unfinished = parent.join(format!(".{}.unfinished", Uuid::new_v4()));
        let written = workspace.create(&unfinished).and_then(|file| {
            let mut out = BufWriter::new(file);
            render(&mut out)?;
            out.flush()?;
            workspace.rename(&unfinished, &workspace, path)
        });
        if written.is_err() {
            _ = workspace.remove_file(&unfinished);
        }
        written
    }
}

/// Appends whole lines, or nothing: the runner fails a step whose file it cannot read.
fn append(file: &mut Result<File, String>, text: &str) -> Result<(), String> {
    let file = file.as_mut().map_err(|problem| problem.clone())?;
    let before = file.metadata().map(|data| data.len());
    // Another tool may have left the last line without its end.
    let mut last = [b'\n'];
    let sought = file.seek(SeekFrom::End(-1));
    _ = sought.and_then(|_| file.read_exact(&mut last));
    let end = if last == [b'\n'] { "" } else { "\n" };
    let text = format!("{end}{}", without_key(text));
    file.write_all(text.as_bytes()).map_err(|error| {
        _ = before.and_then(|length| file.set_len(length));
        error.to_string()
    })
}

/// Writes an output with a delimiter that nobody can guess, so that no value can end early.
fn heredoc(name: &str, value: &str) -> String {
    let delimiter = format!("ghadelimiter_{}", Uuid::new_v4());
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(workspace: &Path) -> Runner {
        Runner::open(&[(
            "GITHUB_WORKSPACE".to_owned(),
            workspace.display().to_string(),
        )])
    }

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[test]
    fn a_report_is_written_with_its_folders_and_replaces_the_old_one() {
        let folder = scratch();
        let workspace = folder.path();
        let runner = runner(workspace);

        runner
            .write_report(Path::new("a/b/report.xml"), |out| out.write_all(b"old"))
            .expect("written");
        runner
            .write_report(Path::new("a/b/report.xml"), |out| out.write_all(b"new"))
            .expect("replaced");

        assert_eq!(
            std::fs::read_to_string(workspace.join("a/b/report.xml")).expect("the report"),
            "new"
        );
        assert_eq!(
            std::fs::read_dir(workspace.join("a/b"))
                .expect("the folder")
                .count(),
            1
        );
    }

    #[test]
    fn a_report_that_breaks_off_leaves_the_old_one_and_nothing_else() {
        let folder = scratch();
        std::fs::write(folder.path().join("report.xml"), "old").expect("written");

        let written = runner(folder.path()).write_report(Path::new("report.xml"), |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });

        assert!(written.is_err());
        let names = std::fs::read_dir(folder.path()).expect("the folder");
        assert_eq!(names.count(), 1);
        assert_eq!(
            std::fs::read_to_string(folder.path().join("report.xml")).expect("the report"),
            "old"
        );
    }

    #[test]
    fn a_line_that_another_tool_left_open_is_ended_first_and_no_line_is_blank() {
        for (left, begins, why) in [
            ("", "reason<<", "a new file"),
            (
                "a=b\n",
                "a=b\nreason<<",
                "a file whose last line has its end",
            ),
            ("a=b", "a=b\nreason<<", "a file whose last line has none"),
            ("a=b\r\n", "a=b\r\nreason<<", "line ends of Windows"),
        ] {
            let folder = scratch();
            let path = folder.path().join("output");
            std::fs::write(&path, left).expect("written");
            let name = "GITHUB_OUTPUT".to_owned();
            let mut runner = Runner::open(&[(name, path.display().to_string())]);

            runner.set_outputs(&[("reason", "why".to_owned())]);
            OpenOptions::new()
                .append(true)
                .open(&path)
                .and_then(|mut file| file.write_all(b"c=d"))
                .expect("written by another tool meanwhile");
            runner.set_outputs(&[("reason", "why".to_owned())]);

            let text = std::fs::read_to_string(&path).expect("the outputs");
            assert!(text.starts_with(begins), "{why}: {text:?}");
            assert!(text.contains("\nc=d\nreason<<"), "{why}: {text:?}");
            assert!(!text.contains("\n\n"), "{why}: {text:?}");
        }
    }

    #[test]
    fn a_summary_that_cannot_be_written_is_not_named_as_one() {
        let mut runner =
            Runner::open(&[("GITHUB_STEP_SUMMARY".to_owned(), "/dev/full".to_owned())]);
        assert!(!runner.add_summary("# SeenFailure"));
    }

    #[test]
    fn the_workspace_is_the_runners_or_else_the_current_folder() {
        for (given, expected) in [("/a b", "/a b"), ("", ".")] {
            let runner = Runner::open(&[("GITHUB_WORKSPACE".into(), given.into())]);

            assert_eq!(runner.workspace, Path::new(expected));
        }
    }

    #[test]
    fn an_output_that_is_not_written_is_a_warning_on_github_and_a_detail_elsewhere() {
        for (actions, debug, expected) in [
            (
                "true",
                "",
                "::warning::the step outputs were not written: GITHUB_OUTPUT is not set\n",
            ),
            ("false", "", ""),
            (
                "",
                "1",
                "sofy | debug: the step outputs were not written: GITHUB_OUTPUT is not set\n",
            ),
        ] {
            let pairs = [("GITHUB_ACTIONS", actions), ("RUNNER_DEBUG", debug)];
            let mut runner = Runner::open(&pairs.map(|(name, value)| (name.into(), value.into())));
            let _listening = log::tests::listening(runner.style);

            runner.set_outputs(&[("reason", "why".to_owned())]);
            runner.set_outputs(&[]);

            assert_eq!(log::tests::taken_down(), expected);
        }
    }

    #[test]
    fn a_link_out_of_the_workspace_is_not_followed() {
        let (workspace, outside) = (scratch(), scratch());
        std::os::unix::fs::symlink(&outside, workspace.path().join("link")).expect("a link");

        let written = runner(workspace.path())
            .write_report(Path::new("link/report.xml"), |out| out.write_all(b"x"));

        assert!(written.is_err());
        assert_eq!(std::fs::read_dir(&outside).expect("the folder").count(), 0);
    }

    #[test]
    fn an_output_is_one_output_whatever_its_value() {
        let text = heredoc("reason", "x\nghadelimiter_\nconclusion=success");
        let lines: Vec<&str> = text.lines().collect();
        let delimiter = lines[0].strip_prefix("reason<<").expect("a heredoc");

        assert_eq!(lines.iter().filter(|line| **line == delimiter).count(), 1);
        assert_eq!(lines.last(), Some(&delimiter));
        assert!(text.ends_with('\n'));
    }
}
