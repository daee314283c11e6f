//! How does the environment become values? Inputs by their names, and every problem at once.
//!
//! Pure: takes the environment as pairs.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::secret::ApiKey;
use crate::text::value_of;

const LEAK: &str =
    "contains the API key. Pass it only as `api-key`; if it was exposed, replace it in Sofy.";
const NOT_UTF_8: &str = "is not valid UTF-8. Write it again without what cannot be read.";

/// Reads a value, or says what is wrong with it.
pub(crate) trait Parse<T>: FnOnce(&str) -> Result<T, String> {}
impl<T, F: FnOnce(&str) -> Result<T, String>> Parse<T> for F {}

/// Reads inputs, and notes each problem with the name of its input.
pub(crate) struct Reader<'env> {
    env: &'env [(String, String)],
    values: BTreeMap<String, String>,
    /// Alone, so that it can be masked before anything else is said.
    pub(super) key: Option<ApiKey>,
    problems: Vec<String>,
}

impl<'env> Reader<'env> {
    /// Takes the inputs from the environment; blank ones are absent.
    ///
    /// The runner keeps hyphens (`INPUT_SCHEDULE-ID`) and sets every input of action.yml, blank ones included.
    /// Shells cannot set such a name, so underscores are read too, but only if there is no hyphen: a variable
    /// that an earlier step wrote must not become an input.
    pub(crate) fn new(env: &'env [(String, String)]) -> Self {
        let inputs = || env.iter().filter(|(name, _)| name.starts_with("INPUT_"));
        let hyphens = inputs().any(|(name, _)| name.contains('-'));
        let is_shell = |name: &str| hyphens && name[6..].contains('_');
        let read = inputs().filter(|(name, _)| *name == name.to_uppercase() && !is_shell(name));
        let read = envy::prefixed("INPUT_").from_iter::<_, BTreeMap<String, String>>(read.cloned());
        let read = read.unwrap_or_default().into_iter();
        let read = read.map(|(name, value)| (name.replace('_', "-"), value.trim().to_owned()));
        let values: BTreeMap<_, _> = read.filter(|(_, value)| !value.is_empty()).collect();
        Self {
            env,
            key: values.get("api-key").cloned().map(ApiKey::new),
            values,
            problems: Vec::new(),
        }
    }

    /// Forgets every input but these.
    pub(crate) fn only(mut self, names: &[&str]) -> Self {
        self.values.retain(|name, _| names.contains(&name.as_str()));
        self
    }

    /// Gives a variable that is not an input; empty if it is not set.
    pub(crate) fn variable(&self, name: &str) -> &'env str {
        value_of(self.env, name)
    }

    /// Tells whether an input is given, whatever it is.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Reads an input that may be absent.
    pub(crate) fn optional<T>(&mut self, name: &str, parse: impl Parse<T>) -> Option<T> {
        let value = self.values.get(name)?;
        let is_leak = name != "api-key" && self.key.as_ref().is_some_and(|key| key.is_in(value));
        let parsed = match value {
            _ if is_leak => Err(LEAK.to_owned()),
            value if value.contains(char::REPLACEMENT_CHARACTER) => Err(NOT_UTF_8.to_owned()),
            value => parse(value),
        };
        parsed.map_err(|problem| self.problem(name, problem)).ok()
    }

    /// Reads an input that has a default.
    pub(crate) fn or<T>(&mut self, name: &str, default: T, parse: impl Parse<T>) -> T {
        self.optional(name, parse).unwrap_or(default)
    }

    /// Reads an input that must not be absent; `hint` says what to do if it is.
    pub(crate) fn required<T>(&mut self, name: &str, hint: &str, read: impl Parse<T>) -> Option<T> {
        if !self.is_given(name) {
            self.problem(name, format!("is missing or blank. {hint}"));
        }
        self.optional(name, read)
    }

    /// Notes a problem of one input.
    pub(crate) fn problem(&mut self, name: &str, problem: impl Display) {
        self.problems.push(format!("`{name}` {problem}"));
    }

    /// Notes a problem if it is one.
    pub(crate) fn conflict(&mut self, is_one: bool, name: &str, problem: &str) {
        if is_one {
            self.problem(name, problem);
        }
    }

    /// Gives what was understood if nothing is wrong, or every problem.
    pub(crate) fn finish<T>(self, understood: Option<T>) -> Result<T, Vec<String>> {
        let is_good = self.problems.is_empty();
        understood.filter(|_| is_good).ok_or(self.problems)
    }
}

/// Makes a parser that names the value which another one does not take, and says what is wrong with it.
pub(crate) fn or_wrong<T>(parse: impl FnOnce(&str) -> Option<T>, what: &str) -> impl Parse<T> {
    move |text: &str| parse(text).ok_or_else(|| wrong(text, what))
}

/// Names a value, and says what is wrong with it.
pub(crate) fn wrong(text: &str, what: &str) -> String {
    format!("is {}, which {what}", quoted(text))
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

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(pair).collect()
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
                &[url, ("INPUT_no-such", "")],
                None,
                "a hyphen in any name, whoever wrote it",
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
            let env = environment(pairs);
            let value = Reader::new(&env).optional("api-url", |text| Ok(text.to_owned()));

            assert_eq!(value.as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn a_variable_that_is_not_read_is_not_an_input() {
        let env = environment(&[("INPUT_API_KEY", "a-key"), ("INPUT_API-URL", "")]);
        let mut reader = Reader::new(&env);

        let key = reader.required("api-key", "Copy it.", |text| Ok(text.to_owned()));

        let problems = reader.finish(key).expect_err("no key");
        assert_eq!(problems, ["`api-key` is missing or blank. Copy it."]);
    }

    #[test]
    fn a_value_that_cannot_be_read_or_has_the_key_is_a_problem_and_not_quoted() {
        for (value, words) in [
            ("4dde\u{fffd}0684", "is not valid UTF-8"),
            ("x-A-KEY-OF-SOFY", "contains the API key"),
            ("a%2Dkey%2dof&#45;sofy", "contains the API key"),
        ] {
            let env = environment(&[("INPUT_API-KEY", "a-key-of-sofy"), ("INPUT_TITLE", value)]);
            let mut reader = Reader::new(&env);

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
