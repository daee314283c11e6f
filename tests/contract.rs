//! Do both `action.yml`, README.md and the contract say the same?
//!
//! The contract is repeated here deliberately: a change of an input or an output must be made in three places. A
//! change that breaks a workflow is a new major version, an addition a minor one.

#[path = "file_command/mod.rs"]
mod file_command;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{fs, process};

/// An input as a user sees it. `shown` is what the README has for a default, where there is none to be set.
struct Input {
    name: &'static str,
    required: bool,
    default: Option<&'static str>,
    shown: &'static str,
}

const fn optional(name: &'static str) -> Input {
    shown(name, "")
}

const fn shown(name: &'static str, shown: &'static str) -> Input {
    Input {
        name,
        required: false,
        default: None,
        shown,
    }
}

const fn required(name: &'static str) -> Input {
    Input {
        name,
        required: true,
        default: None,
        shown: "",
    }
}

const fn with_default(name: &'static str, default: &'static str) -> Input {
    Input {
        name,
        required: false,
        default: Some(default),
        shown: "",
    }
}

const INPUTS: [Input; 16] = [
    required("api-key"),
    required("schedule-id"),
    shown("app-hash", "latest build"),
    with_default("require-app-hash", "false"),
    shown("device-serials", "schedule's own"),
    optional("test-run-group-id"),
    optional("results-after"),
    with_default("wait", "true"),
    with_default("timeout", "60m"),
    with_default("poll-interval", "15s"),
    with_default("fail-on", "failed, incomplete, not-executed, stopped"),
    with_default("abort-unfinished", "true"),
    shown("title", "schedule's name"),
    optional("junit-path"),
    optional("json-path"),
    shown("api-url", "by API"),
];

const OUTPUTS: [&str; 16] = [
    "test-run-group-id",
    "conclusion",
    "reason",
    "group-status",
    "total-count",
    "passed-count",
    "failed-count",
    "incomplete-count",
    "not-executed-count",
    "stopped-count",
    "other-count",
    "results-after",
    "build-verified",
    "duration-seconds",
    "results-json",
    "results-truncated",
];

const UPLOAD_INPUTS: [Input; 8] = [
    required("api-key"),
    required("app-path"),
    optional("application-guid"),
    optional("certificate-name"),
    optional("build-name"),
    with_default("api", "public"),
    with_default("timeout", "15m"),
    shown("api-url", "by `api`"),
];

const UPLOAD_OUTPUTS: [&str; 5] = ["app-hash", "uploaded", "build", "conclusion", "reason"];

/// An action of this repository: its folder, and what it takes and gives.
struct Action {
    folder: &'static str,
    inputs: &'static [Input],
    outputs: &'static [&'static str],
    uses: &'static str,
    /// The `id` that its step has in README.
    step: &'static str,
}

impl Action {
    fn readme(&self) -> String {
        file(&format!("{}README.md", self.folder))
    }
}

const ACTIONS: [Action; 2] = [
    Action {
        folder: "",
        inputs: &INPUTS,
        outputs: &OUTPUTS,
        uses: "uses: OWNER/REPO@v1\n",
        step: "steps.sofy.outputs.",
    },
    Action {
        folder: "upload/",
        inputs: &UPLOAD_INPUTS,
        outputs: &UPLOAD_OUTPUTS,
        uses: "uses: OWNER/REPO/upload@v1\n",
        step: "steps.upload.outputs.",
    },
];

const EXITS: [(&str, &str); 6] = [
    ("0", "`success`"),
    ("0", "`detached`"),
    ("1", "`failure`"),
    ("2", "`error`"),
    ("3", "`timed_out`"),
    ("130", "`cancelled`"),
];

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The entries of one section of `action.yml`: each name with its properties. Reads the lay-out that we keep to, two
/// blanks for a name and four for a property; that it is YAML is checked by `.ci/lint`.
fn section(yaml: &str, name: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut entries: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let lines = yaml
        .lines()
        .skip_while(|line| *line != format!("{name}:"))
        .skip(1);
    for line in lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])) {
        let text = line.trim_start();
        let Some((key, value)) = text.split_once(':') else {
            continue;
        };
        match (line.len() - text.len(), entries.last_mut()) {
            (2, _) => entries.push((key.to_owned(), Vec::new())),
            (4, Some((_, properties))) => {
                properties.push((key.to_owned(), value.trim().trim_matches('"').to_owned()));
            }
            _ => {}
        }
    }
    entries
}

fn property<'a>(properties: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = properties.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

/// The cells of the table under a heading of the README, without its head.
fn table(markdown: &str, heading: &str) -> Vec<Vec<String>> {
    let under = markdown.lines().skip_while(|line| *line != heading);
    let rows = under.skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| {
        row.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    rows.map(cells).collect()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[test]
fn action_yml_has_the_inputs_of_the_contract() {
    for action in &ACTIONS {
        let inputs = section(&file(&format!("{}action.yml", action.folder)), "inputs");

        let names: Vec<&str> = inputs.iter().map(|(name, _)| name.as_str()).collect();
        let expected: Vec<&str> = action.inputs.iter().map(|input| input.name).collect();
        assert_eq!(names, expected);
        for (input, (name, properties)) in action.inputs.iter().zip(&inputs) {
            let is_required = property(properties, "required") == Some("true");
            assert_eq!(is_required, input.required, "{name}");
            assert_eq!(property(properties, "default"), input.default, "{name}");
            assert!(
                property(properties, "description").is_some_and(|text| !text.is_empty()),
                "{name}"
            );
        }
    }
}

#[test]
fn action_yml_has_the_outputs_of_the_contract() {
    for action in &ACTIONS {
        let outputs = section(&file(&format!("{}action.yml", action.folder)), "outputs");

        let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, action.outputs);
        for (name, properties) in &outputs {
            assert!(
                property(properties, "description").is_some_and(|text| !text.is_empty()),
                "{name}"
            );
        }
    }
}

#[test]
fn the_upload_hands_over_every_input_and_output_and_no_text_to_its_script() {
    let action = file("upload/action.yml");

    for input in &UPLOAD_INPUTS {
        let variable = input.name.to_uppercase().replace('-', "_");
        let line = format!(
            "        INPUT_{variable}: ${{{{ inputs.{} }}}}\n",
            input.name
        );
        assert!(action.contains(&line), "{line}");
    }
    for (name, properties) in section(&action, "outputs") {
        let value = format!("${{{{ steps.upload.outputs.{name} }}}}");
        assert_eq!(property(&properties, "value"), Some(value.as_str()));
    }
    let scripts: Vec<&str> = action
        .lines()
        .filter(|line| line.trim_start().starts_with("run:"))
        .collect();
    assert_eq!(scripts, ["      run: exec \"$GITHUB_ACTION_PATH/run\""]);
}

/// The values that a type allows, in a file of types.
fn allowed<'a>(types: &'a str, name: &str) -> Vec<&'a str> {
    let under = types
        .lines()
        .skip_while(|line| *line != format!("  {name}:"));
    let body = under.skip(1).take_while(|line| line.starts_with("    "));
    body.filter_map(|line| line.trim().strip_prefix("- "))
        .collect()
}

#[test]
fn the_types_are_those_of_the_actions() {
    for folder in ACTIONS.map(|action| action.folder) {
        let action = file(&format!("{folder}action.yml"));
        let types = file(&format!("{folder}action-types.yml"));
        for part in ["inputs", "outputs"] {
            let (ours, typed) = (section(&action, part), section(&types, part));
            let names = |entries: &[(String, _)]| -> Vec<String> {
                entries.iter().map(|(name, _)| name.clone()).collect()
            };
            assert_eq!(names(&ours), names(&typed), "{folder}{part}");
            for ((name, properties), (_, about)) in ours.iter().zip(&typed) {
                let default = property(properties, "default");
                let is_switch = matches!(default, Some("true" | "false"));
                let is_number = name.ends_with("-count") || name.ends_with("-seconds");
                let words = allowed(&types, name);
                let fits = match property(about, "type") {
                    Some("string") => !is_switch && !is_number,
                    Some("integer") => is_number,
                    Some("boolean") => !is_number && (is_switch || default.is_none()),
                    Some("enum") => default.is_none_or(|word| words.contains(&word)),
                    Some("list") => {
                        property(about, "separator") == Some(",")
                            && default.is_none_or(|list| list.split(", ").eq(words))
                    }
                    _ => false,
                };
                assert!(fits, "{folder}{part}: {name}");
            }
        }
    }
    let types = file("action-types.yml");
    let mut conclusions = EXITS.map(|(_, name)| name.trim_matches('`'));
    let mut typed = allowed(&types, "conclusion");
    conclusions.sort_unstable();
    typed.sort_unstable();
    assert_eq!(typed, conclusions);
}

#[test]
fn action_yml_runs_the_program_of_the_dockerfile() {
    let entrypoint = file("action.yml")
        .lines()
        .find_map(|line| line.strip_prefix("  entrypoint: ").map(str::to_owned));

    let entrypoint = entrypoint.unwrap_or_default();
    assert_eq!(entrypoint, concat!("/", env!("CARGO_PKG_NAME")));
    assert!(file("Dockerfile").contains(&format!("ENTRYPOINT [\"{entrypoint}\"]")));
}

#[test]
fn the_readme_has_the_inputs_of_the_contract() {
    for action in &ACTIONS {
        let rows = table(&action.readme(), "## Inputs");

        let expected: Vec<Vec<String>> = action
            .inputs
            .iter()
            .map(|input| {
                let shown = if input.required {
                    "*required*"
                } else {
                    input.shown
                };
                let default = input.default.map_or_else(|| shown.to_owned(), code);
                vec![code(input.name), default]
            })
            .collect();
        let found: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().take(2).cloned().collect())
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn the_readme_has_the_outputs_of_the_contract() {
    for action in &ACTIONS {
        let rows = table(&action.readme(), "## Outputs");

        // A row may have several outputs.
        let names = rows.iter().filter_map(|row| row.first());
        let found: Vec<&str> = names.flat_map(|names| names.split(", ")).collect();
        let expected: Vec<String> = action.outputs.iter().map(|name| code(name)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn the_readme_has_the_exit_statuses_of_the_contract() {
    let rows = table(&file("README.md"), "## Exit status");

    let found: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row[0].as_str(), row[1].as_str()))
        .collect();
    assert_eq!(found, EXITS);
}

#[test]
fn the_readme_uses_no_input_or_output_that_does_not_exist() {
    let readme = file("README.md");

    for action in &ACTIONS {
        for found in readme.split(action.step).skip(1) {
            let name: String = found
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect();
            assert!(action.outputs.contains(&name.as_str()), "{name}");
        }
        assert!(readme.contains(action.uses), "{}", action.uses);
        for found in readme.split(action.uses).skip(1) {
            let block = found.split("```").next().unwrap_or_default();
            let mut lines = block.lines();
            let with = lines.next().unwrap_or_default();
            assert_eq!(with.trim(), "with:");
            let indent = with.len() - with.trim_start().len() + 2;
            let deeper = |line: &&str| line.len() - line.trim_start().len() >= indent;
            for line in lines
                .take_while(deeper)
                .filter(|line| line.len() - line.trim_start().len() == indent)
            {
                let name = line.trim().split(':').next().unwrap_or_default();
                assert!(
                    action.inputs.iter().any(|input| input.name == name),
                    "{name}"
                );
            }
        }
    }
}

/// The names that the program gives where it reads an input.
fn read(module: &str) -> BTreeSet<String> {
    let source = file(module);
    let product = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut names = BTreeSet::new();
    for call in ["optional(", "or(", "required("] {
        for found in product.split(&format!("input.{call}")).skip(1) {
            let mut quoted = found.split('"');
            assert_eq!(quoted.next().map(str::trim), Some(""), "a name comes first");
            names.extend(quoted.next().map(str::to_owned));
        }
    }
    names
}

#[test]
fn the_program_reads_the_inputs_of_action_yml_and_no_others() {
    let gate = read("src/inputs/mod.rs");
    let mut upload = read("src/inputs/upload.rs");
    // Read by the same function as the gate's.
    upload.insert("api-key".to_owned());
    for (action, read) in ACTIONS.iter().zip([gate, upload]) {
        let declared = action.inputs.iter().map(|input| input.name.to_owned());

        assert_eq!(read, declared.collect(), "{}", action.folder);
    }
}

#[test]
fn the_program_writes_the_outputs_of_action_yml_and_no_others() {
    for action in &ACTIONS {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let output = folder.join(format!(
            "outputs-{}-{}",
            process::id(),
            action.outputs.len()
        ));
        fs::write(&output, "").unwrap();

        // Without a single input: every output is written whatever the end is.
        let status = Command::new(env!("CARGO_BIN_EXE_sofy-schedule-run"))
            .args(action.folder.strip_suffix('/'))
            .env_clear()
            .env("GITHUB_OUTPUT", &output)
            .status()
            .unwrap();

        assert_eq!(status.code(), Some(2));
        let written = file_command::read(&fs::read_to_string(&output).unwrap()).unwrap();
        let written: BTreeSet<&str> = written.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(written, action.outputs.iter().copied().collect());
        fs::remove_file(&output).ok();
    }
}

#[test]
fn the_program_fails_on_what_action_yml_says_by_default() {
    let inputs = section(&file("action.yml"), "inputs");
    let fail_on = inputs.iter().find(|(name, _)| name == "fail-on");
    let default = fail_on.and_then(|(_, properties)| property(properties, "default"));

    let default = default.unwrap_or_default();
    let line = format!("const FAIL_ON_WORDS: &str = {default:?};");
    assert!(file("src/inputs/mod.rs").contains(&line), "{line}");
}
