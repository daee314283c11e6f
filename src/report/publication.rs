//! What does a step leave for people and for later steps? One value, which `publish` distributes.

use super::annotations::{self, Annotation, Severity};
use super::{outputs, summary};
use crate::model::report::{Paths, Report};
use crate::model::verdict::Verdict;

/// All that a step leaves for people and for later steps.
pub(crate) struct Publication<'a> {
    /// The most important ones first, and at most ten of a kind.
    pub(crate) annotations: Vec<Annotation>,
    pub(crate) outputs: Vec<(&'static str, String)>,
    pub(crate) summary: String,
    /// What the log lists, and what the report files are written from.
    pub(crate) report: Option<(&'a Report, &'a Paths)>,
    pub(crate) exit_status: u8,
    /// What the log ends with, as far as no annotation says it.
    pub(crate) last_lines: Vec<String>,
}

impl<'a> Publication<'a> {
    /// One sentence for people, from a step without outputs.
    pub(crate) fn line(severity: Option<Severity>, text: &str) -> Self {
        let annotation = |severity| Annotation::new(severity, "Sofy post step", text);
        Self {
            annotations: severity.map(annotation).into_iter().collect(),
            outputs: Vec::new(),
            summary: summary::line(text),
            report: None,
            // A post step never fails the job.
            exit_status: 0,
            last_lines: Vec::from_iter(severity.is_none().then(|| text.to_owned())),
        }
    }

    /// What the gate publishes.
    pub(crate) fn of(report: &'a Report, paths: &'a Paths) -> Self {
        let verdict = &report.verdict;
        Self {
            annotations: annotations::annotations(report),
            outputs: outputs::pairs(report),
            summary: summary::render(report),
            report: Some((report, paths)),
            exit_status: verdict.conclusion.exit_status(),
            last_lines: vec![verdict.to_string()],
        }
        .with_problems(&report.subject(), verdict)
    }

    /// Replaces the one reason by the problems of the inputs, each for itself. No report file is written.
    pub(super) fn with_problems(self, subject: &str, verdict: &Verdict) -> Self {
        let (problems, advice) = (&verdict.problems, verdict.advice.as_deref());
        if problems.is_empty() {
            return self;
        }
        let title = format!("{subject}: invalid inputs");
        let annotation = |problem: &String| Annotation::new(Severity::Error, &title, problem);
        let annotations = problems.iter().map(annotation);
        let annotated = annotations::MOST - usize::from(problems.len() > annotations::MOST);
        let others = problems.iter().skip(annotated).cloned();
        Self {
            annotations: annotations::first(annotations::MOST, annotations),
            summary: summary::problems(subject, problems, advice.unwrap_or_default()),
            report: None,
            last_lines: others.chain(advice.map(str::to_owned)).collect(),
            ..self
        }
    }
}
