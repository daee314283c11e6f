//! Which promises hold for any input? `properties` states them, and proptest and libFuzzer try to break them.
//!
//! proptest draws its data in `cargo test fuzz`; libFuzzer calls the functions below from the targets in `fuzz/`, which
//! `.ci/fuzz` runs. What they find becomes a row of a table next to the code or a file in `fuzz/seeds`, which
//! `cargo test` also reads. docs/testing.md has the breakages that they notice.

#[cfg(test)]
mod generated;
mod properties;

use properties::Answer;

/// What ends one text of several: no byte of UTF-8.
const END: u8 = 0xff;

/// Plays an answer to every call that a gate makes. The bytes are as HTTP has them: a line that begins with the status,
/// headers, an empty line, the body; or a body alone.
pub fn answers(bytes: &[u8]) {
    properties::answers(&answer(bytes));
}

/// Plays an answer to every call that an upload makes.
pub fn uploads(bytes: &[u8]) {
    properties::uploads(&answer(bytes));
}

/// Gives the inputs to a gate and to an upload, each as `NAME=value`.
pub fn inputs(bytes: &[u8]) {
    let texts = texts(bytes);
    properties::inputs(texts.iter().filter_map(|text| text.split_once('=')));
}

/// Gives a text to the post step, and as the input `results-after` to a later one.
pub fn state(bytes: &[u8]) {
    for text in texts(bytes) {
        properties::state(&text);
        properties::results_after(&text);
        if let Some((schedule, group)) = text.split_once(' ') {
            properties::saved_state(schedule, group);
        }
    }
}

/// Makes a report of texts, nine about the whole and four for each test run, and renders it in every way.
pub fn reports(bytes: &[u8]) {
    let mut texts = texts(bytes).into_iter();
    let mut next = || texts.next().unwrap_or_default();
    let whole = std::array::from_fn(|_| next());
    let rows = bytes.split(|byte| *byte == END).count().saturating_sub(9) / 4;
    let rows: Vec<[String; 4]> = (0..rows).map(|_| std::array::from_fn(|_| next())).collect();
    properties::report(&whole, &rows);
}

fn texts(bytes: &[u8]) -> Vec<String> {
    let texts = bytes.split(|byte| *byte == END);
    texts
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect()
}

fn answer(bytes: &[u8]) -> Answer {
    let head = bytes.windows(2).position(|two| two == b"\n\n");
    let mut lines = bytes[..head.unwrap_or(0)].split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|line| {
        let digits = line.get(..3)?;
        str::from_utf8(digits).ok()?.parse().ok()
    });
    let (Some(head), Some(status)) = (head, status) else {
        return Answer::new(200, bytes.to_vec());
    };
    lines.fold(
        Answer::new(status, bytes[head + 2..].to_vec()),
        |answer, line| {
            let colon = line.iter().position(|byte| *byte == b':');
            colon.map_or(answer.clone(), |colon| {
                answer.with(&line[..colon], line[colon + 1..].trim_ascii())
            })
        },
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The files are what a target starts from, and what it has found.
    fn holds_for_its_seeds(name: &str, target: fn(&[u8])) {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let mut files = 0;
        for file in fs::read_dir(seeds.join(name)).expect(name) {
            let path = file.expect("a file").path();
            println!("{}", path.display());
            target(&fs::read(&path).expect("bytes"));
            files += 1;
        }
        assert!(files > 0, "{name}");
    }

    #[test]
    fn every_property_holds_for_its_seeds() {
        holds_for_its_seeds("answers", super::answers);
        holds_for_its_seeds("uploads", super::uploads);
        holds_for_its_seeds("inputs", super::inputs);
        holds_for_its_seeds("state", super::state);
        holds_for_its_seeds("reports", super::reports);
    }
}
