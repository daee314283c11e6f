//! How does the environment become values? Inputs by their names, and every problem at once.
//!
//! Pure: takes the environment as pairs.

use std::collections::BTreeMap;

use crate::secret::ApiKey;

/// Stands in a text for bytes that are not UTF-8.
const NOT_UTF_8: char = char::REPLACEMENT_CHARACTER;

/// Reads inputs, and notes each problem with the name of its input.
pub(crate) struct Reader {
    values: BTreeMap<String, String>,
    key: Option<ApiKey>,
    /// A name with an underscore that is not read, because others have hyphens.
    ignored: Vec<String>,
    problems: Vec<(&'static str, String)>,
}

impl Reader {
    /// Takes the inputs from the environment; blank ones are absent.
    ///
    /// The runner keeps hyphens (`INPUT_SCHEDULE-ID`) and sets every input of action.yml, blank ones included.
    /// Shells cannot set such a name, so underscores are read too, but only if there is no hyphen: a variable
    /// that an earlier step wrote must not become an input.
    pub(crate) fn new(env: &[(String, String)]) -> Self {
        let is_input = |name: &str| name.starts_with("INPUT_") && name == name.to_uppercase();
        let inputs = || env.iter().filter(|(name, _)| is_input(name));
        let hyphens = inputs().any(|(name, _)| name.contains('-'));
        let (ignored, read): (Vec<_>, Vec<_>) = inputs()
            .cloned()
            .partition(|(name, _)| hyphens && name[6..].contains('_'));
        let read: BTreeMap<String, String> =
            envy::prefixed("INPUT_").from_iter(read).unwrap_or_default();
        let values: BTreeMap<String, String> = read
            .into_iter()
            .map(|(name, value)| (name.replace('_', "-"), value.trim().to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let is_given = |(_, value): &(String, String)| !value.trim().is_empty();
        Self {
            key: values.get("api-key").cloned().map(ApiKey::new),
            values,
            ignored: ignored
                .into_iter()
                .filter(is_given)
                .map(|(name, _)| name)
                .collect(),
            problems: Vec::new(),
        }
    }

    /// The key alone, so that it can be masked before anything else is said.
    pub(crate) const fn key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// Tells whether an input is given, whatever it is.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Reads an input that may be absent.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.values.get(name)?;
        let is_leak = name != "api-key" && self.key.as_ref().is_some_and(|key| key.is_in(value));
        let parsed = if is_leak {
            Err("contains the API key. Pass it only as `api-key`; if it was exposed, replace it in Sofy.".to_owned())
        } else if value.contains(NOT_UTF_8) {
            Err(
                "is not valid UTF-8. Write it again without the characters that cannot be read."
                    .to_owned(),
            )
        } else {
            parse(value)
        };
        parsed.map_err(|problem| self.problem(name, problem)).ok()
    }

    /// Reads an input that has a default.
    pub(crate) fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.optional(name, parse).unwrap_or(default)
    }

    /// Reads an input that must not be absent; `advice` says what to do if it is.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        advice: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.is_given(name) {
            let variable = format!("INPUT_{}", name.to_uppercase().replace('-', "_"));
            let ignored = if self.ignored.contains(&variable) {
                format!(
                    " {variable} is set, but not read: another INPUT_ variable has a name with a hyphen, as the \
                     runner writes them, so perhaps an earlier step set one of them."
                )
            } else {
                String::new()
            };
            self.problem(name, format!("is missing or blank. {advice}{ignored}"));
        }
        self.optional(name, parse)
    }

    /// Notes a problem of one input.
    pub(crate) fn problem(&mut self, name: &'static str, problem: impl Into<String>) {
        self.problems.push((name, problem.into()));
    }

    /// Notes a problem if it is one.
    pub(crate) fn conflict(&mut self, is_one: bool, name: &'static str, problem: &str) {
        if is_one {
            self.problem(name, problem);
        }
    }

    /// Gives what was understood if nothing is wrong, or every problem.
    pub(crate) fn finish<T>(self, understood: Option<T>) -> Result<T, Vec<String>> {
        match understood {
            Some(understood) if self.problems.is_empty() => Ok(understood),
            Some(_) | None => {
                let problems = self.problems.into_iter();
                Err(problems
                    .map(|(name, problem)| format!("`{name}` {problem}"))
                    .collect())
            }
        }
    }
}

/// A value in quotes. A long one is only counted: it may be a novel, or begin with a secret.
pub(crate) fn quoted(text: &str) -> String {
    match text.chars().count() {
        n if n > 60 => format!("(a text of {n} characters)"),
        _ => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(pairs: &[(&str, &str)]) -> Reader {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Reader::new(&pairs.iter().map(pair).collect::<Vec<_>>())
    }

    #[test]
    fn underscores_are_read_only_where_there_is_no_hyphen() {
        let url = ("INPUT_API_URL", "https://elsewhere");
        for (pairs, expected, why) in [
            (&[url][..], Some("https://elsewhere"), "a shell"),
            (
                &[url, ("INPUT_WAIT", "true")],
                Some("https://elsewhere"),
                "a name without either",
            ),
            (&[url, ("INPUT_SCHEDULE-ID", "7")], None, "the runner"),
            (&[url, ("INPUT_API-URL", "")], None, "the runner, blank"),
            (
                &[url, ("INPUT_NO-SUCH", "")],
                None,
                "a name that nobody knows",
            ),
            (
                &[("INPUT_API-URL", "https://a"), url],
                Some("https://a"),
                "both",
            ),
            (
                &[("INPUT_api_url", "https://a")],
                None,
                "not as the runner writes it",
            ),
        ] {
            let value = reader(pairs).optional("api-url", |text| Ok(text.to_owned()));

            assert_eq!(value.as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn a_variable_that_is_not_read_is_named_where_its_input_is_missing() {
        let pairs = [("INPUT_API_KEY", "a-key"), ("INPUT_API-URL", "")];
        let mut reader = reader(&pairs);

        let key = reader.required("api-key", "Copy it.", |text| Ok(text.to_owned()));

        let problems = reader.finish(key).expect_err("no key");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("`api-key` is missing or blank. Copy it. INPUT_API_KEY"));
        assert!(!problems[0].contains("a-key"));
    }

    #[test]
    fn a_value_that_cannot_be_read_or_has_the_key_is_a_problem_and_not_quoted() {
        for (value, words) in [
            ("4dde\u{fffd}0684", "is not valid UTF-8"),
            ("x-A-KEY-OF-SOFY", "contains the API key"),
            ("a%2Dkey%2dof&#45;sofy", "contains the API key"),
        ] {
            let mut reader = reader(&[("INPUT_API-KEY", "a-key-of-sofy"), ("INPUT_TITLE", value)]);

            let title = reader.optional("title", |text| Ok(text.to_owned()));

            let problems = reader.finish(title).expect_err(words);
            assert_eq!(problems.len(), 1);
            assert!(
                problems[0].starts_with(&format!("`title` {words}")),
                "{problems:?}"
            );
            assert!(!problems[0].contains(value));
        }
    }
}
