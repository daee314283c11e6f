//! What does a developer read on the job's page? What failed, on which devices, and what to do next.
//!
//! Must not know the runner's files. Trusts no text of the report: all of it goes through `markdown`.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::markdown::{code, name, sentence, unescaped};
use crate::model::report::{PORTAL, Report};
use crate::model::test_run::{TestRun, TestStatus};
use crate::model::verdict::{Conclusion, Outcome};
use crate::model::{previous::Change, schedule::Origin};
use crate::text::{capitalized, count, span};

/// The most bytes of the page up to and including the lists of test runs.
///
/// The runner refuses a summary of more than 1,048,576 bytes as a whole and shows nothing. What is kept below that
/// is room for the sentences that follow, and for what other tools wrote in the same step.
const BUDGET: usize = 980_000;

/// The most devices named in one row: a longer list says no more than their number.
const MOST_DEVICES: usize = 20;

/// From this number of devices on, "all 3 devices" is shorter than their names.
const MANY_DEVICES: usize = 3;

/// Beyond these sizes a matrix is wider, or longer, than a page shows at a glance.
const MATRIX_DEVICES: RangeInclusive<usize> = 2..=8;
const MATRIX_SCENARIOS: RangeInclusive<usize> = 2..=40;

/// Remarks on a test run that did not pass, explained below the lists.
const NEW: &str = " (new)";
const AS_BEFORE: &str = " (as before)";
const FOOTNOTE: &str = "*New* and *as before* compare with the schedule's previous run, which may be from another \
     branch.";

const TOLERATED: &str = "Tolerated, because `fail-on` does not list it";
const ADOPTED: &str = "Adopted: Sofy's answer to the trigger was lost. This group is the only new one that began while \
     the request was in flight, so it is assumed to be this step's run.";

const TO_ATTACH: &str =
    "To judge it without starting another, add this under `with:`, and remove it afterwards:\n\n";

const GET_ALL: &str = "To get all of them, set `json-path` or `junit-path`.";

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
    let verdict = &report.verdict;
    let why = sentence(&verdict.reason);
    let changes = report.change_summary();
    let changes = changes.map(|changes| format!(" {}", sentence(&changes)));
    let advice = verdict.advice.as_deref().map(sentence);
    let advice = advice.map(|advice| advice.replacen(PORTAL_NAME, &portal(report), 1));
    let is_adopted = report.origin == Some(Origin::Adopted);
    let beginning = [
        Some(heading(icon, &report.subject(), word)),
        Some(format!("**{why}**{}", changes.unwrap_or_default())),
        advice.map(|advice| format!("**What next:** {advice}")),
        report.abort.as_deref().map(sentence),
        is_adopted.then(|| ADOPTED.to_owned()),
        inputs_to_attach(report),
    ];
    let warning = |warning: &String| format!("⚠️ {}", sentence(warning));
    let warnings = verdict.warnings.iter().map(warning);
    let beginning = beginning.into_iter().flatten().chain(warnings);
    let mut page = Page::of(report, paragraphs(beginning));
    page.add_section(Outcome::Failing, "Needs attention", "that did not pass");
    page.add_section(Outcome::Unfinished, "Unfinished", "that did not finish");
    page.add_section(Outcome::Tolerated, TOLERATED, "that are tolerated");
    page.add_facts();
    page.add_passed();
    page.text
}

/// Renders the page of a step whose inputs are wrong: a list of them.
pub(crate) fn problems(subject: &str, problems: &[String], advice: &str) -> String {
    let problems: Vec<String> = problems.iter().map(|problem| sentence(problem)).collect();
    paragraphs([
        heading("⚠️", subject, "invalid inputs"),
        format!("- {}", problems.join("\n- ")),
        format!("**What next:** {}", sentence(advice)),
    ])
}

/// Renders one sentence, for a step that has no report.
pub(crate) fn line(text: &str) -> String {
    paragraphs([sentence(text)])
}

fn paragraphs(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().map(|part| part + "\n\n").collect()
}

fn heading(icon: &str, subject: &str, word: &str) -> String {
    format!("## {icon} {}: {word}", name(subject))
}

/// Links Sofy's portal and says what to open there: Sofy documents no link to a run.
fn portal(report: &Report) -> String {
    let link = format!("[{PORTAL_NAME}]({PORTAL})");
    let (Some(schedule), Some(group)) = (report.schedule(), &report.group_id) else {
        return link;
    };
    let (schedule, group) = (name(schedule), name(group));
    format!("{link} (schedule **{schedule}**, group **{group}**)")
}

/// Renders the inputs that judge the run later. GitHub cannot run a job again with other inputs.
///
/// Only a block can be copied with a click, but nothing can be escaped in it.
fn inputs_to_attach(report: &Report) -> Option<String> {
    let inputs = report.inputs_to_attach.iter();
    let lines = inputs.map(|(input, value)| format!("\n{input}: \"{}\"", unescaped(value)));
    let lines: String = lines.collect();
    let is_detached = report.verdict.conclusion == Conclusion::Detached;
    let what_for = if is_detached { "" } else { TO_ATTACH };
    (!lines.is_empty()).then(|| format!("{what_for}```yaml{lines}\n```"))
}

/// The page as far as it is written, and what its lists are made of.
struct Page<'a> {
    text: String,
    /// The most bytes that lists may fill; none once something was left out, so that nothing less important follows.
    budget: usize,
    report: &'a Report,
    /// All test runs: by kind, scenario, device and build.
    test_runs: Vec<&'a TestRun>,
    devices: Vec<&'a str>,
    builds: Vec<&'a str>,
}

impl<'a> Page<'a> {
    fn of(report: &'a Report, text: String) -> Self {
        let mut test_runs: Vec<&TestRun> = report.test_runs.iter().collect();
        // Each sort is stable.
        test_runs.sort_by(|a, b| a.build.cmp(&b.build));
        test_runs.sort_by(|a, b| by_name(&a.device, &b.device));
        test_runs.sort_by(|a, b| by_name(&a.scenario, &b.scenario));
        test_runs.sort_by_cached_key(|run| kind(report, run));
        let mut builds = names(&test_runs, |run| &run.build);
        builds.retain(|build| !build.is_empty());
        Self {
            text,
            budget: BUDGET,
            report,
            devices: names(&test_runs, |run| &run.device),
            test_runs,
            builds,
        }
    }

    fn add(&mut self, part: &str) {
        self.text += part;
        self.text += "\n\n";
    }

    fn leave_out(&mut self, what: &str) {
        self.budget = 0;
        let note = format!("Left out, because GitHub limits this page: {what}. {GET_ALL}");
        self.add(&note);
    }

    fn room(&self) -> usize {
        self.budget.saturating_sub(self.text.len())
    }

    /// Adds the test runs of one outcome, as far as they fit.
    fn add_section(&mut self, outcome: Outcome, title: &str, which: &str) {
        let mut groups = self.groups(outcome);
        if groups.is_empty() {
            return;
        }
        // What fails on the most devices is the likeliest to be the app's fault. The sort is stable: scenarios that
        // are alike stay in the order of their names.
        groups.sort_by_cached_key(|group| (kind(self.report, group[0]), Reverse(group.len())));
        let (rows, left_out) = self.rows(&groups);
        self.add(&format!("### {title}"));
        if left_out > 0 {
            self.leave_out(&format!("{} {which}", count(left_out, "test run")));
        }
        if !rows.is_empty() {
            let head = "| Status | Scenario | Devices |\n| :--- | :--- | :--- |";
            self.add(&format!("{head}{rows}"));
        }
        if (rows.contains(NEW) || rows.contains(AS_BEFORE)) && !self.text.contains(FOOTNOTE) {
            self.add(FOOTNOTE);
        }
    }

    /// Adds what identifies the run, as one line, unless nothing was ever sent.
    fn add_facts(&mut self) {
        let report = self.report;
        let advice = report.verdict.advice.as_ref();
        let is_linked = advice.is_some_and(|advice| advice.contains(PORTAL_NAME));
        let is_named = is_linked || !report.inputs_to_attach.is_empty();
        let reason = &report.verdict.reason;
        let is_news = |status: &&str| *status != "Complete" && !reason.contains(*status);
        let has_name = report.schedule_name.is_some();
        let id = report.schedule_id.as_deref().filter(|_| has_name);
        let group = report.group_id.as_deref().filter(|_| !is_named);
        let status = report.group_status.as_deref().filter(is_news);
        // A step that did not wait took no time.
        let time = |time: Option<Duration>| time.filter(|time| time.as_secs() > 0).map(span);
        let fact = |what, value: Option<String>| value.map(|value| format!("{what} {value}"));
        let facts = [
            fact("Schedule", id.map(code)),
            fact("group", group.map(code)),
            fact("group status", status.map(name)),
            fact("app hash", report.app_hash.as_deref().map(code)),
            self.build(),
            fact("took", time(Some(report.duration))),
            fact("queued for", time(report.queued)),
        ];
        let mut facts: Vec<String> = facts.into_iter().flatten().collect();
        if facts.is_empty() {
            return;
        }
        if !is_linked {
            facts.push(format!("[{PORTAL_NAME}]({PORTAL})"));
        }
        self.add(&capitalized(&facts.join(" · ")));
    }

    fn build(&self) -> Option<String> {
        let report = self.report;
        let is_latest = report.group_id.is_some()
            && report.app_hash.is_none()
            && report.origin != Some(Origin::Attached);
        let latest = if is_latest { "latest " } else { "" };
        match (&report.build_check, &self.builds[..]) {
            (Some(check), _) => Some(name(&check.to_string())),
            (None, []) => is_latest.then(|| "latest build".to_owned()),
            (None, [build]) => Some(format!("{latest}build {}", code(build))),
            (None, builds) => Some(count(builds.len(), "build")),
        }
    }

    /// Adds what passed, folded, if all else is on the page: it would push that off it.
    fn add_passed(&mut self) {
        let groups = self.groups(Outcome::Passed);
        let passed: usize = groups.iter().map(Vec::len).sum();
        if passed == 0 {
            return;
        }
        let (rows, left_out) = self.rows(&groups);
        let what = count(passed, "passed test run");
        let list = format!("✅ {what}</summary>\n\n| Scenario | Devices |\n| :--- | :--- |{rows}");
        let fold = self.matrix(passed).unwrap_or(list);
        if left_out > 0 || fold.len() > self.room() {
            self.leave_out(&what);
        } else {
            self.add(&format!("<details><summary>{fold}\n\n</details>"));
        }
    }

    /// The test runs of one outcome; each group is one scenario that ended alike on its devices.
    fn groups(&self, outcome: Outcome) -> Vec<Vec<&'a TestRun>> {
        let mut runs = self.test_runs.clone();
        runs.retain(|run| self.report.outcome(run) == outcome);
        let key = |run: &&'a TestRun| (run.scenario.as_str(), kind(self.report, run));
        let groups = runs.chunk_by(|a, b| key(a) == key(b));
        groups.map(<[_]>::to_vec).collect()
    }

    /// Renders a row for each group, and counts the test runs of the groups that do not fit. After a row that does
    /// not fit, none is shown: only "the first ones" can be explained.
    fn rows(&self, groups: &[Vec<&TestRun>]) -> (String, usize) {
        let mut rows = String::new();
        for (n, group) in groups.iter().enumerate() {
            let run = group[0];
            let remark = match self.report.previous.change(run) {
                Change::New => NEW,
                Change::FailingBefore => AS_BEFORE,
                Change::Unknown => "",
            };
            // No line break comes between the icon and its word.
            let (icon, status) = (icon(&run.status), name(&run.status.to_string()));
            let (scenario, devices) = (name(&run.scenario), self.devices(group));
            let row = match run.status {
                TestStatus::Passed => format!("\n| {scenario} | {devices} |"),
                _ => format!("\n| {icon}&nbsp;{status}{remark} | {scenario} | {devices} |"),
            };
            if rows.len() + row.len() > self.room() {
                return (rows, groups[n..].iter().map(Vec::len).sum());
            }
            rows += &row;
        }
        (rows, 0)
    }

    /// Names the devices of one row, each once, with its build if there are several.
    fn devices(&self, runs: &[&TestRun]) -> String {
        let has_builds = self.builds.len() > 1;
        let is_same = |a: &&TestRun, b: &&TestRun| {
            a.device == b.device && (!has_builds || a.build == b.build)
        };
        let places: Vec<&[&TestRun]> = runs.chunk_by(is_same).collect();
        let n = places.len();
        let is_simple = !has_builds && n == runs.len();
        if is_simple && n >= MANY_DEVICES && n + 1 >= self.devices.len() {
            let is_missing = |device: &&&str| runs.iter().all(|run| run.device != ***device);
            return match self.devices.iter().find(is_missing) {
                None => format!("all {n} devices"),
                Some(device) => format!("all but {}", name(device)),
            };
        }
        let named = places.iter().take(MOST_DEVICES).map(|place| {
            let run = place[0];
            let mut text = name(&run.device);
            if has_builds && !run.build.is_empty() {
                text += &format!(" {}", code(&run.build));
            }
            match place.len() {
                1 => text,
                times => format!("{text} ×{times}"),
            }
        });
        let more = (n > MOST_DEVICES).then(|| format!("and {} more", n - MOST_DEVICES));
        named.chain(more).collect::<Vec<_>>().join(", ")
    }

    /// Renders scenarios against devices if that fits a screen.
    fn matrix(&self, passed: usize) -> Option<String> {
        let mut cells = BTreeMap::new();
        for run in &self.test_runs {
            cells.insert((&*run.scenario, &*run.device), icon(&run.status));
        }
        let (scenarios, devices) = (names(&self.test_runs, |run| &run.scenario), &self.devices);
        // A cell shows one status, so no two test runs may share it.
        if cells.len() < self.test_runs.len()
            || !MATRIX_SCENARIOS.contains(&scenarios.len())
            || !MATRIX_DEVICES.contains(&devices.len())
        {
            return None;
        }
        let all = self.test_runs.len();
        let what = format!("Scenarios by device: {passed} of {all} passed");
        let mut table = format!("{what}</summary>\n\n| Scenario |");
        table.extend(devices.iter().map(|device| format!(" {} |", name(device))));
        table += &format!("\n| :--- |{}", " :---: |".repeat(devices.len()));
        for scenario in scenarios {
            table += &format!("\n| {} |", name(scenario));
            let cell = |device| cells.get(&(scenario, device)).unwrap_or(&"–");
            table.extend(devices.iter().map(|device| format!(" {} |", cell(*device))));
        }
        Some(table)
    }
}

/// What a list is sorted by: new failures first, then the worst status.
fn kind<'a>(report: &Report, run: &'a TestRun) -> (Change, &'a TestStatus) {
    (report.previous.change(run), &run.status)
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

/// Lists names of test runs, each once.
fn names<'a>(test_runs: &[&'a TestRun], of: fn(&TestRun) -> &String) -> Vec<&'a str> {
    let names: BTreeSet<&str> = test_runs.iter().map(|run| of(run).as_str()).collect();
    let mut names = Vec::from_iter(names);
    names.sort_by(|a, b| by_name(a, b));
    names
}

/// Compares names as people count: 2 before 10.
fn by_name(a: &str, b: &str) -> Ordering {
    alphanumeric_sort::compare_str(a, b).then_with(|| a.cmp(b))
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
             Schedule <code>123</code> · latest build <code>1.0(1)</code> · took 3m20s · queued for 1m5s\n\
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
                "To judge it without starting another, add this under `with:`, and remove it afterwards:\n\n```yaml\n\
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
    fn a_device_is_named_with_its_build_if_there_are_several() {
        let on = |device, build: &str| TestRun {
            build: build.into(),
            ..run("Pay", device, "Failed")
        };
        for (test_runs, expected, why) in [
            (
                vec![on("d0", "1"), on("d0", "2"), on("d1", "1"), on("d1", "1")],
                "d0 <code>1</code>, d0 <code>2</code>, d1 <code>1</code> ×2",
                "two builds",
            ),
            (
                vec![on("d0", "1"), on("d1", "2"), on("d2", "")],
                "d0 <code>1</code>, d1 <code>2</code>, d2",
                "a test run that names none",
            ),
            (
                vec![on("d0", "1"), on("d0", "1"), on("d1", "")],
                "d0 ×2, d1",
                "one build",
            ),
        ] {
            let page = render(&report(Conclusion::Failure, test_runs));

            assert!(
                page.contains(&format!("| Pay | {expected} |\n")),
                "{why}: {page}"
            );
        }
    }

    #[test]
    fn what_passed_is_shown_as_soon_as_all_of_it_fits() {
        let on = |device| run("Pay", device, "Passed");
        for (test_runs, why) in [
            (vec![on("d0"), on("d1")], "as a list"),
            (
                vec![run(&"o".repeat(150), "d0", "Passed")],
                "as a list whose only row is longer than its head",
            ),
            (
                vec![on("d0"), on("d1"), run("Log in", "d0", "Passed")],
                "as a matrix",
            ),
        ] {
            let report = report(Conclusion::Success, test_runs);
            let with = |budget| {
                let mut page = Page::of(&report, String::new());
                page.budget = budget;
                page.add_passed();
                page.text
            };
            let whole = with(BUDGET);
            let fold = whole
                .strip_prefix("<details><summary>")
                .and_then(|rest| rest.strip_suffix("\n\n</details>\n\n"))
                .expect("a fold");

            for budget in 0..fold.len() + 50 {
                let page = with(budget);

                if budget >= fold.len() {
                    assert_eq!(page, whole, "{why}: {budget}");
                } else {
                    assert!(page.starts_with("Left out, "), "{why}: {budget}: {page}");
                }
            }
        }
    }

    #[test]
    fn one_scenario_on_many_devices_is_one_row() {
        let on = |i| format!("d{i:02}");
        let mut most: Vec<_> = (0..MOST_DEVICES)
            .map(|i| run("Pay", &on(i), "Failed"))
            .collect();
        most.extend((20..25).map(|i| run("Log in", &on(i), "Passed")));
        let page = render(&report(Conclusion::Failure, most));
        assert!(page.contains(", d18, d19 |"), "{page}");

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
        let mut test_runs: Vec<_> = (0..20_000)
            .map(|i| run(&format!("{i}{}", "y".repeat(80)), "P", "Failed"))
            .collect();
        test_runs.push(run("Pay", "P", "Running"));

        let page = render(&report(Conclusion::Failure, test_runs));

        let rest = "### Unfinished\n\nLeft out, because GitHub limits this page: 1 test run that did not finish. ";
        assert!(page.contains(rest), "nothing less important follows");
        assert_eq!(page.matches("| Status |").count(), 1, "no empty table");

        let rows = page.matches("\n| ❌&nbsp;Failed |").count();
        assert!(
            page.contains(&format!("{} test runs that did not pass", 20_000 - rows)),
            "{rows}"
        );
    }

    #[test]
    fn names_are_sorted_as_people_count() {
        let mut names = ["Pixel 10", "Pixel 8", "pixel 9", "Pixel 08", "Pixel 8"];
        names.sort_by(|a, b| by_name(a, b));

        assert!(
            names.iter().position(|name| *name == "Pixel 8")
                < names.iter().position(|name| *name == "Pixel 10"),
            "{names:?}"
        );
        assert_ne!(by_name("01", "1"), Ordering::Equal);
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
