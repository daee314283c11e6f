//! Whatever comes in, does what goes out keep its promises? Answers, inputs, state and reports, from bytes to pages.
//!
//! `properties` says what must hold. What comes in is made up twice: by proptest, in `cargo test fuzz`, and by libFuzzer,
//! which goes by what it has reached in the code; `fuzz/` holds its targets, which call the functions below, and
//! `.ci/fuzz` runs them. What they find stays as a row of a table beside the code, or as a file in `fuzz/seeds`, which
//! `cargo test` reads too.
//!
//! What was broken on purpose, one at a time, and after how many executions a target noticed it, without the seeds that
//! were made for it. An idle core does 600 executions a second of `answers`, and thousands of `inputs` and `state`. With
//! nothing broken, five minutes of each target found nothing.
//!
//! | broken | noticed after executions |
//! |---|---|
//! | nothing is redacted | `answers` 1,140, `uploads` 302 |
//! | the key is redacted in one spelling only | `answers` 1,383 |
//! | Sofy's words are quoted with the key in them | `answers` 1,172, `uploads` 453 |
//! | any text is the ID of a group | `answers` 3 |
//! | four bytes of an escape are taken for four letters | `answers` 871 |
//! | a hash may hold control characters | `uploads` 3,051 |
//! | outputs have a delimiter that is known | `reports` 28,995 |
//! | the XML keeps control characters; U+FFFE; `##[` | `reports` 264; 70; 300 |
//! | a printed line keeps control characters; `##[` | `reports` 15; 809 |
//! | a page keeps what people cannot see | `reports` 18 |
//! | a status that we do not know has passed | `reports` 12 |
//! | a state is read leniently; with any text for its group | `state` 5; 183 |
//! | `results-after` is written without the attempt | `state` 131,452 |
//! | an input may hold the key | `inputs` 4,088 |
//! | plain `http` goes anywhere | `inputs` 85 |
//! | any pause between two looks is taken | `inputs` 64,427 |
//! | a path may leave the workspace | `inputs` 739,111, two minutes |
//!
//! What none found within two minutes, and a seed shows at once: a key behind escapes that is not looked for in the
//! fields, the status or the time of a row, in a listed build or in a hash; a text of any length, and a parser's words of
//! any length; a `Retry-After` that is over already.

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
