//! What must the outputs, reports and log of one step never say of each other? Also asked of the binary, in tests/gate.

use std::collections::BTreeMap;

use serde_json::Value;

const COUNTS: [&str; 6] = [
    "passed",
    "failed",
    "incomplete",
    "not-executed",
    "stopped",
    "other",
];
const OUTPUTS: usize = 16;

/// What a step left behind.
pub(super) struct LeftBehind<'step> {
    pub(super) exit: i32,
    /// By their names; the last one of a name counts.
    pub(super) outputs: BTreeMap<&'step str, &'step str>,
    pub(super) json: &'step Value,
    pub(super) junit: &'step str,
    pub(super) summary: &'step str,
    pub(super) log: &'step str,
}

/// Finds an output that is missing, or that contradicts another, the exit status, a report or the log.
pub(super) fn contradiction(step: &LeftBehind<'_>) -> Option<String> {
    let exit = step.exit;
    let output = |name: &str| step.outputs.get(name).copied().unwrap_or_default();
    let wrong = |what: &str| Some(what.to_owned());
    if step.outputs.len() != OUTPUTS {
        return wrong("some output is missing");
    }
    let expected = match output("conclusion") {
        "success" | "detached" => 0,
        "failure" => 1,
        "error" => 2,
        "timed_out" => 3,
        "cancelled" => 130,
        _ => return wrong("an unknown conclusion"),
    };
    if exit != expected {
        return wrong("exit status and conclusion");
    }
    let count = |name: &str| output(&format!("{name}-count")).parse::<usize>().ok();
    let counts: Option<Vec<usize>> = COUNTS.into_iter().map(count).collect();
    let Some((counts, total)) = counts.zip(count("total")) else {
        return wrong("a count is no number");
    };
    if counts.iter().sum::<usize>() != total {
        return wrong("the counts do not add up");
    }
    let rows: Option<Vec<Value>> = serde_json::from_str(output("results-json")).ok();
    let Some(rows) = rows else {
        return wrong("results-json is not a list");
    };
    if output("results-truncated") == "false" {
        let passed = rows.iter().filter(|row| row["status"] == "Passed").count();
        if (rows.len(), passed) != (total, counts[0]) {
            return wrong("results-json and the counts");
        }
    }
    // The file has the results complete instead.
    for (name, said) in &step.outputs {
        if ["results-json", "results-truncated"].contains(name) {
            continue;
        }
        let same = match step.json.get(name.replace('-', "_")) {
            Some(Value::String(text)) => text == said,
            Some(Value::Null) => (*name, *said) == ("build-verified", ""),
            Some(other) => **said == *other.to_string(),
            None => false,
        };
        if !same {
            return Some(format!("the JSON file and the output {name}"));
        }
    }
    if step.json["results"].as_array().map(Vec::len) != Some(total) {
        return wrong("the JSON file has other test runs");
    }
    let is_red_in_junit = step.junit.contains("<failure") || step.junit.contains("<error");
    if is_red_in_junit == (exit == 0) {
        return wrong("JUnit and exit status");
    }
    if step.summary.is_empty() {
        return wrong("no summary");
    }
    if (exit != 0) != step.log.contains("::error") {
        return wrong("annotations and exit status");
    }
    None
}
