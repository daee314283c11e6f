//! Does what people read and paste fit what is there?
//!
//! tests/contract.rs holds the tables to the contract. Here: every workflow that people copy, every link that they
//! follow, every command that they type.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use serde_json::Value;

/// A workflow that people copy, or that act runs, and where it stands.
struct Workflow {
    place: String,
    yaml: Value,
}

/// A workflow's step that uses one of our actions, and which.
struct Ours<'a> {
    step: &'a Value,
    action: Value,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The files of a folder with one of these endings, relative to the repository.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let folder = Path::new(folder);
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{error}"));
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| folder.join(entry.file_name()))
        .filter(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| endings.contains(&ending))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

/// The text of each fenced block in that language.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let starts = markdown.split(&fence).skip(1);
    starts
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

/// The pages that people read.
fn pages() -> Vec<PathBuf> {
    let folders = ["", ".github", "docs", "upload"];
    let pages = folders.iter().flat_map(|folder| files(folder, &["md"]));
    pages.collect()
}

/// What `examples/workflows/` and the pages show, and what act runs. A part of a workflow is made whole.
fn workflows() -> Vec<Workflow> {
    let folders = ["examples/workflows", "tests/act"];
    let whole = folders.iter().flat_map(|folder| files(folder, &["yml"]));
    let whole = whole.map(|path| Workflow {
        place: path.display().to_string(),
        yaml: yaml(&read(&path)),
    });
    let blocks = pages().into_iter().flat_map(|page| {
        let blocks = blocks(&read(&page), "yaml").into_iter();
        blocks.map(move |block| (page.display().to_string(), block))
    });
    let shown = blocks.map(|(page, block)| {
        let yaml = match yaml(&block) {
            steps @ Value::Array(_) => serde_json::json!({"jobs": {"part": {"steps": steps}}}),
            job if job["jobs"].is_null() => serde_json::json!({"jobs": {"part": job}}),
            whole => whole,
        };
        Workflow {
            place: format!("{page}:\n{block}"),
            yaml,
        }
    });
    whole.chain(shown).collect()
}

impl Workflow {
    fn jobs(&self) -> impl Iterator<Item = (&String, &Value)> {
        let jobs = self.yaml["jobs"].as_object();
        jobs.unwrap_or_else(|| panic!("no jobs: {}", self.place))
            .iter()
    }
}

fn steps(job: &Value) -> &[Value] {
    job["steps"].as_array().map_or(&[], Vec::as_slice)
}

fn ours(job: &Value) -> Vec<Ours<'_>> {
    let action = |step: &Value| match step["uses"].as_str()? {
        "./" => Some("action.yml"),
        "./upload" => Some("upload/action.yml"),
        name if name.starts_with("OWNER/REPO@") => Some("action.yml"),
        name if name.starts_with("OWNER/REPO/upload@") => Some("upload/action.yml"),
        name => {
            assert!(!name.contains("OWNER/REPO"), "{name}");
            None
        }
    };
    let ours = steps(job).iter().filter_map(|step| {
        Some(Ours {
            action: yaml(&read(action(step)?)),
            step,
        })
    });
    ours.collect()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    let keys = object.as_object().map(|object| object.keys());
    keys.into_iter().flatten().map(String::as_str).collect()
}

impl Ours<'_> {
    fn is_upload(&self) -> bool {
        self.action["outputs"]["app-hash"].is_object()
    }

    fn input(&self, name: &str) -> Option<String> {
        let given = &self.step["with"][name];
        let value = if given.is_null() {
            &self.action["inputs"][name]["default"]
        } else {
            given
        };
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// Every `steps.ID.outputs.NAME` or `needs.JOB.outputs.NAME` of a text.
fn references<'a>(text: &'a str, context: &str) -> Vec<(&'a str, &'a str)> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let mut found = Vec::new();
    for rest in text.split(&format!("{context}.")).skip(1) {
        let Some((id, rest)) = rest.split_once('.') else {
            continue;
        };
        if id.contains(word) {
            continue;
        }
        let name = rest.strip_prefix("outputs.").unwrap_or_default();
        found.push((id, name.split(word).next().unwrap_or_default()));
    }
    found
}

/// Every `[text](target)` and `src="target"` of a page.
fn links(markdown: &str) -> Vec<String> {
    let targets = |start: &str, end: char| -> Vec<String> {
        let starts = markdown.split(start).skip(1);
        let targets = starts.filter_map(|rest| Some(rest.split_once(end)?.0.to_owned()));
        targets.collect()
    };
    [
        targets("](", ')'),
        targets("src=\"", '"'),
        targets("srcset=\"", '"'),
    ]
    .concat()
}

/// The anchor that GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let text: String = heading.trim().chars().filter(kept).collect();
    text.to_lowercase().replace(' ', "-")
}

fn anchors(markdown: &str) -> BTreeSet<String> {
    let mut code = false;
    let mut anchors = BTreeSet::new();
    for line in markdown.lines() {
        code ^= line.starts_with("```");
        if !code && line.starts_with('#') {
            anchors.insert(anchor(line.trim_start_matches('#')));
        }
    }
    anchors
}

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for page in pages() {
        let text = read(&page);
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            let (path, wanted) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap_or(Path::new("")).join(path),
            };
            let at = format!("{link} in {}", page.display());
            assert!(root().join(&target).exists(), "{at}");
            if !wanted.is_empty() {
                assert!(anchors(&read(&target)).contains(wanted), "{at}");
            }
            seen += 1;
        }
    }
    assert!(seen > 5);
}

#[test]
fn every_recipe_is_linked_from_the_readme() {
    let links = links(&read("README.md"));
    let mut recipes = files("examples/workflows", &["yml"]);
    recipes.extend(files("examples", &["yml", "sh"]));
    for recipe in recipes {
        let path = recipe.display().to_string();
        assert!(links.contains(&path), "{path}");
    }
}

#[test]
fn the_readme_shows_the_recipe_for_android() {
    let recipe = read("examples/workflows/android.yml");
    let comment = |line: &&str| line.starts_with('#');
    let recipe: String = recipe.split_inclusive('\n').skip_while(comment).collect();

    assert!(blocks(&read("README.md"), "yaml").contains(&recipe));
}

/// The rows of the first table under a heading, without its head.
fn table(markdown: &str, heading: &str) -> Vec<Vec<String>> {
    let under = markdown.lines().skip_while(|line| *line != heading);
    let rows = under.skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| -> Vec<String> {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let rows: Vec<Vec<String>> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "{heading}");
    rows
}

/// The program's text without its tests, and without the line breaks inside of string literals.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{error}")) {
        let path = entry.unwrap_or_else(|error| panic!("{error}")).path();
        if path.ends_with("src/tests") {
            continue;
        }
        if path.is_dir() {
            text.push_str(&sources(&path));
            continue;
        }
        let source = read(path);
        let code = source.split("#[cfg(test)]\nmod tests").next();
        let mut parts = code.unwrap_or_default().split("\\\n");
        text.push_str(parts.next().unwrap_or_default());
        parts.for_each(|part| text.push_str(part.trim_start()));
    }
    text
}

/// The messages that people look up, each with the row that it is in: the most common in the README, the others in
/// docs/behaviour.md.
fn troubleshooting() -> Vec<(String, Vec<String>)> {
    let places = [
        ("README.md", "## Troubleshooting"),
        ("docs/behaviour.md", "## More messages"),
    ];
    let rows = places.map(|(page, heading)| table(&read(page), heading));
    let messages = |row: Vec<String>| {
        // A row may quote several wordings, and nothing else.
        let text = row.first().cloned().unwrap_or_default();
        let parts: Vec<&str> = text.trim_start_matches("GitHub: ").split('`').collect();
        for between in parts.iter().step_by(2) {
            assert!(matches!(*between, "" | ", "), "{row:?}");
        }
        let messages = parts.iter().skip(1).step_by(2);
        let messages: Vec<String> = messages.map(|message| (*message).to_owned()).collect();
        assert!(!messages.is_empty(), "{row:?}");
        (text, messages)
    };
    rows.concat().into_iter().map(messages).collect()
}

/// People find a message of the log under troubleshooting only if both are spelled the same.
#[test]
fn messages_under_troubleshooting_are_those_of_the_program() {
    let sources = sources(&root().join("src"));
    for (row, messages) in troubleshooting() {
        if row.starts_with("GitHub: ") {
            continue;
        }
        for message in messages {
            for part in message.split('…') {
                // A number is filled in.
                let part = part.trim_end_matches(|c: char| c.is_ascii_digit());
                assert!(sources.contains(part), "nothing says {part:?}");
            }
        }
    }
}

/// The other way round for the doubt that people can prevent: no wording of it is left out.
#[test]
fn every_doubt_about_whose_run_it_is_is_under_troubleshooting() {
    let messages: Vec<String> = troubleshooting()
        .into_iter()
        .flat_map(|(_, messages)| messages)
        .collect();
    let sources = sources(&root().join("src"));
    let code = sources
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut seen = 0;
    for said in code.filter(|line| line.contains("may belong to")) {
        let quoted = messages.iter().any(|message| said.contains(message));
        assert!(quoted, "{said}");
        seen += 1;
    }
    assert!(seen > 5);
}

/// Whoever opens a firewall goes by this page.
#[test]
fn every_call_is_named() {
    let page = read("docs/apis.md");
    let mut seen = 0;
    for file in files("src/sofy", &["rs"]) {
        let source = read(file);
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let paths = code.lines().filter(|line| line.contains("&str = \"/"));
        for path in paths.filter_map(|line| line.split('"').nth(1)) {
            assert!(page.contains(path), "{path} is missing");
            seen += 1;
        }
    }
    assert!(seen > 3);
}

/// The commands of a text, one a line or in backticks, without what differs between a person and CI: `--locked`,
/// variables in front, and the two spellings of `-D`.
fn commands(text: &str) -> BTreeSet<String> {
    let lines = text.lines().flat_map(|line| {
        let line = line.trim().trim_start_matches("run: ");
        [line].into_iter().chain(line.split('`').skip(1).step_by(2))
    });
    let words = lines.map(|line| {
        let words = line
            .split(" #")
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let words = words.skip_while(|word| word.contains('=') || word.ends_with("warnings\""));
        let words: Vec<&str> = words.filter(|word| *word != "--locked").collect();
        words.join(" ").replace("--deny", "-D")
    });
    // `.ci/` has folders too, which nobody runs.
    let script = |command: &str| {
        let name = command.split(' ').next().unwrap_or_default();
        name.starts_with(".ci/") && root().join(name).is_file()
    };
    let ours = |command: &String| command.starts_with("cargo ") || script(command);
    words.filter(ours).collect()
}

/// A command that nobody runs is soon wrong.
#[test]
fn commands_that_people_type_are_those_that_ci_runs() {
    // What takes minutes or hours, and is for people to read; a server that goes on, and what talks to it; and what
    // writes Cargo.lock.
    const FOR_PEOPLE: [&str; 20] = [
        ".ci/fuzz",
        "cargo bench --bench pace",
        "cargo +nightly fuzz run answers",
        "cargo fuzz run -s none answers",
        "cargo install cargo-fuzz@0.13.2",
        "cargo install cargo-mutants@27.1.0",
        "cargo mutants --in-place --file src/gate/trigger.rs",
        "cargo test --lib attribution",
        "cargo test --no-fail-fast",
        "cargo test --release fuzz",
        "cargo test --test documents",
        "cargo test --test gate -- --ignored",
        "cargo test --test gate wire",
        "cargo test --test gate worlds",
        "cargo test fuzz",
        "cargo test simulation",
        "cargo run --example fake_sofy -- --listen 127.0.0.1:8080",
        "cargo run",
        "cargo check",
        "cargo test golden",
    ];
    let run = commands(&read(".ci/run"));
    let workflow = commands(&read(".github/workflows/ci.yml"));
    let shown = commands(
        &["README.md", ".github/CONTRIBUTING.md", "docs/testing.md"]
            .map(read)
            .concat(),
    );
    assert!(run.len() > 5 && shown.len() > 5, "{run:?} {shown:?}");

    for command in shown {
        let (name, _) = command.split_once(' ').unwrap_or((&command, ""));
        let known = run.contains(&command)
            || name != "cargo" && run.iter().any(|run| run.starts_with(name))
            || name == ".ci/run"
            || FOR_PEOPLE.contains(&command.as_str());
        assert!(known, "{command} is not in .ci/run");
    }
    for command in run.iter().filter(|command| command.starts_with("cargo ")) {
        assert!(
            workflow.contains(command),
            "{command} is not in ci.yml: {workflow:?}"
        );
    }
}

#[test]
fn workflows_use_inputs_that_exist_and_all_that_are_required() {
    for workflow in workflows() {
        for ours in workflow.jobs().flat_map(|(_, job)| ours(job)) {
            // A line that shows how to pin, and nothing else.
            if ours.step["with"].is_null() && workflow.place.contains("40-hex SHA") {
                continue;
            }
            let given = keys(&ours.step["with"]);
            let known = keys(&ours.action["inputs"]);
            assert!(given.is_subset(&known), "{given:?} in {}", workflow.place);
            for name in &known {
                let required = ours.action["inputs"][name]["required"] == true;
                assert!(
                    !required || given.contains(name),
                    "{name} is missing in {}",
                    workflow.place
                );
            }
        }
    }
}

#[test]
fn workflows_refer_to_steps_jobs_and_outputs_that_exist() {
    for workflow in workflows() {
        for (name, job) in workflow.jobs() {
            let at = format!("job {name} of {}", workflow.place);
            let text = job.to_string();
            for (id, output) in references(&text, "steps") {
                let found = steps(job).iter().any(|step| step["id"] == id);
                assert!(found, "no step {id} in {at}");
                for ours in ours(job).iter().filter(|ours| ours.step["id"] == id) {
                    let known = keys(&ours.action["outputs"]);
                    let fits = output.is_empty() || known.contains(output);
                    assert!(fits, "no output {output} in {at}");
                }
            }
            let needs = match &job["needs"] {
                Value::String(one) => vec![one.clone()],
                many => many
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|need| need.as_str().map(str::to_owned))
                    .collect(),
            };
            for (id, output) in references(&text, "needs") {
                assert!(needs.contains(&id.to_owned()), "{id} is not needed by {at}");
                let known = keys(&workflow.yaml["jobs"][id]["outputs"]);
                let fits = output.is_empty() || known.contains(output);
                assert!(fits, "job {id} has no output {output}, wanted in {at}");
            }
        }
    }
}

#[test]
fn where_a_build_was_uploaded_the_gate_refuses_a_blank_hash() {
    let mut seen = 0;
    let copied = |workflow: &Workflow| !workflow.place.starts_with("tests/");
    for workflow in workflows().into_iter().filter(copied) {
        let all: Vec<Ours> = workflow.jobs().flat_map(|(_, job)| ours(job)).collect();
        if !all.iter().any(Ours::is_upload) {
            continue;
        }
        for gate in all.iter().filter(|ours| !ours.is_upload()) {
            seen += 1;
            assert!(gate.input("app-hash").is_some(), "{}", workflow.place);
            let required = gate.input("require-app-hash");
            assert_eq!(required.as_deref(), Some("true"), "{}", workflow.place);
        }
    }
    assert!(seen > 0);
}

/// GitHub cuts a job off without a word; the step says why, and what to do.
#[test]
fn a_job_has_more_time_than_its_steps() {
    for workflow in workflows() {
        for (name, job) in workflow.jobs() {
            let Some(minutes) = job["timeout-minutes"].as_i64() else {
                continue;
            };
            let waiting = ours(job).into_iter().filter(|ours| {
                ours.is_upload() || ours.input("wait").is_some_and(|wait| wait == "true")
            });
            let timeouts: SignedDuration = waiting
                .map(|ours| {
                    let timeout = ours.input("timeout").unwrap_or_default();
                    timeout
                        .parse::<SignedDuration>()
                        .unwrap_or_else(|error| panic!("{timeout}: {error}"))
                })
                .sum();
            assert!(
                SignedDuration::from_mins(minutes) > timeouts,
                "job {name} of {}: {minutes} minutes for {timeouts:#}",
                workflow.place
            );
        }
    }
}

/// The schema knows the values of `queue`; that GitHub refuses the pair, it does not know.
#[test]
fn no_workflow_queues_and_cancels_at_once() {
    for workflow in workflows() {
        let jobs = workflow.jobs().map(|(_, job)| job);
        for concurrency in jobs
            .chain([&workflow.yaml])
            .map(|place| &place["concurrency"])
        {
            let queues = concurrency["queue"] == "max";
            let cancels = !matches!(
                concurrency["cancel-in-progress"],
                Value::Null | Value::Bool(false)
            );
            assert!(!(queues && cancels), "{}", workflow.place);
        }
    }
}
