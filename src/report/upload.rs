//! What do people and later steps read of an upload?
//!
//! Must not know the runner's files.

use std::time::Duration;

use super::Publication;
use super::annotations::{Annotation, Severity};
use super::markdown::{name, sentence};
use super::outputs::one_line;
use crate::model::verdict::{Conclusion, Verdict};
use crate::text::{bytes, span};

/// The whole result of one upload.
#[derive(Clone, Debug)]
pub(crate) struct UploadReport {
    pub(crate) verdict: Verdict,
    /// Relative to its folder; empty if the inputs were wrong.
    pub(crate) file: String,
    pub(crate) size: u64,
    /// Empty unless the conclusion is success.
    pub(crate) app_hash: String,
    /// Empty if Sofy's list of builds does not contain it.
    pub(crate) build: String,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) duration: Duration,
}

/// How Sofy came by a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Uploaded,
    AlreadyThere,
}

impl UploadReport {
    /// A report of an upload that ended before anything was sent.
    pub(crate) fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            file: String::new(),
            size: 0,
            app_hash: String::new(),
            build: String::new(),
            delivery: None,
            duration: Duration::ZERO,
        }
    }
}

/// Lists every output of the contract, in its order.
pub(crate) fn outputs(report: &UploadReport) -> Vec<(&'static str, String)> {
    let uploaded = match report.delivery {
        Some(Delivery::Uploaded) => "true",
        Some(Delivery::AlreadyThere) => "false",
        None => "",
    };
    vec![
        ("app-hash", report.app_hash.clone()),
        ("uploaded", uploaded.to_owned()),
        ("build", report.build.clone()),
        ("conclusion", report.verdict.conclusion.as_str().to_owned()),
        ("reason", one_line(&report.verdict.reason)),
    ]
}

impl Publication<'_> {
    /// What an upload publishes.
    pub(crate) fn of_upload(report: &UploadReport) -> Self {
        let verdict = &report.verdict;
        let failed = !verdict.conclusion.is_green();
        let advice = verdict.advice.as_deref().unwrap_or_default();
        let text = format!("{}\n{advice}", verdict.reason);
        let annotation = || Annotation::new(Severity::Error, "Upload to Sofy", &text);
        Self {
            annotations: failed.then(annotation).into_iter().collect(),
            outputs: outputs(report),
            summary: summary(report),
            advice: verdict.advice.clone(),
            report: None,
            exit_status: verdict.conclusion.exit_status(),
            last_line: Some(last_line(report)),
        }
        .with_problems("Sofy upload", &verdict.problems)
    }
}

fn last_line(report: &UploadReport) -> String {
    let file = &report.file;
    let what = match report.delivery {
        Some(Delivery::Uploaded) => format!("uploaded {file}"),
        Some(Delivery::AlreadyThere) => format!("Sofy already has {file}"),
        None => {
            let Verdict {
                conclusion, reason, ..
            } = &report.verdict;
            return format!("{}: {reason}", conclusion.as_str());
        }
    };
    let build = match report.build.as_str() {
        "" => String::new(),
        build => format!(", build {build}"),
    };
    format!("{what}: hash {}{build}", report.app_hash)
}

/// Renders the one line of the job summary.
pub(crate) fn summary(report: &UploadReport) -> String {
    let verdict = &report.verdict;
    let icon = match (verdict.conclusion, report.delivery) {
        (Conclusion::Success, Some(Delivery::AlreadyThere)) => "✅ Sofy already has it",
        (Conclusion::Success | Conclusion::Detached, _) => "✅ Uploaded",
        (Conclusion::TimedOut, _) => "⏱ Upload timed out",
        (Conclusion::Cancelled, _) => "🚫 Upload cancelled",
        (Conclusion::Error | Conclusion::Failure, _) => "⚠️ Upload failed",
    };
    let mut facts = Vec::new();
    if !report.file.is_empty() {
        facts.push(format!("{} ({})", name(&report.file), bytes(report.size)));
    }
    if !report.build.is_empty() {
        facts.push(format!("build {}", name(&report.build)));
    }
    if !report.app_hash.is_empty() {
        facts.push(format!("hash {}", name(&report.app_hash)));
    }
    if !report.file.is_empty() {
        facts.push(format!("in {}", span(report.duration)));
    }
    let mut line = format!("**{icon}**");
    if !facts.is_empty() {
        line.push_str(&format!(": {}", facts.join(", ")));
    }
    if !verdict.conclusion.is_green() {
        line.push_str(&format!(
            ". {} {}",
            sentence(&verdict.reason),
            sentence(verdict.advice.as_deref().unwrap_or_default())
        ));
    }
    line.push_str("\n\n");
    line
}
