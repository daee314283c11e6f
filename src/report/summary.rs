//! What does a developer read on the job's page? The summary: what broke, where, and what next.
//!
//! Must not know the runner's files. Trusts no text of the report: all of it goes through [`escape`].

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use crate::model::previous::Change;
use crate::model::report::{PORTAL, Report};
use crate::model::schedule::Origin;
use crate::model::test_run::{TestRun, TestStatus};
use crate::model::verdict::{Conclusion, Outcome};
use crate::text::{count, is_invisible, is_mark, span, without_stacks};

/// The most bytes that the summary takes.
///
/// The runner refuses a summary of more than 1,048,576 bytes as a whole and shows nothing: what is
/// kept below that is room for what earlier words of the same step may have written.
const BUDGET: usize = 1_000_000;

/// What the closing sentences about what was left out may take of the budget.
const RESERVE: usize = 2_000;

/// The most characters of a name: enough to tell names apart, few enough to keep a table readable.
const NAME_CHARS: usize = 200;

/// The most characters of a sentence: an error's text may quote a server's answer.
const SENTENCE_CHARS: usize = 2_000;

/// The most warnings shown: there is one a status, and a hostile answer may invent thousands.
const MOST_WARNINGS: usize = 10;

/// The most devices named in one row: more of them say no more than their number does.
const MOST_DEVICES: usize = 20;

/// Fewer than this on one device may be chance.
const MANY_ON_ONE_DEVICE: usize = 3;

const SECOND: Duration = Duration::from_secs(1);

/// A longer word gets places to break.
const LONGEST_WORD: usize = 24;

/// A part that is shorter joins the next one, or a word would fall to pieces; a longer one breaks where it can.
const SHORTEST_PART: usize = 6;
const LONGEST_PART: usize = 16;

/// A place where a line may break, and where GitHub's filters stop. It is not copied with the text.
const BREAK: &str = "<wbr>";

/// Beyond these sizes a matrix is wider, or longer, than a page shows at a glance.
const MATRIX_DEVICES: std::ops::RangeInclusive<usize> = 2..=8;
const MATRIX_SCENARIOS: std::ops::RangeInclusive<usize> = 2..=40;

/// Renders the job summary in Markdown.
pub(crate) fn render(report: &Report) -> String {
    let mut page = String::new();
    heading(&mut page, report);
    facts(&mut page, report);
    counts(&mut page, report);
    page.push_str(&one_device(report).unwrap_or_default());

    let by_build = builds(report).len() > 1;
    let mut all_shown = true;
    for (bearing, title) in [
        (Outcome::Failing, "Needs attention"),
        (Outcome::Unfinished, "Unfinished"),
        (
            Outcome::Tolerated,
            "Tolerated, since <code>fail-on</code> does not list it",
        ),
    ] {
        all_shown &= section(&mut page, report, bearing, title, by_build, all_shown);
    }
    // What passed is shown only where all else is: it would push that off the page.
    let passed = if all_shown {
        append_if_room(&mut page, &matrix(&report.test_runs));
        passed(&report.test_runs, by_build)
    } else {
        String::new()
    };
    let [passed_count, ..] = report.tally().columns();
    if (!all_shown || !append_if_room(&mut page, &passed)) && passed_count > 0 {
        left_out(&mut page, &count(passed_count, "passed test run"));
    }
    page
}

/// Renders one sentence, for a step that has no report.
pub(crate) fn line(text: &str) -> String {
    format!("{}\n\n", sentence(text))
}

fn heading(page: &mut String, report: &Report) {
    let verdict = &report.verdict;
    let word = match verdict.conclusion {
        Conclusion::Success => "✅ Passed",
        Conclusion::Failure => "❌ Failed",
        Conclusion::TimedOut => "⏱️ Timed out",
        Conclusion::Cancelled => "🚫 Cancelled",
        Conclusion::Error => "⚠️ Error",
        Conclusion::Detached => "▶️ Started",
    };
    page.push_str("## ");
    page.push_str(word);
    if let Some(schedule) = &report.schedule_name {
        add(page, format_args!(": {}", name(schedule)));
    }
    page.push_str("\n\n");
    add(page, format_args!("**{}**", sentence(&verdict.reason)));
    if let Some(changes) = report.change_summary() {
        add(page, format_args!(" {}", sentence(&changes)));
    }
    page.push_str("\n\n");
    if let Some(advice) = &verdict.advice {
        let link = format!("[Sofy's portal]({PORTAL})");
        let advice = sentence(advice).replacen("Sofy's portal", &link, 1);
        add(page, format_args!("**Next:** {advice}\n\n"));
    }
    for (input, value) in &report.inputs_to_attach {
        add(
            page,
            format_args!("<code>{}: \"{}\"</code><br>\n", name(input), name(value)),
        );
    }
    if !report.inputs_to_attach.is_empty() {
        page.push('\n');
    }
    for warning in verdict.warnings.iter().take(MOST_WARNINGS) {
        add(page, format_args!("⚠️ {}\n\n", sentence(warning)));
    }
    if verdict.warnings.len() > MOST_WARNINGS {
        let more = count(verdict.warnings.len() - MOST_WARNINGS, "more warning");
        add(page, format_args!("⚠️ {more} in the log.\n\n"));
    }
    if let Some(abort) = &report.abort {
        add(page, format_args!("**Abort:** {}\n\n", sentence(abort)));
    }
}

/// Writes one line of what identifies the run, unless nothing was ever sent.
fn facts(page: &mut String, report: &Report) {
    let mut facts = Vec::new();
    for (label, value) in [
        ("Schedule", &report.schedule_id),
        ("app hash", &report.app_hash),
        ("group", &report.group_id),
    ] {
        if let Some(value) = value {
            facts.push(format!("{label} <code>{}</code>", name(value)));
        }
    }
    if facts.is_empty() && report.test_runs.is_empty() {
        return;
    }
    if let Some(status) = &report.group_status {
        facts.push(format!("group status {}", name(status)));
    }
    let attached = report.origin == Some(Origin::Attached);
    let latest = report.app_hash.is_none() && !attached && report.group_id.is_some();
    let builds = builds(report);
    let which = match (latest, builds.first(), builds.len()) {
        (true, None, _) => "latest build".to_owned(),
        (true, Some(build), 1) => format!("latest build <code>{}</code>", name(build)),
        (true, Some(_), n) => format!("latest build, and {n} are named"),
        (false, None, _) => String::new(),
        (false, Some(build), 1) => format!("build <code>{}</code>", name(build)),
        (false, Some(_), n) => count(n, "build"),
    };
    match &report.build_check {
        Some(build_check) => facts.push(name(&build_check.to_string())),
        None if which.is_empty() => {}
        None => facts.push(which),
    }
    // A step that did not wait has nothing to say here.
    if report.duration >= SECOND {
        let start = if attached { "attach" } else { "trigger" };
        let mut took = format!("{} from {start} to end", span(report.duration));
        if let Some(queued) = report.queued.filter(|queued| *queued >= SECOND) {
            add(
                &mut took,
                format_args!(", of which {} in the queue", span(queued)),
            );
        }
        facts.push(took);
    }
    facts.push(format!("[open Sofy]({PORTAL})"));
    add(page, format_args!("{}\n\n", facts.join(" · ")));
}

fn builds(report: &Report) -> BTreeSet<&str> {
    report
        .test_runs
        .iter()
        .map(|run| run.build.as_str())
        .filter(|build| !build.is_empty())
        .collect()
}

/// Writes how many test runs stand where; a column that would say 0 is noise, except for passed.
fn counts(page: &mut String, report: &Report) {
    if report.test_runs.is_empty() {
        return;
    }
    let tally = report.tally();
    let [passed, failed, incomplete, not_executed, stopped, other] = tally.columns();
    let mut columns = vec![
        ("Total".to_owned(), tally.total()),
        (label(&TestStatus::Passed, "Passed"), passed),
    ];
    let unfinished = tally.count(|status| *status == TestStatus::Running);
    for (status, word, n) in [
        (TestStatus::Failed, "Failed", failed),
        (TestStatus::Incomplete, "Incomplete", incomplete),
        (TestStatus::NotExecuted, "Not executed", not_executed),
        (TestStatus::Stopped, "Stopped", stopped),
        (
            TestStatus::Other(String::new()),
            "Unknown",
            other - unfinished,
        ),
        (TestStatus::Running, "Unfinished", unfinished),
    ] {
        if n > 0 {
            let tolerated = match report.policy.outcome(&status) {
                Outcome::Tolerated => ", tolerated",
                Outcome::Failing | Outcome::Unfinished | Outcome::Passed => "",
            };
            columns.push((format!("{}{tolerated}", label(&status, word)), n));
        }
    }
    let joined = |cell: &dyn Fn(&(String, usize)) -> String| {
        columns.iter().map(cell).collect::<Vec<_>>().join(" | ")
    };
    add(
        page,
        format_args!(
            "| {} |\n| {} |\n| {} |\n\n",
            joined(&|(label, _)| label.clone()),
            joined(&|_| "---:".to_owned()),
            joined(&|(_, n)| n.to_string())
        ),
    );
}

/// Says where most of what broke sits on one device: a broken phone looks like a broken app.
fn one_device(report: &Report) -> Option<String> {
    let mut devices: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for run in &report.test_runs {
        let (broken, all) = devices.entry(&run.device).or_default();
        *all += 1;
        *broken += usize::from(report.outcome(run) == Outcome::Failing);
    }
    let broken: usize = devices.values().map(|(broken, _)| broken).sum();
    let (device, (here, all)) = devices.iter().max_by_key(|(_, (broken, _))| *broken)?;
    // Where that device has most of the test runs anyhow, most of what broke is there too.
    let most = here * 3 >= broken * 2 && here * 10 > all * 5;
    let elsewhere = report.test_runs.len() - all;
    (*here >= MANY_ON_ONE_DEVICE && most && elsewhere > broken - here).then(|| {
        let which = if *here == broken {
            format!("All {broken}")
        } else {
            format!("{here} of the {broken}")
        };
        format!(
            "{which} that did not pass are on {}: look at the device first.\n\n",
            name(device)
        )
    })
}

/// Writes the test runs of one bearing, unless there is no room left; tells whether all are shown.
fn section(
    page: &mut String,
    report: &Report,
    bearing: Outcome,
    title: &str,
    by_build: bool,
    room: bool,
) -> bool {
    let mut groups: BTreeMap<(Change, &TestStatus, ByName<'_>), Vec<&TestRun>> = BTreeMap::new();
    for run in report
        .test_runs
        .iter()
        .filter(|run| report.outcome(run) == bearing)
    {
        let change = report.change(run);
        let key = (change, &run.status, ByName(&run.scenario));
        groups.entry(key).or_default().push(run);
    }
    if groups.is_empty() {
        return true;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    // What is broken on the most devices is the likeliest to be the app's fault. The sort is
    // stable: scenarios that are alike stay in the order of their names.
    groups.sort_by(
        |((change_a, status_a, _), a), ((change_b, status_b, _), b)| {
            (change_a, status_a)
                .cmp(&(change_b, status_b))
                .then(b.len().cmp(&a.len()))
        },
    );

    let mut rows = String::new();
    let mut unshown = 0;
    let mut has_news = false;
    for ((change, status, scenario), runs) in groups {
        // Once a row has no room none after it is shown: "the first N" is what can be explained.
        if room && unshown == 0 {
            let before = rows.len();
            let remark = match change {
                Change::New => ", new",
                Change::FailingBefore => ", failing before too",
                Change::Unknown => "",
            };
            add(
                &mut rows,
                format_args!(
                    "| {}{remark} | {} | ",
                    label(status, &name(&status.to_string())),
                    name(scenario.0)
                ),
            );
            devices(&mut rows, &runs, by_build);
            rows.push_str(" |\n");
            if page.len() + rows.len() + RESERVE <= BUDGET {
                has_news |= change != Change::Unknown;
                continue;
            }
            rows.truncate(before);
        }
        unshown += runs.len();
    }
    add(page, format_args!("### {title}\n\n"));
    if unshown > 0 {
        left_out(
            page,
            &format!("{} {}", count(unshown, "test run"), kind(bearing)),
        );
    }
    if !rows.is_empty() {
        page.push_str("| Status | Scenario | Devices |\n| :--- | :--- | :--- |\n");
        page.push_str(&rows);
        page.push('\n');
    }
    if has_news {
        page.push_str(
            "New, or failing before too: compared with the same scenario on the same device in the \
             schedule's previous run, which may be another branch's.\n\n",
        );
    }
    unshown == 0
}

const fn kind(bearing: Outcome) -> &'static str {
    match bearing {
        Outcome::Failing => "that did not pass",
        Outcome::Unfinished => "that did not finish",
        Outcome::Tolerated => "that are tolerated",
        Outcome::Passed => "that passed",
    }
}

/// Names the devices of one row; one that is there more than once is named once, with its number.
fn devices(row: &mut String, runs: &[&TestRun], by_build: bool) {
    let mut times: BTreeMap<(ByName<'_>, &str), usize> = BTreeMap::new();
    for run in runs {
        let build = if by_build { run.build.as_str() } else { "" };
        *times.entry((ByName(&run.device), build)).or_insert(0) += 1;
    }
    let number = times
        .keys()
        .map(|(device, _)| device)
        .collect::<BTreeSet<_>>()
        .len();
    if number > 1 {
        add(row, format_args!("{number} devices: "));
    }
    for (i, ((device, build), n)) in times.iter().take(MOST_DEVICES).enumerate() {
        row.push_str(if i == 0 { "" } else { ", " });
        row.push_str(&name(device.0));
        if !build.is_empty() {
            add(row, format_args!(" <code>{}</code>", name(build)));
        }
        if *n > 1 {
            add(row, format_args!(" ×{n}"));
        }
    }
    if times.len() > MOST_DEVICES {
        add(
            row,
            format_args!(", and {} more", times.len() - MOST_DEVICES),
        );
    }
}

/// Renders scenarios against devices where that fits a screen; empty where it does not.
fn matrix(test_runs: &[TestRun]) -> String {
    let mut cells = BTreeMap::new();
    let (mut scenarios, mut devices) = (BTreeSet::new(), BTreeSet::new());
    for run in test_runs {
        scenarios.insert(ByName(&run.scenario));
        devices.insert(ByName(&run.device));
        let again = cells.insert((run.scenario.as_str(), run.device.as_str()), &run.status);
        // A cell has room for one status; which of two it is must not depend on their order.
        if again.is_some()
            || scenarios.len() > *MATRIX_SCENARIOS.end()
            || devices.len() > *MATRIX_DEVICES.end()
        {
            return String::new();
        }
    }
    if !MATRIX_SCENARIOS.contains(&scenarios.len()) || !MATRIX_DEVICES.contains(&devices.len()) {
        return String::new();
    }

    let mut text = String::from("<details><summary>Scenarios by device</summary>\n\n| Scenario |");
    for device in &devices {
        add(&mut text, format_args!(" {} |", name(device.0)));
    }
    text.push_str("\n| :--- |");
    text.push_str(&" :---: |".repeat(devices.len()));
    for scenario in &scenarios {
        add(&mut text, format_args!("\n| {} |", name(scenario.0)));
        for device in &devices {
            let cell = cells
                .get(&(scenario.0, device.0))
                .map_or("–", |status| icon(status));
            add(&mut text, format_args!(" {cell} |"));
        }
    }
    text.push_str("\n\n</details>\n\n");
    text
}

/// Renders what passed, folded; stops early where it cannot fit anyhow.
fn passed(test_runs: &[TestRun], by_build: bool) -> String {
    let mut groups: BTreeMap<ByName<'_>, Vec<&TestRun>> = BTreeMap::new();
    for run in test_runs
        .iter()
        .filter(|run| run.status == TestStatus::Passed)
    {
        groups.entry(ByName(&run.scenario)).or_default().push(run);
    }
    if groups.is_empty() {
        return String::new();
    }
    let n = groups.values().map(Vec::len).sum();
    let mut text = format!(
        "<details><summary>✅ {}</summary>\n\n| Scenario | Devices |\n| :--- | :--- |\n",
        count(n, "passed test run")
    );
    for (scenario, runs) in groups {
        add(&mut text, format_args!("| {} | ", name(scenario.0)));
        devices(&mut text, &runs, by_build);
        text.push_str(" |\n");
        if text.len() > BUDGET {
            break;
        }
    }
    text.push_str("\n</details>\n\n");
    text
}

/// Appends the section if it fits the budget, and tells whether it did.
fn append_if_room(page: &mut String, section: &str) -> bool {
    let fits = page.len() + section.len() + RESERVE <= BUDGET;
    if fits {
        page.push_str(section);
    }
    fits
}

fn left_out(page: &mut String, what: &str) {
    add(
        page,
        format_args!(
            "Left out, since GitHub limits the size of this page: {what}. The files of the inputs \
             <code>json-path</code> and <code>junit-path</code> hold them all.\n\n"
        ),
    );
}

/// Puts a status's icon before its word, so that no line break comes between.
fn label(status: &TestStatus, word: &str) -> String {
    format!("{}&nbsp;{word}", icon(status))
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

/// Escapes a name, shortened where it is too long; a blank one becomes a dash.
pub(super) fn name(text: &str) -> String {
    let plain = plain(text, NAME_CHARS);
    if plain.is_empty() {
        "–".to_owned()
    } else {
        escape(&plain)
    }
}

/// Escapes a sentence, with a capital at its start and a period at its end.
pub(super) fn sentence(text: &str) -> String {
    let plain = plain(text, SENTENCE_CHARS);
    let mut chars = plain.chars();
    let capital = chars.next().map(|c| c.to_ascii_uppercase());
    let end = if plain.trim_end_matches('"').ends_with(['.', '!', '?', '…']) {
        ""
    } else {
        "."
    };
    // The period is escaped too: after a lone number it would make a list.
    let whole: String = capital
        .into_iter()
        .chain(chars)
        .chain(end.chars())
        .collect();
    escape(&whole)
}

/// Reduces a text to one line of visible characters, and shortens it.
///
/// White space is folded: several blanks at the start of a cell or a line would be structure.
fn plain(text: &str, most: usize) -> String {
    let mut plain = String::new();
    let mut room = most;
    for c in without_stacks(text.trim()) {
        if c.is_whitespace() && plain.ends_with(' ') {
            continue;
        }
        if room == 0 {
            plain.push('…');
            break;
        }
        room -= 1;
        plain.push(if c.is_whitespace() {
            ' '
        } else if is_invisible(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        });
    }
    plain
}

/// Turns one line of text into Markdown that shows just that text.
///
/// Every ASCII punctuation mark that may mean something to Markdown, HTML or GitHub becomes a
/// numeric entity, which cannot start a structure. GitHub looks for mentions (`@team`), references
/// (`#1`, `GH-1`, a commit's hash) and emoji (`:lock:`) after it has decoded the entities, so that
/// these get a [`BREAK`], and so do long words, which would push the next column out of view.
fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len() + line.len() / 4);
    for (i, word) in line.split(' ').enumerate() {
        if i > 0 {
            escaped.push(' ');
        }
        let is_long = word.chars().count() > LONGEST_WORD;
        let mut unbroken = 0;
        let mut chars = word.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                ',' | ';' | '\'' | '"' | '/' | '%' | '?' => escaped.push(c),
                c if c.is_ascii_punctuation() => {
                    add(&mut escaped, format_args!("&#{};", u32::from(c)));
                }
                c => escaped.push(c),
            }
            unbroken += 1;
            let Some((_, next)) = chars.peek() else {
                continue;
            };
            let is_reference = matches!(c, '@' | '#')
                || (c == ':' && (next.is_alphanumeric() || matches!(next, '_' | '+' | '-')))
                || (c == '-' && next.is_ascii_digit())
                || is_inside_a_hash(word, at);
            let is_joint = !c.is_alphanumeric() || (c.is_lowercase() && next.is_uppercase());
            let is_due = (unbroken >= SHORTEST_PART && is_joint) || unbroken >= LONGEST_PART;
            if is_reference || (is_long && is_due && !is_mark(*next)) {
                escaped.push_str(BREAK);
                unbroken = 0;
            }
        }
    }
    escaped
}

/// Tells whether this is the sixth character of what GitHub may take for a commit's hash.
fn is_inside_a_hash(word: &str, at: usize) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric();
    let start = word[..at].rfind(|c| !is_part(c)).map_or(0, |found| {
        found + word[found..].chars().next().map_or(0, char::len_utf8)
    });
    let rest = &word[start..];
    let candidate = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
    at - start == 5 && candidate.len() >= 7 && candidate.chars().all(|c| c.is_ascii_hexdigit())
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
    // Writing to a string fails only where a `Display` does, and none of ours do.
    let _ = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser};

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
        report.verdict.reason = name.into();
        for text in [
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
        let page = render(&filled_with(hostile));

        assert_eq!(
            structure(&page),
            structure(&render(&filled_with("benign"))),
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
    fn what_github_would_turn_into_something_else_is_broken_up() {
        for (text, expected, why) in [
            (":lock:", "&#58;<wbr>lock&#58;", "an emoji"),
            ("a: b", "a&#58; b", "an ordinary colon"),
            ("GH-12", "GH&#45;<wbr>12", "a reference"),
            ("log-in", "log&#45;in", "an ordinary hyphen"),
            ("0a1b2c3", "0a1b2c<wbr>3", "a commit's hash"),
            ("(0a1b2c3)", "&#40;0a1b2c<wbr>3&#41;", "within brackets"),
            ("facade", "facade", "shorter than a hash"),
            ("defaced1x", "defaced1x", "no hash"),
            ("Pixel 8", "Pixel 8", "an ordinary name"),
        ] {
            assert_eq!(escape(text), expected, "{why}");
        }
    }

    #[test]
    fn long_words_may_break_where_people_would_break_them() {
        let test = "com.example.app.LoginTest.testThatAUserWithAnExpiredPasswordIsAsked";

        let escaped = escape(test);

        let parts: Vec<&str> = escaped.split(BREAK).collect();
        assert!(parts.len() > 2, "{escaped}");
        assert!(
            parts
                .iter()
                .all(|part| part.replace("&#46;", ".").len() <= LONGEST_WORD),
            "{escaped}"
        );
        assert_eq!(
            escape("testThatAUserLogsIn"),
            "testThatAUserLogsIn",
            "short enough"
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

    #[test]
    fn no_mark_with_a_meaning_stays_raw() {
        for mark in "\\`*_{}[]<>()+-.!|~:=^$".chars() {
            let escaped = format!("&#{};", u32::from(mark));

            assert_eq!(
                escape(&mark.to_string()),
                escaped,
                "{mark}: alone, whatever closes it"
            );
        }
        assert_eq!(escape("&"), "&#38;", "the text is not an entity itself");
    }

    #[test]
    fn each_conclusion_has_its_word() {
        for (conclusion, expected) in [
            (Conclusion::Success, "## ✅ Passed: Nightly\n"),
            (Conclusion::Failure, "## ❌ Failed: Nightly\n"),
            (Conclusion::TimedOut, "## ⏱️ Timed out: Nightly\n"),
            (Conclusion::Cancelled, "## 🚫 Cancelled: Nightly\n"),
            (Conclusion::Error, "## ⚠️ Error: Nightly\n"),
            (Conclusion::Detached, "## ▶️ Started: Nightly\n"),
        ] {
            assert!(
                render(&report(conclusion, Vec::new())).starts_with(expected),
                "{expected}"
            );
        }
    }

    #[test]
    fn a_report_of_which_nothing_is_known_is_short() {
        let verdict =
            Verdict::new(Conclusion::Error, "the input schedule-id is missing").advise("Set it");

        let page = render(&Report::of(verdict));

        assert_eq!(
            page,
            "## ⚠️ Error\n\n**The input schedule&#45;id is missing&#46;**\n\n**Next:** Set \
             it&#46;\n\n"
        );
    }

    #[test]
    fn the_page_says_what_broke_where() {
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

        let page = render(&report);

        assert_eq!(
            page,
            "## ❌ Failed: Nightly\n\
             \n\
             **2 of 5 did not pass&#46;**\n\
             \n\
             **Next:** Look at them&#46;\n\
             \n\
             Schedule <code>123</code> · group <code>77</code> · group status Complete · latest build <code>1&#46;0&#40;1&#41;</code> · 3m20s from trigger to end, of which 1m5s in the queue · [open Sofy](https://portal.sofy.ai)\n\
             \n\
             | Total | ✅&nbsp;Passed | ❌&nbsp;Failed | ⏹️&nbsp;Stopped |\n\
             | ---: | ---: | ---: | ---: |\n\
             | 4 | 1 | 2 | 1 |\n\
             \n\
             ### Needs attention\n\
             \n\
             | Status | Scenario | Devices |\n\
             | :--- | :--- | :--- |\n\
             | ❌&nbsp;Failed | Pay | 2 devices: Pixel 8, iPhone 15 |\n\
             | ⏹️&nbsp;Stopped | Log in | iPhone 15 |\n\
             \n\
             <details><summary>Scenarios by device</summary>\n\
             \n\
             | Scenario | Pixel 8 | iPhone 15 |\n\
             | :--- | :---: | :---: |\n\
             | Log in | ✅ | ⏹️ |\n\
             | Pay | ❌ | ❌ |\n\
             \n\
             </details>\n\
             \n\
             <details><summary>✅ 1 passed test run</summary>\n\
             \n\
             | Scenario | Devices |\n\
             | :--- | :--- |\n\
             | Log in | Pixel 8 |\n\
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
        ]);
        report.inputs_to_attach = vec![
            ("test-run-group-id", "77".into()),
            ("results-after", "none;attempt=1".into()),
        ];
        report.verdict.advice = Some("Look at the group in Sofy's portal".into());

        let page = render(&report);

        for (part, why) in [
            (
                "1 is new; 1 also failed in the schedule's previous run",
                "the news",
            ),
            (
                "in [Sofy's portal](https://portal.sofy.ai)",
                "the word is the link",
            ),
            (
                "<code>test&#45;run&#45;group&#45;id: \"77\"</code>",
                "what to paste",
            ),
            (
                "| Total | ✅&nbsp;Passed | ❌&nbsp;Failed | ⏹️&nbsp;Stopped, tolerated | ❓&nbsp;Unknown | ⏳&nbsp;Unfinished |",
                "each kind has its column",
            ),
            ("| 6 | 0 | 2 | 2 | 1 | 1 |", "they add up"),
            (
                "| ❌&nbsp;Failed, new | Pay | Pixel 8 |\n| ❓&nbsp;Flaky | Odd | Pixel 8 |\n| ❌&nbsp;Failed, failing before too | Log in | Pixel 8 |\n\nNew, or failing",
                "the news come first",
            ),
            (
                "### Unfinished\n\n| Status | Scenario | Devices |\n| :--- | :--- | :--- |\n| ⏳&nbsp;Running | Search |",
                "no failure",
            ),
            (
                "list it\n\n| Status | Scenario | Devices |\n| :--- | :--- | :--- |\n| ⏹️&nbsp;Stopped | Buy 2 | Pixel 8 |\n| ⏹️&nbsp;Stopped | Buy 10 |",
                "tolerated, as people count",
            ),
        ] {
            assert!(page.contains(part), "{why}: {page}");
        }
    }

    #[test]
    fn a_device_on_which_most_broke_is_named() {
        let on = |device: &str, statuses: &[&str]| -> Vec<TestRun> {
            let runs = statuses.iter().enumerate();
            runs.map(|(n, status)| run(&format!("S{n}"), device, status))
                .collect()
        };
        for (first, second, named, why) in [
            (
                &["Failed", "Failed", "Failed"][..],
                &["Passed", "Passed", "Passed"][..],
                true,
                "all on it",
            ),
            (
                &["Failed", "Failed", "Failed"],
                &["Failed", "Passed", "Passed"],
                true,
                "most of them",
            ),
            (
                &["Failed", "Failed"],
                &["Passed", "Passed"],
                false,
                "too few to tell",
            ),
            (
                &["Failed", "Failed", "Failed"],
                &["Failed", "Failed", "Failed"],
                false,
                "the app",
            ),
            (
                &["Failed", "Failed", "Failed"],
                &[],
                false,
                "there is one device",
            ),
            (
                &["Failed", "Failed", "Failed"],
                &["Failed"],
                false,
                "the other one fails too",
            ),
            (
                &[
                    "Failed", "Failed", "Failed", "Passed", "Passed", "Passed", "Passed",
                ],
                &["Passed"],
                false,
                "it works mostly",
            ),
        ] {
            let mut test_runs = on("Pixel 8", first);
            test_runs.extend(on("iPhone 15", second));

            let page = render(&report(Conclusion::Failure, test_runs));

            assert_eq!(
                page.contains("on Pixel 8: look at the device"),
                named,
                "{why}: {page}"
            );
        }
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

            assert!(page.len() <= BUDGET, "{why}: {}", page.len());
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
    fn one_scenario_on_many_devices_is_one_row() {
        let mut test_runs: Vec<_> = (0..25)
            .map(|i| run("Pay", &format!("d{i:02}"), "Failed"))
            .collect();
        test_runs.push(run("Pay", "d00", "Failed"));

        let page = render(&report(Conclusion::Failure, test_runs));

        assert!(
            page.contains("| ❌&nbsp;Failed | Pay | 25 devices: d00 ×2, d01, "),
            "{page}"
        );
        assert!(page.contains("d19, and 5 more |"), "{page}");
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
