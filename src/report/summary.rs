//! What does a developer read on the job's page? What failed, where, and what to do next.
//!
//! Must not know the runner's files. Trusts no text of the report: all of it goes through `markdown`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::markdown::{code, is_harmless, name, sentence};
use crate::model::previous::Change;
use crate::model::report::{PORTAL, Report};
use crate::model::schedule::Origin;
use crate::model::test_run::{TestRun, TestStatus};
use crate::model::verdict::{Conclusion, Outcome};
use crate::text::known;
use crate::text::{count, span};

/// The most bytes of the page up to and including the lists of test runs.
///
/// The runner refuses a summary of more than 1,048,576 bytes as a whole and shows nothing. What is kept below that
/// is room for the sentences that follow, and for what other tools wrote in the same step.
const BUDGET: usize = 980_000;

/// The most warnings shown: there is one a status, and a hostile answer may invent thousands.
const MOST_WARNINGS: usize = 10;

/// The most devices named in one row: more of them say no more than their number does.
const MOST_DEVICES: usize = 20;

/// From so many devices on, "all 3 devices" is shorter than their names.
const MANY_DEVICES: usize = 3;

const SECOND: Duration = Duration::from_secs(1);

/// Beyond these sizes a matrix is wider, or longer, than a page shows at a glance.
const MATRIX_DEVICES: RangeInclusive<usize> = 2..=8;
const MATRIX_SCENARIOS: RangeInclusive<usize> = 2..=40;

/// Remarks on a test run that did not pass, explained below the lists.
const NEW: &str = " (new)";
const AS_BEFORE: &str = " (as before)";

/// How an advice calls Sofy's site.
const PORTAL_NAME: &str = "Sofy's portal";

/// Renders the job summary in Markdown.
pub(crate) fn render(report: &Report) -> String {
    let (icon, word) = match report.verdict.conclusion {
        Conclusion::Success => ("✅", "passed"),
        Conclusion::Failure => ("❌", "failed"),
        Conclusion::TimedOut => ("⏱️", "timed out"),
        Conclusion::Cancelled => ("🚫", "cancelled"),
        Conclusion::Error => ("⚠️", "error"),
        Conclusion::Detached => ("▶️", "started"),
    };
    let mut page = heading(icon, &report.subject(), word);
    why_and_what_next(&mut page, report);
    let devices = Devices::of(&report.test_runs);
    let mut is_whole = true;
    for outcome in [Outcome::Failing, Outcome::Unfinished, Outcome::Tolerated] {
        is_whole &= section(&mut page, report, outcome, &devices, is_whole);
    }
    facts(&mut page, report, &devices);
    let passed = report.tally().count(|status| *status == TestStatus::Passed);
    if passed > 0 {
        // It is shown only if all else is: it would push that off the page.
        let fold = is_whole.then(|| {
            matrix(report, passed).unwrap_or_else(|| passed_list(report, &devices, passed))
        });
        match fold.filter(|fold| page.len() + fold.len() <= BUDGET) {
            Some(fold) => page.push_str(&fold),
            None => left_out(&mut page, &count(passed, "passed test run")),
        }
    }
    page
}

/// Renders the page of a step whose inputs are wrong: a list of them.
pub(crate) fn problems(subject: &str, problems: &[String], advice: &str) -> String {
    let mut page = heading("⚠️", subject, "invalid inputs");
    for problem in problems {
        add(&mut page, format_args!("- {}\n", sentence(problem)));
    }
    add(
        &mut page,
        format_args!("\n**What next:** {}\n\n", sentence(advice)),
    );
    page
}

/// Renders one sentence, for a step that has no report.
pub(crate) fn line(text: &str) -> String {
    format!("{}\n\n", sentence(text))
}

fn heading(icon: &str, subject: &str, word: &str) -> String {
    format!("## {icon} {}: {word}\n\n", name(subject))
}

/// Writes why it ended so, what to do and where, and what became of the run.
fn why_and_what_next(page: &mut String, report: &Report) {
    let verdict = &report.verdict;
    add(page, format_args!("**{}**", sentence(&verdict.reason)));
    if let Some(changes) = report.change_summary() {
        add(page, format_args!(" {}", sentence(&changes)));
    }
    page.push_str("\n\n");
    if let Some(advice) = known(&verdict.advice) {
        let advice = sentence(advice).replacen(PORTAL_NAME, &portal(report), 1);
        add(page, format_args!("**What next:** {advice}\n\n"));
    }
    if let Some(abort) = known(&report.abort) {
        add(page, format_args!("{}\n\n", sentence(abort)));
    }
    if report.origin == Some(Origin::Adopted) {
        page.push_str(ADOPTED);
    }
    if !report.inputs_to_attach.is_empty() {
        inputs_to_attach(page, report);
    }
    let warnings = &verdict.warnings;
    for warning in warnings.iter().take(MOST_WARNINGS) {
        add(page, format_args!("⚠️ {}\n\n", sentence(warning)));
    }
    if let Some(more @ 1..) = warnings.len().checked_sub(MOST_WARNINGS) {
        let more = count(more, "more warning");
        add(page, format_args!("⚠️ {more} in the log.\n\n"));
    }
}

const ADOPTED: &str = "Adopted: Sofy's answer to the trigger was lost. This group is the only new one that began while \
     the request was in flight, so it is taken as this step's run.\n\n";

/// Links Sofy's portal and says what to open there: Sofy documents no link to a run.
fn portal(report: &Report) -> String {
    let link = format!("[{PORTAL_NAME}]({PORTAL})");
    let schedule = known(&report.schedule_name).or(known(&report.schedule_id));
    match (schedule, known(&report.group_id)) {
        (Some(schedule), Some(group)) => {
            let (schedule, group) = (name(schedule), name(group));
            format!("{link} (schedule **{schedule}**, group **{group}**)")
        }
        (Some(_) | None, _) => link,
    }
}

/// Writes the inputs that judge the run later. GitHub cannot run a job again with other inputs.
fn inputs_to_attach(page: &mut String, report: &Report) {
    if report.verdict.conclusion != Conclusion::Detached {
        page.push_str(
            "To judge it without starting another, add these lines under `with:` (and remove them \
             afterwards):\n\n",
        );
    }
    let inputs = report.inputs_to_attach.iter();
    let lines = inputs.map(|(input, value)| format!("{input}: \"{value}\""));
    let lines: Vec<String> = lines.collect();
    // Only a block can be copied with a click, but nothing can be escaped in it.
    if report
        .inputs_to_attach
        .iter()
        .all(|(_, value)| is_harmless(value))
    {
        add(page, format_args!("```yaml\n{}\n```\n\n", lines.join("\n")));
    } else {
        let lines: Vec<String> = lines.iter().map(|line| code(line)).collect();
        add(page, format_args!("{}\n\n", lines.join("<br>\n")));
    }
}

/// Writes one line of what identifies the run, unless nothing was ever sent.
fn facts(page: &mut String, report: &Report, devices: &Devices<'_>) {
    let group = known(&report.group_id);
    let mut facts = Vec::new();
    if let Some(id) = known(&report.schedule_id).filter(|_| known(&report.schedule_name).is_some())
    {
        facts.push(format!("Schedule {}", code(id)));
    }
    let is_linked = page.contains(PORTAL);
    if let Some(group) = group.filter(|_| !is_linked && report.inputs_to_attach.is_empty()) {
        facts.push(format!("group {}", code(group)));
    }
    let status =
        known(&report.group_status).filter(|status| !report.verdict.reason.contains(status));
    if let Some(status) = status.filter(|status| *status != "Complete") {
        facts.push(format!("group status {}", name(status)));
    }
    if let Some(hash) = known(&report.app_hash) {
        facts.push(format!("app hash {}", code(hash)));
    }
    let is_latest = group.is_some()
        && known(&report.app_hash).is_none()
        && report.origin != Some(Origin::Attached);
    let latest = if is_latest { "latest " } else { "" };
    let builds = &devices.builds;
    match (&report.build_check, builds.first()) {
        (Some(check), _) => facts.push(name(&check.to_string())),
        (None, Some(_)) if builds.len() > 1 => facts.push(count(builds.len(), "build")),
        (None, Some(build)) => facts.push(format!("{latest}build {}", code(build))),
        (None, None) if is_latest => facts.push("latest build".to_owned()),
        (None, None) => {}
    }
    // A step that did not wait took no time.
    if report.duration >= SECOND {
        let queued = report.queued.filter(|queued| *queued >= SECOND);
        let queued =
            queued.map_or_else(String::new, |queued| format!(" ({} queued)", span(queued)));
        facts.push(format!("took {}{queued}", span(report.duration)));
    }
    if !facts.is_empty() && !is_linked {
        facts.push(format!("[{PORTAL_NAME}]({PORTAL})"));
    }
    if !facts.is_empty() {
        add(page, format_args!("{}\n\n", facts.join(" · ")));
    }
}

/// Writes the test runs of one outcome, unless there is no room left; tells whether all are shown.
fn section(
    page: &mut String,
    report: &Report,
    outcome: Outcome,
    devices: &Devices<'_>,
    has_room: bool,
) -> bool {
    let mut groups: BTreeMap<(Change, &TestStatus, ByName<'_>), Vec<&TestRun>> = BTreeMap::new();
    let runs = report.test_runs.iter();
    for run in runs.filter(|run| report.outcome(run) == outcome) {
        let key = (report.change(run), &run.status, ByName(&run.scenario));
        groups.entry(key).or_default().push(run);
    }
    if groups.is_empty() {
        return true;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    // What fails on the most devices is the likeliest to be the app's fault. The sort is stable: scenarios that are
    // alike stay in the order of their names.
    groups.sort_by(
        |((change_a, status_a, _), a), ((change_b, status_b, _), b)| {
            let order = (change_a, status_a).cmp(&(change_b, status_b));
            order.then(b.len().cmp(&a.len()))
        },
    );

    let mut rows = String::new();
    let mut shown = 0;
    for ((change, status, scenario), runs) in groups.iter().filter(|_| has_room) {
        let remark = match change {
            Change::New => NEW,
            Change::FailingBefore => AS_BEFORE,
            Change::Unknown => "",
        };
        let status = label(status);
        let row = format!(
            "| {status}{remark} | {} | {} |\n",
            name(scenario.0),
            devices.cell(runs)
        );
        // "The first N" is what can be explained: after a row without room, none is shown.
        if page.len() + rows.len() + row.len() > BUDGET {
            break;
        }
        rows.push_str(&row);
        shown += runs.len();
    }
    let all: usize = groups.iter().map(|(_, runs)| runs.len()).sum();
    write_section(page, outcome, &rows, all - shown);
    shown == all
}

fn write_section(page: &mut String, outcome: Outcome, rows: &str, unshown: usize) {
    let (title, kind) = match outcome {
        Outcome::Failing => ("Needs attention", "that did not pass"),
        Outcome::Unfinished => ("Unfinished", "that did not finish"),
        Outcome::Tolerated => (
            "Tolerated, because `fail-on` does not list it",
            "that are tolerated",
        ),
        Outcome::Passed => ("Passed", "that passed"),
    };
    add(page, format_args!("### {title}\n\n"));
    if unshown > 0 {
        left_out(page, &format!("{} {kind}", count(unshown, "test run")));
    }
    if rows.is_empty() {
        return;
    }
    let is_explained = page.contains(FOOTNOTE);
    add(
        page,
        format_args!("| Status | Scenario | Devices |\n| :--- | :--- | :--- |\n{rows}\n"),
    );
    if !is_explained && (rows.contains(NEW) || rows.contains(AS_BEFORE)) {
        page.push_str(FOOTNOTE);
    }
}

const FOOTNOTE: &str = "*New* and *as before* compare with the schedule's previous run, which may be from another \
     branch.\n\n";

/// The devices of all test runs, and their builds.
struct Devices<'a> {
    all: BTreeSet<ByName<'a>>,
    builds: BTreeSet<&'a str>,
}

impl<'a> Devices<'a> {
    fn of(test_runs: &'a [TestRun]) -> Self {
        let builds = test_runs.iter().map(|run| run.build.as_str());
        Self {
            all: test_runs.iter().map(|run| ByName(&run.device)).collect(),
            builds: builds.filter(|build| !build.is_empty()).collect(),
        }
    }

    /// Names the devices of one row, each once, with its build if there are several.
    fn cell(&self, runs: &[&TestRun]) -> String {
        let mut times: BTreeMap<(ByName<'_>, &str), usize> = BTreeMap::new();
        for run in runs {
            let build = if self.builds.len() > 1 {
                run.build.as_str()
            } else {
                ""
            };
            *times.entry((ByName(&run.device), build)).or_default() += 1;
        }
        let is_simple = self.builds.len() <= 1 && times.values().all(|n| *n == 1);
        if is_simple && times.len() >= MANY_DEVICES && times.len() + 1 >= self.all.len() {
            let mut missing = self
                .all
                .iter()
                .filter(|device| !times.contains_key(&(**device, "")));
            return match missing.next() {
                None => format!("all {} devices", times.len()),
                Some(device) => format!("all but {}", name(device.0)),
            };
        }
        let mut named: Vec<String> = times
            .iter()
            .take(MOST_DEVICES)
            .map(|((device, build), n)| {
                let build = match *build {
                    "" => String::new(),
                    build => format!(" {}", code(build)),
                };
                let times = if *n > 1 {
                    format!(" ×{n}")
                } else {
                    String::new()
                };
                format!("{}{build}{times}", name(device.0))
            })
            .collect();
        if let Some(more @ 1..) = times.len().checked_sub(MOST_DEVICES) {
            named.push(format!("and {more} more"));
        }
        named.join(", ")
    }
}

/// Renders scenarios against devices if that fits a screen.
fn matrix(report: &Report, passed: usize) -> Option<String> {
    let mut cells = BTreeMap::new();
    let (mut scenarios, mut devices) = (BTreeSet::new(), BTreeSet::new());
    for run in &report.test_runs {
        scenarios.insert(ByName(&run.scenario));
        devices.insert(ByName(&run.device));
        let again = cells.insert((run.scenario.as_str(), run.device.as_str()), &run.status);
        // A cell has room for one status; which of two it is must not depend on their order.
        if again.is_some()
            || scenarios.len() > *MATRIX_SCENARIOS.end()
            || devices.len() > *MATRIX_DEVICES.end()
        {
            return None;
        }
    }
    if !MATRIX_SCENARIOS.contains(&scenarios.len()) || !MATRIX_DEVICES.contains(&devices.len()) {
        return None;
    }

    let mut text = open_fold(&format!(
        "Scenarios by device: {passed} of {} passed",
        report.test_runs.len()
    ));
    text.push_str("| Scenario |");
    for device in &devices {
        add(&mut text, format_args!(" {} |", name(device.0)));
    }
    text.push_str("\n| :--- |");
    text.push_str(&" :---: |".repeat(devices.len()));
    for scenario in &scenarios {
        add(&mut text, format_args!("\n| {} |", name(scenario.0)));
        for device in &devices {
            let cell = cells.get(&(scenario.0, device.0));
            add(
                &mut text,
                format_args!(" {} |", cell.map_or("–", |status| icon(status))),
            );
        }
    }
    text.push_str("\n\n</details>\n\n");
    Some(text)
}

/// Renders what passed, folded; stops early if it cannot fit anyway.
fn passed_list(report: &Report, devices: &Devices<'_>, passed: usize) -> String {
    let mut groups: BTreeMap<ByName<'_>, Vec<&TestRun>> = BTreeMap::new();
    let runs = report.test_runs.iter();
    for run in runs.filter(|run| run.status == TestStatus::Passed) {
        groups.entry(ByName(&run.scenario)).or_default().push(run);
    }
    let mut text = open_fold(&format!("✅ {}", count(passed, "passed test run")));
    text.push_str("| Scenario | Devices |\n| :--- | :--- |\n");
    for (scenario, runs) in groups {
        add(
            &mut text,
            format_args!("| {} | {} |\n", name(scenario.0), devices.cell(&runs)),
        );
        if text.len() > BUDGET {
            break;
        }
    }
    text.push_str("\n</details>\n\n");
    text
}

fn open_fold(title: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n")
}

fn left_out(page: &mut String, what: &str) {
    add(
        page,
        format_args!(
            "Left out, because GitHub limits the size of this page: {what}. The files of `json-path` and \
             `junit-path` contain all of them.\n\n"
        ),
    );
}

/// Puts a status's icon before its word, so that no line break comes between.
fn label(status: &TestStatus) -> String {
    format!("{}&nbsp;{}", icon(status), name(&status.to_string()))
}

const fn icon(status: &TestStatus) -> &'static str {
    match status {
        TestStatus::Failed => "❌",
        TestStatus::Incomplete => "⚠️",
        TestStatus::NotExecuted => "⏭️",
        TestStatus::Stopped => "⏹️",
        // The white question mark is nearly invisible on white.
        TestStatus::Other(_) => "❓",
        TestStatus::Running => "⏳",
        TestStatus::Passed => "✅",
    }
}

/// Names in the order in which people count: 2 before 10.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ByName<'a>(&'a str);

impl Ord for ByName<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        alphanumeric_sort::compare_str(self.0, other.0).then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for ByName<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Appends formatted text without a string in between.
fn add(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string fails only if a `Display` does, and none of ours do.
    let _ = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser};

    use super::super::markdown::{BREAK, NAME_CHARS, plain};
    use super::*;
    use crate::model::previous::PreviousRun;
    use crate::model::verdict::Verdict;
    use crate::tests::fixtures::test_run as run;

    fn report(conclusion: Conclusion, test_runs: Vec<TestRun>) -> Report {
        Report {
            schedule_id: Some("123".into()),
            schedule_name: Some("Nightly".into()),
            group_id: Some("77".into()),
            group_status: Some("Complete".into()),
            duration: Duration::from_secs(200),
            test_runs,
            ..Report::of(Verdict::new(conclusion, "2 of 5 did not pass").advise("Look at them."))
        }
    }

    /// A report in which every text that is not ours is the given one.
    fn filled_with(name: &str) -> Report {
        let other = format!("{name}2");
        let mut report = report(
            Conclusion::Failure,
            vec![
                run(name, name, "Failed"),
                run(&other, name, &format!("x{name}")),
                run(name, &other, "Passed"),
                run(&other, &other, "Passed"),
            ],
        );
        for run in &mut report.test_runs {
            run.build = name.into();
        }
        report.test_runs[3].build = other;
        for text in [
            &mut report.title,
            &mut report.schedule_id,
            &mut report.schedule_name,
            &mut report.app_hash,
            &mut report.group_id,
            &mut report.group_status,
            &mut report.abort,
            &mut report.verdict.advice,
        ] {
            *text = Some(name.into());
        }
        report.verdict.reason = name.into();
        report.verdict.warnings = vec![name.into()];
        report
    }

    fn events(markdown: &str) -> Vec<Event<'_>> {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_MATH
            | Options::ENABLE_GFM
            | Options::ENABLE_HEADING_ATTRIBUTES
            | Options::ENABLE_SUPERSCRIPT
            | Options::ENABLE_SUBSCRIPT
            | Options::ENABLE_WIKILINKS
            | Options::ENABLE_DEFINITION_LIST;
        Parser::new_ext(markdown, options).collect()
    }

    /// All that is not text; neighbouring texts are one.
    fn structure(markdown: &str) -> Vec<String> {
        let mut structure: Vec<String> = events(markdown)
            .into_iter()
            .map(|event| match event {
                Event::Text(_) => "text".to_owned(),
                event => format!("{event:?}"),
            })
            .collect();
        structure.retain(|event| !event.contains(BREAK));
        structure.dedup_by(|a, b| a == "text" && b == "text");
        structure
    }

    fn shown(markdown: &str) -> String {
        events(markdown)
            .into_iter()
            .map(|event| match event {
                Event::Text(text) => text.to_string(),
                Event::InlineHtml(html) if html.as_ref() == BREAK => String::new(),
                _ => "\n".to_owned(),
            })
            .collect()
    }

    fn assert_only_text(hostile: &str, why: &str) {
        let page_with = |name: &str| {
            let mut report = filled_with(name);
            // A second one, so that both are shown as text.
            let harmful = "&".to_owned();
            report.inputs_to_attach = vec![("results-after", name.into()), ("x", harmful)];
            render(&report)
        };
        let page = page_with(hostile);

        assert_eq!(
            structure(&page),
            structure(&page_with("benign")),
            "{why}: {page}"
        );
        let expected = plain(hostile, NAME_CHARS);
        assert!(
            shown(&page).contains(&expected),
            "{why}: {expected:?} in {page}"
        );
    }

    #[test]
    fn hostile_names_are_shown_as_text() {
        for (hostile, why) in [
            ("a|b", "a cell"),
            ("`a``b", "a code span"),
            ("a\nb\r\n\r\n# c", "lines"),
            ("a\r\rb", "lone carriage returns"),
            ("<b>x", "an element"),
            ("</details></code>", "the end of our own element"),
            ("<!-- x -->", "a comment"),
            ("::error::x", "a command"),
            ("##[error]x", "an old command"),
            ("%0A%0a", "an escaped line break"),
            ("@team, a@b.example", "a mention, an address"),
            ("[a](http://x) ![a](https://x) www.x.example", "links"),
            ("[^1] [x] [[x]]", "references"),
            ("\u{202e}gnp.exe", "an override of direction"),
            ("a\0b\u{1b}[31m", "control characters"),
            ("🦀 héllo", "no ASCII"),
            ("**a** _b_ ~~c~~ $d$ ^e^", "emphasis"),
            ("    code", "an indented block"),
            ("1. x", "a list"),
            ("&amp; &#64;", "entities"),
            ("\\", "an escape of what follows"),
            ("x #", "a closing heading mark"),
            ("{#id}", "an attribute"),
            ("1", "a number that our period would make a list"),
            ("--- === |---|", "rules"),
        ] {
            assert_only_text(hostile, why);
        }
        assert_only_text(&"x|".repeat(5_000), "a long name is cut");
    }

    #[test]
    fn no_raw_mention_link_or_bidi_override_remains() {
        let page = render(&filled_with("@team http://x www.x #12 \u{202e}"));

        for raw in ["@", "http://", "www.", "#12", "\u{202e}"] {
            assert!(!page.contains(raw), "{raw}: {page}");
        }
        assert!(page.contains("&#64;<wbr>team"), "{page}");
    }

    #[test]
    fn the_heading_says_of_what_and_how_it_ended() {
        for (conclusion, expected) in [
            (Conclusion::Success, "## ✅ Sofy schedule Nightly: passed\n"),
            (Conclusion::Failure, "## ❌ Sofy schedule Nightly: failed\n"),
            (
                Conclusion::TimedOut,
                "## ⏱️ Sofy schedule Nightly: timed out\n",
            ),
            (
                Conclusion::Cancelled,
                "## 🚫 Sofy schedule Nightly: cancelled\n",
            ),
            (Conclusion::Error, "## ⚠️ Sofy schedule Nightly: error\n"),
            (
                Conclusion::Detached,
                "## ▶️ Sofy schedule Nightly: started\n",
            ),
        ] {
            let page = render(&report(conclusion, Vec::new()));

            assert!(page.starts_with(expected), "{expected}: {page}");
        }
    }

    #[test]
    fn a_title_replaces_the_middle_of_the_heading() {
        let mut titled = report(Conclusion::Failure, Vec::new());
        titled.title = Some("Android *phones*".into());

        let page = render(&titled);

        assert!(
            page.starts_with("## ❌ Android &#42;phones&#42;: failed\n"),
            "{page}"
        );
    }

    #[test]
    fn a_run_that_was_adopted_says_so_and_one_that_goes_on_how_to_judge_it() {
        let mut adopted = report(Conclusion::TimedOut, Vec::new());
        adopted.origin = Some(Origin::Adopted);
        adopted.inputs_to_attach = vec![("test-run-group-id", "77".into())];

        let page = render(&adopted);
        assert!(
            page.contains("Sofy's answer to the trigger was lost"),
            "{page}"
        );

        adopted.abort = Some("Test run group 77 keeps running on Sofy".into());
        let page = render(&adopted);
        assert!(
            page.contains("\nTest run group 77 keeps running on Sofy.\n\n")
                && page.contains("\nTo judge it"),
            "{page}"
        );
    }

    #[test]
    fn a_report_of_which_nothing_is_known_is_short() {
        let verdict = Verdict::new(Conclusion::Error, "`schedule-id` is missing").advise("Set it");

        let page = render(&Report::of(verdict));

        assert_eq!(
            page,
            "## ⚠️ Sofy gate: error\n\n**`schedule-id` is missing.**\n\n**What next:** Set it.\n\n"
        );
    }

    #[test]
    fn each_problem_of_the_inputs_is_a_bullet() {
        let list = [
            "`api-key` is missing or blank. Save the key as a secret.".to_owned(),
            "`timeout` is \"<b>`30`\", which has no unit".to_owned(),
        ];

        let page = problems(
            "Sofy gate",
            &list,
            "Fix these inputs (under `with:` in the workflow).",
        );

        assert_eq!(
            page,
            "## ⚠️ Sofy gate: invalid inputs\n\n\
             - `api-key` is missing or blank. Save the key as a secret.\n\
             - `timeout` is \"&#60;b&#62;&#96;30&#96;\", which has no unit.\n\n\
             **What next:** Fix these inputs (under `with:` in the workflow).\n\n"
        );
    }

    #[test]
    fn the_page_says_what_failed_where() {
        let mut report = report(
            Conclusion::Failure,
            vec![
                run("Log in", "Pixel 8", "Passed"),
                run("Pay", "Pixel 8", "Failed"),
                run("Pay", "iPhone 15", "Failed"),
                run("Log in", "iPhone 15", "Stopped"),
            ],
        );
        report.queued = Some(Duration::from_secs(65));
        report.verdict.advice = Some("Look at them in Sofy's portal".into());

        assert_eq!(
            render(&report),
            "## ❌ Sofy schedule Nightly: failed\n\
             \n\
             **2 of 5 did not pass.**\n\
             \n\
             **What next:** Look at them in [Sofy's portal](https://portal.sofy.ai) (schedule **Nightly**, group **77**).\n\
             \n\
             ### Needs attention\n\
             \n\
             | Status | Scenario | Devices |\n\
             | :--- | :--- | :--- |\n\
             | ❌&nbsp;Failed | Pay | Pixel 8, iPhone 15 |\n\
             | ⏹️&nbsp;Stopped | Log in | iPhone 15 |\n\
             \n\
             Schedule <code>123</code> · latest build <code>1.0(1)</code> · took 3m20s (1m5s queued)\n\
             \n\
             <details><summary>Scenarios by device: 1 of 4 passed</summary>\n\
             \n\
             | Scenario | Pixel 8 | iPhone 15 |\n\
             | :--- | :---: | :---: |\n\
             | Log in | ✅ | ⏹️ |\n\
             | Pay | ❌ | ❌ |\n\
             \n\
             </details>\n\
             \n"
        );
    }

    #[test]
    fn the_page_says_what_is_new_what_is_tolerated_and_what_is_unfinished() {
        let mut report = report(
            Conclusion::TimedOut,
            vec![
                run("Log in", "Pixel 8", "Failed"),
                run("Pay", "Pixel 8", "Failed"),
                run("Buy 10", "Pixel 8", "Stopped"),
                run("Buy 2", "Pixel 8", "Stopped"),
                run("Search", "Pixel 8", "Running"),
                run("Odd", "Pixel 8", "Flaky"),
            ],
        );
        report.policy.tolerated.insert(TestStatus::Stopped);
        report.previous = PreviousRun::of(&[
            run("Log in", "Pixel 8", "Failed"),
            run("Pay", "Pixel 8", "Passed"),
            run("Buy 2", "Pixel 8", "Passed"),
        ]);
        report.inputs_to_attach = vec![
            ("test-run-group-id", "77".into()),
            ("results-after", "none;attempt=1".into()),
        ];

        let page = render(&report);

        for (part, why) in [
            (
                "To judge it without starting another, add these lines under `with:` (and remove them afterwards):\n\n```yaml\n\
                 test-run-group-id: \"77\"\nresults-after: \"none;attempt=1\"\n```\n\n",
                "what to paste",
            ),
            (
                "| ❌&nbsp;Failed (new) | Pay | Pixel 8 |\n| ❓&nbsp;Flaky | Odd | Pixel 8 |\n\
                 | ❌&nbsp;Failed (as before) | Log in | Pixel 8 |\n\n*New* and *as before*",
                "the new ones come first",
            ),
            (
                "### Unfinished\n\n| Status | Scenario | Devices |\n| :--- | :--- | :--- |\n| ⏳&nbsp;Running | Search |",
                "no failure",
            ),
            (
                "list it\n\n| Status | Scenario | Devices |\n| :--- | :--- | :--- |\n\
                 | ⏹️&nbsp;Stopped (new) | Buy 2 | Pixel 8 |\n| ⏹️&nbsp;Stopped | Buy 10 |",
                "tolerated, as people count",
            ),
        ] {
            assert!(page.contains(part), "{why}: {page}");
        }
        assert_eq!(
            page.matches("may be from another branch").count(),
            1,
            "{page}"
        );
    }

    #[test]
    fn all_devices_and_all_but_one_are_shorter_than_their_names() {
        for (failed, devices, expected, why) in [
            (&[0, 1, 2, 3][..], 4, "all 4 devices", "all"),
            (&[0, 1, 3], 4, "all but d2", "all but one"),
            (&[0, 1], 4, "d0, d1", "half of them"),
            (&[0, 1], 2, "d0, d1", "two names are short"),
            (&[0, 1], 3, "d0, d1", "two of three"),
            (&[0, 0, 1, 2], 3, "d0 ×2, d1, d2", "one of them twice"),
        ] {
            let on = |device: &usize, status| run("Pay", &format!("d{device}"), status);
            let mut runs: Vec<_> = failed.iter().map(|device| on(device, "Failed")).collect();
            runs.extend((0..devices).map(|device| run("Log in", &format!("d{device}"), "Passed")));

            let page = render(&report(Conclusion::Failure, runs));

            assert!(
                page.contains(&format!("| Pay | {expected} |\n")),
                "{why}: {page}"
            );
        }
    }

    #[test]
    fn one_scenario_on_many_devices_is_one_row() {
        let mut test_runs: Vec<_> = (0..25)
            .map(|i| run("Pay", &format!("d{i:02}"), "Failed"))
            .collect();
        test_runs.push(run("Pay", "d00", "Failed"));

        let page = render(&report(Conclusion::Failure, test_runs));

        assert!(
            page.contains("| ❌&nbsp;Failed | Pay | d00 ×2, d01, "),
            "{page}"
        );
        assert!(page.contains("d19, and 5 more |"), "{page}");
    }

    #[test]
    fn a_matrix_is_drawn_only_where_it_can_be_read() {
        let grid = |scenarios: usize, devices: usize| {
            (0..scenarios)
                .flat_map(|s| {
                    (0..devices).map(move |d| run(&format!("s{s}"), &format!("d{d}"), "Passed"))
                })
                .collect::<Vec<_>>()
        };
        let mut twice = grid(2, 2);
        twice.push(run("s0", "d0", "Failed"));
        for (test_runs, drawn, why) in [
            (grid(2, 2), true, "the smallest"),
            (grid(40, 8), true, "the largest"),
            (grid(41, 8), false, "too long"),
            (grid(40, 9), false, "too wide"),
            (grid(1, 2), false, "a list says it"),
            (grid(2, 1), false, "a list says it"),
            (twice, false, "two statuses, one cell"),
        ] {
            assert_eq!(
                render(&report(Conclusion::Success, test_runs)).contains("by device"),
                drawn,
                "{why}"
            );
        }
    }

    #[test]
    fn twenty_thousand_test_runs_stay_within_the_budget_and_say_what_is_missing() {
        let long = "|".repeat(300);
        for (status, prefix, missing, why) in [
            ("Passed", "x", None, "all of them fit"),
            (
                "Passed",
                long.as_str(),
                Some("20000 passed test runs"),
                "without the passed ones",
            ),
            (
                "Failed",
                "x",
                Some("that did not pass"),
                "the first of those that did not pass",
            ),
            (
                "Failed",
                long.as_str(),
                Some("that did not pass"),
                "hostile names",
            ),
        ] {
            let long_tail = if status == "Failed" && prefix == "x" {
                "y".repeat(80)
            } else {
                String::new()
            };
            let mut test_runs: Vec<_> = (0..20_000)
                .map(|i| run(&format!("{i}{prefix}{long_tail}"), "P", status))
                .collect();
            test_runs.push(run("Pay", "Pixel 8", "Failed"));

            let page = render(&report(Conclusion::Failure, test_runs));

            assert!(page.len() <= 1_000_000, "{why}: {}", page.len());
            match missing {
                None => assert!(!page.contains("Left out"), "{why}"),
                Some(words) => {
                    let end = &page[page.find("Left out").expect(why)..];
                    assert!(
                        end.contains(words) && end.contains("json-path"),
                        "{why}: {end}"
                    );
                }
            }
        }
    }

    #[test]
    fn shown_and_left_out_add_up() {
        let test_runs: Vec<_> = (0..20_000)
            .map(|i| run(&format!("{i}{}", "y".repeat(80)), "P", "Failed"))
            .collect();

        let page = render(&report(Conclusion::Failure, test_runs));

        let rows = page.matches("\n| ❌&nbsp;Failed |").count();
        assert!(
            page.contains(&format!("{} test runs that did not pass", 20_000 - rows)),
            "{rows}"
        );
    }

    #[test]
    fn names_are_sorted_as_people_count() {
        let mut names = ["Pixel 10", "Pixel 8", "pixel 9", "Pixel 08", "Pixel 8"].map(ByName);
        names.sort();

        let names = names.map(|name| name.0);
        assert!(
            names.iter().position(|name| *name == "Pixel 8")
                < names.iter().position(|name| *name == "Pixel 10"),
            "{names:?}"
        );
        assert_ne!(ByName("01").cmp(&ByName("1")), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn no_name_is_more_than_text(hostile in "[ -~\\n\\r\\t🦀é\u{202e}\u{0}\u{a0}\u{200b}]{1,60}") {
            prop_assume!(!plain(&hostile, NAME_CHARS).is_empty());
            assert_only_text(&hostile, "generated");
        }

        #[test]
        fn no_string_at_all_is_more_than_text(hostile in any::<String>()) {
            prop_assume!(!plain(&hostile, NAME_CHARS).is_empty());
            assert_only_text(&hostile, "generated");
        }
    }
}
