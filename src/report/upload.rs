//! What do people and later steps read of an upload?
//!
//! Must not know the runner's files.

use std::time::Duration;

use super::Publication;
use super::annotations::{Annotation, Severity};
use super::markdown::{code, sentence};
use super::outputs::one_line;
use crate::model::verdict::{Conclusion, Verdict};
use crate::text::{bytes, span};

/// The whole result of one upload.
#[derive(Clone, Debug, Default)]
pub(crate) struct UploadReport {
    pub(crate) verdict: Verdict,
    /// Relative to its folder; empty if there is none.
    pub(crate) file: String,
    pub(crate) size: u64,
    /// Empty unless the conclusion is success.
    pub(crate) app_hash: String,
    /// Empty if Sofy's list of builds does not contain it.
    pub(crate) build: String,
    /// Whether Sofy took the file, or had it before; none if it does not have it.
    pub(crate) uploaded: Option<bool>,
    pub(crate) duration: Duration,
}

impl UploadReport {
    /// A report of an upload that ended before anything was sent.
    pub(crate) fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            ..Self::default()
        }
    }
}

impl Publication<'_> {
    /// What an upload publishes: every output of the contract in its order, and one line.
    pub(crate) fn of_upload(report: &UploadReport) -> Self {
        let (conclusion, reason) = (report.verdict.conclusion, &report.verdict.reason);
        let uploaded = report.uploaded.map(|uploaded| uploaded.to_string());
        let (icon, what) = match (conclusion, report.uploaded) {
            (Conclusion::Success, Some(false)) => ("✅", "Sofy already has it"),
            (Conclusion::Success | Conclusion::Detached, _) => ("✅", "Uploaded"),
            (Conclusion::TimedOut, _) => ("⏱️", "Upload timed out"),
            (Conclusion::Cancelled, _) => ("🚫", "Upload cancelled"),
            (Conclusion::Error | Conclusion::Failure, _) => ("⚠️", "Upload failed"),
        };
        let (mut annotations, mut why) = (Vec::new(), String::new());
        let mut last_line = format!("{what}{}", facts(report, str::to_owned));
        if !conclusion.is_green() {
            let next = report.verdict.advice.as_deref().unwrap_or_default();
            let message = format!("{reason}\n{next}");
            annotations.push(Annotation::new(Severity::Error, "Upload to Sofy", &message));
            why = format!(". {} {}", sentence(reason), sentence(next));
            last_line = report.verdict.to_string();
        }
        Self {
            annotations,
            outputs: vec![
                ("app-hash", report.app_hash.clone()),
                ("uploaded", uploaded.unwrap_or_default()),
                ("build", report.build.clone()),
                ("conclusion", conclusion.as_str().to_owned()),
                ("reason", one_line(reason)),
            ],
            summary: format!("**{icon} {what}**{}{why}\n\n", facts(report, code)),
            report: None,
            exit_status: conclusion.exit_status(),
            last_lines: vec![last_line],
        }
        .with_problems("Sofy upload", &report.verdict)
    }
}

/// Lists what is known of the file and of its build.
fn facts(report: &UploadReport, shown: impl Fn(&str) -> String) -> String {
    if report.file.is_empty() {
        return String::new();
    }
    let mut facts = format!(": {} ({})", shown(&report.file), bytes(report.size));
    for (label, value) in [("build", &report.build), ("hash", &report.app_hash)] {
        if !value.is_empty() {
            facts.push_str(&format!(", {label} {}", shown(value)));
        }
    }
    format!("{facts}, in {}", span(report.duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_of_the_file_what_is_known() {
        let failed = Verdict::new(Conclusion::Error, "it broke").advise("Try again.");
        let file = |report: UploadReport| UploadReport {
            file: "shop.apk".into(),
            size: 2048,
            duration: Duration::from_secs(9),
            ..report
        };
        let uploaded = file(UploadReport {
            app_hash: "ea0c".into(),
            uploaded: Some(true),
            ..UploadReport::of(Verdict::new(Conclusion::Success, "uploaded"))
        });
        let named = UploadReport {
            build: "1.43.0(5768)".into(),
            ..uploaded.clone()
        };
        for (report, summary, last_line, why) in [
            (
                UploadReport::of(failed.clone()),
                "**⚠️ Upload failed**. It broke. Try again.\n\n",
                "error: it broke",
                "no file was found",
            ),
            (
                file(UploadReport::of(failed)),
                "**⚠️ Upload failed**: <code>shop.apk</code> (2.0 KiB), in 9s. It broke. Try again.\n\n",
                "error: it broke",
                "there is no build",
            ),
            (
                uploaded,
                "**✅ Uploaded**: <code>shop.apk</code> (2.0 KiB), hash <code>ea0c</code>, in 9s\n\n",
                "Uploaded: shop.apk (2.0 KiB), hash ea0c, in 9s",
                "its build has no name yet",
            ),
            (
                named,
                "**✅ Uploaded**: <code>shop.apk</code> (2.0 KiB), build <code>1.43.0(5768)</code>, hash <code>ea0c</code>, in 9s\n\n",
                "Uploaded: shop.apk (2.0 KiB), build 1.43.0(5768), hash ea0c, in 9s",
                "all of it",
            ),
        ] {
            let publication = Publication::of_upload(&report);

            assert_eq!(publication.summary, summary, "{why}");
            assert_eq!(publication.last_lines, [last_line], "{why}");
        }
    }
}
