//! What does the runner make of a file of outputs or state? Shared by the tests and the demo.

/// Reads pairs by the runner's grammar; the last of a name wins.
pub(crate) fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut lines = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .split_inclusive('\n');
    while let Some(line) = lines.next() {
        let line = line.strip_suffix('\n').unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let equals = line.find('=').unwrap_or(usize::MAX);
        let heredoc = line.find("<<").unwrap_or(usize::MAX);
        let (name, value) = if equals < heredoc {
            (&line[..equals], line[equals + 1..].to_owned())
        } else if heredoc < equals {
            let delimiter = &line[heredoc + 2..];
            if delimiter.is_empty() {
                return Err(format!("no delimiter: {line}"));
            }
            let mut value = String::new();
            loop {
                let line = lines.next().ok_or("Matching delimiter not found")?;
                if line.strip_suffix('\n').unwrap_or(line) == delimiter {
                    break;
                }
                if !line.ends_with('\n') {
                    return Err("EOF marker missing new line".to_owned());
                }
                value.push_str(line);
            }
            value.pop();
            (&line[..heredoc], value)
        } else {
            return Err(format!("invalid format: {line}"));
        };
        if name.is_empty() {
            return Err(format!("no name: {line}"));
        }
        pairs.retain(|(known, _)| known != name);
        pairs.push((name.to_owned(), value));
    }
    Ok(pairs)
}
