//! What does an answer of Sofy's say? Read leniently, quoted without the key, classified by what may have happened.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::StatusCode;
use reqwest::header::{AGE, DATE, HeaderMap, HeaderName, HeaderValue, LINK, RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::api::{ClockReading, Rows};
use super::error::{ApiError, ErrorKind, Result};
use super::json::{self, List, Text};
use crate::model::{group_id::GroupId, test_run::Group, test_run::Row};
use crate::secret::ApiKey;

/// Enough of an answer to recognise it by.
const SNIPPET: usize = 200;
/// No name is longer; what is longer would swell every log line, output and page it stands in.
const LONGEST_TEXT: usize = 2_000;
/// Where the words of an answer are searched for: a page's styles and scripts come first, but not for longer.
const BEGINNING: usize = 64 * 1024;
/// Longer than any input `timeout`, so that nobody waits less, and short enough to add to any instant.
pub(super) const A_MONTH: Duration = Duration::from_hours(24 * 30);
const A_SECOND: Duration = Duration::from_secs(1);
/// What to do about a key that Sofy does not know.
pub(super) const CHECK_KEY: &str = "Copy `api-key` again from Account > API Key in Sofy.";

/// A row, and the name of its schedule.
pub(super) type NamedRow = (String, Row);

/// Gives every ID of a group that an entry has.
pub(super) type Ids<T> = fn(&T) -> Vec<&Text>;

/// An answer of Sofy's, whatever its status.
pub(crate) struct Answer {
    /// The call that it answers, for people.
    call: String,
    key: ApiKey,
    pub(super) status: StatusCode,
    pub(super) clock: ClockReading,
    retry_after: Option<Duration>,
    /// Its headers name a next page, or its status is 206, Partial Content.
    is_partial: bool,
    pub(crate) body: String,
}

impl Answer {
    /// An answer whose head has just come, without its body; the caller knows when the call was sent.
    pub(crate) fn new(call: &str, key: &ApiKey, status: StatusCode, headers: &HeaderMap) -> Self {
        let (now, date) = (Instant::now(), date(headers, DATE));
        let ages = headers.get_all(AGE).iter();
        let age = ages.map(|age| seconds(age).unwrap_or(A_SECOND)).max();
        Self {
            call: call.to_owned(),
            key: key.clone(),
            status,
            clock: ClockReading {
                sent_at: now,
                received_at: now,
                date,
                // Two dates are as little use as one from a cache.
                has_age: age.is_some() || headers.get_all(DATE).iter().count() > 1,
                age: age.unwrap_or_default(),
            },
            retry_after: retry_after(headers, date),
            is_partial: has_next_page(headers) || status == StatusCode::PARTIAL_CONTENT,
            body: String::new(),
        }
    }

    pub(super) fn successful(self) -> Result<Self> {
        match self.status.is_success() {
            true => Ok(self),
            false => Err(self.refusal()),
        }
    }

    /// Takes a text of Sofy's as ours: without the key, however it is spelled, and of a bounded length.
    ///
    /// In this order, for the rest of a key that is cut in two is a secret too.
    pub(super) fn text(&self, text: Text) -> String {
        self.key.redact_and_cut(&text.0, LONGEST_TEXT)
    }

    /// Takes the ID of a group; none if it cannot be one.
    pub(super) fn group_id(&self, text: &Text) -> Option<GroupId> {
        GroupId::named(&text.0).filter(|id| id.fits_an_address() && !self.key.is_in(id))
    }

    /// Reads a list leniently; `what` names it for people.
    pub(super) fn list(&self, what: &str) -> Result<List<'_>> {
        let mut list = json::list(&self.body).map_err(|error| self.cannot_be_read(what, &error))?;
        list.completeness.age = self.clock.age;
        let not_whole = &mut list.completeness.not_whole;
        let shown = |sign: String| self.key.redact_and_cut(&sign, SNIPPET);
        let said = not_whole.take().map(shown);
        let header = || "its headers or its status say so".to_owned();
        *not_whole = self.is_partial.then(header).or(said);
        Ok(list)
    }

    /// Tells whether it says that there is nothing to list, such as "No test runs found", instead of an empty list.
    ///
    /// Only these words: a gateway's "no route" says nothing of the list, and old rows would pass for this run's.
    pub(super) fn lists_none(&self) -> bool {
        const WORDS: &str = "test run runs group groups found yet";
        let is_list = says_something(&self.json().unwrap_or_default()["data"]);
        let words = self.words().unwrap_or_default().to_lowercase();
        let ends = [".", " for this schedule", " for this group"].iter();
        let words = ends.fold(&*words, |words, end| words.trim_end_matches(end));
        let is_known = |word| WORDS.split(' ').any(|known| known == word);
        let is_none = words.starts_with("no ") && words.split(' ').skip(1).all(is_known);
        matches!(self.status.as_u16(), 200 | 404) && !is_list && is_none
    }

    /// Tells whether all that it has is a list without an entry. What stands beside one may be an error.
    pub(super) fn is_only_empty(&self) -> bool {
        let json = self.json().unwrap_or_default();
        let mut members = json.as_object().into_iter().flat_map(Map::values);
        members.all(|value| !says_something(value))
    }

    /// Reads all that Sofy says in its own form, which is JSON; nothing else has to be large here.
    pub(super) fn json(&self) -> Option<Value> {
        let body = Some(&self.body).filter(|body| body.len() <= BEGINNING)?;
        let json = serde_json::from_str(body).ok()?;
        matches!(json, Value::Object(_) | Value::Array(_)).then_some(json)
    }

    /// Reads the list of test runs; one that cannot be read may be the one that failed.
    pub(super) fn rows<T: DeserializeOwned>(&self, row: fn(T, &Self) -> NamedRow) -> Result<Rows> {
        let what = "the list of test runs";
        let list = self.list(what)?;
        let mut rows = Rows {
            completeness: list.completeness.clone(),
            ..Rows::default()
        };
        for entry in list.read() {
            let entry = entry.map_err(|error| self.cannot_be_read(what, &error))?;
            let (schedule_name, row) = row(entry, self);
            if row.test_run.scenario.is_empty() && row.test_run.status.to_string().is_empty() {
                return Err(self.unreadable("the list contains something that is not a test run"));
            }
            if rows.list.is_empty() {
                rows.schedule_name = schedule_name;
            }
            rows.list.push(row);
        }
        Ok(rows)
    }

    /// The one status of a group, however often an answer lists it.
    pub(super) fn one_status(&self, mut statuses: Vec<Group>) -> Result<Group> {
        statuses.dedup_by(|one, other| one.verbatim == other.verbatim);
        statuses.iter_mut().for_each(|one| one.age = self.clock.age);
        match statuses.as_slice() {
            [one] if !one.verbatim.is_empty() => Ok(one.clone()),
            [] | [_] => Err(self.unreadable("it does not contain the group's status")),
            [_, _, ..] => Err(self.unreadable("it gives the group several statuses")),
        }
    }

    /// The groups that the answer to a trigger names, in its list or next to it, each once.
    pub(super) fn groups<T: DeserializeOwned>(&self, ids: Ids<T>) -> Result<Vec<GroupId>> {
        let list = json::list(&self.body).unwrap_or_default();
        let has_id = |entry: &T| ids(entry).iter().any(|id| self.group_id(id).is_some());
        // Of several entries, one without an ID may be another group.
        let is_alone = list.entries.len() == 1;
        let is_whole = is_alone || list.read().all(|entry| entry.as_ref().is_ok_and(has_id));
        let is_error = !is_whole || json::reports_an_error(&self.body);
        let listed = list.read().flatten();
        let entries: Vec<T> = listed.chain(json::object(&self.body)).collect();
        let named = entries.iter().flat_map(ids);
        let mut named: Vec<GroupId> = named.filter_map(|id| self.group_id(id)).collect();
        named.sort();
        named.dedup();
        match (self.status.is_success(), named.is_empty()) {
            (true, false) if !is_error => Ok(named),
            (true, true) => Err(self.unreadable("it names no test run group")),
            (false, true) => Err(self.refusal()),
            // Whatever its status or an error beside it means, a run may have started.
            (_, false) => Err(self.unreadable("it names a test run group")),
        }
    }

    pub(super) fn cannot_be_read(&self, what: &str, error: &serde_json::Error) -> ApiError {
        self.unreadable(&format!("{what} cannot be read ({error})"))
    }

    /// An answer that arrived but cannot be understood.
    pub(super) fn unreadable(&self, why: &str) -> ApiError {
        // The reason may quote what a parser decoded, of any length.
        let why = self.key.redact_and_cut(why, SNIPPET);
        let message = format!("Sofy answered {}, but {why}", self.said());
        self.error(ErrorKind::OutcomeUnknown, message)
    }

    /// A failure that the status of the answer states.
    pub(super) fn failure(&self, kind: ErrorKind) -> ApiError {
        let message = format!("Sofy answered {} {}", self.status.as_u16(), self.said());
        self.error(kind, message)
    }

    fn error(&self, kind: ErrorKind, message: String) -> ApiError {
        ApiError {
            call: self.call.clone(),
            retry_after: self.retry_after,
            ..ApiError::new(kind, message)
        }
    }

    /// Finds Sofy's own words, or the beginning of the answer, in quotes.
    pub(super) fn said(&self) -> String {
        let words = self.words().unwrap_or_else(|| {
            let beginning = self.key.redact_and_cut(&self.body, BEGINNING);
            without_tags(beginning.trim())
        });
        match self.key.redact_and_cut(&words, SNIPPET) {
            text if text.is_empty() => "with an empty body".to_owned(),
            text => format!("\"{text}\""),
        }
    }

    /// Finds what Sofy's errors say, each text once.
    fn words(&self) -> Option<String> {
        let json = self.json()?;
        let places = "/message /Message /error /error/message /error/details /details";
        let mut words = String::new();
        for place in places.split(' ') {
            let text = json.pointer(place).and_then(Value::as_str);
            let text = text.unwrap_or_default().trim();
            let same = text.trim_end_matches('.').to_lowercase();
            if !words.to_lowercase().contains(&same) {
                words = format!("{words} {text}");
            }
        }
        Some(words.trim().to_owned()).filter(|words| !words.is_empty())
    }

    /// Classifies an answer that is not a success by what may have happened.
    fn refusal(&self) -> ApiError {
        const REDIRECT: &str = "Check `api-url`: Sofy's answers redirect to another address. No redirect \
            is followed, because the key would go there too.";
        let said = self.said();
        let rejected = |advice: &str| self.failure(ErrorKind::Rejected).advise(advice);
        match self.status.as_u16() {
            401 => rejected(CHECK_KEY),
            403 => rejected("Check that the account of `api-key` may run this schedule."),
            404 => rejected("Check `schedule-id` and `api-url`."),
            429 => self.failure(ErrorKind::Busy),
            503 if self.retry_after.is_some() => self.failure(ErrorKind::Busy),
            408 => self.failure(ErrorKind::OutcomeUnknown),
            _ if said.contains("subscriptionAuth") => rejected(CHECK_KEY),
            400 if said.contains("expired") => rejected("Renew the subscription in Sofy."),
            400..500 => self.failure(ErrorKind::Rejected),
            300..400 => self.failure(ErrorKind::OutcomeUnknown).advise(REDIRECT),
            // Perhaps a gateway that has trouble for a minute.
            _ => self.failure(ErrorKind::OutcomeUnknown),
        }
    }
}

/// Reads the delay of `Retry-After`. A date is measured by the server's own clock, never by ours.
fn retry_after(headers: &HeaderMap, now: Option<Timestamp>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?;
    let left = || Some(date(headers, RETRY_AFTER)?.duration_since(now?));
    let until = || Some(Duration::try_from(left()?).unwrap_or_default());
    let pause = seconds(value).or_else(until).unwrap_or(60 * A_SECOND);
    Some(pause.min(A_MONTH))
}

/// Reads a number of seconds; more than can be added to a time are a month.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let is_number = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let seconds = || text.parse().map_or(A_MONTH, Duration::from_secs);
    is_number.then(seconds).map(|seconds| seconds.min(A_MONTH))
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    let texts = headers.get_all(name).iter().flat_map(HeaderValue::to_str);
    let dates = texts.flat_map(rfc2822::parse);
    dates.map(|date| date.timestamp()).max()
}

/// Tells whether a header `Link` has `rel="next"`.
fn has_next_page(headers: &HeaderMap) -> bool {
    let links = headers.get_all(LINK).iter().map(HeaderValue::as_bytes);
    let parts = links.flat_map(|links| links.split(|byte| b";,".contains(byte)));
    parts.map(String::from_utf8_lossy).any(|part| {
        let part = part.to_lowercase();
        let words = part.split(['=', '"', '\'', ' ', '\t']);
        let mut words = words.filter(|word| !word.is_empty());
        words.next() == Some("rel") && words.any(|word| word == "next")
    })
}

/// Tells whether a member of an answer says more than that there is nothing, and that this is no error.
fn says_something(value: &Value) -> bool {
    const NOTHING: &str = r#"null|true|0|200|[]|{}|""|"ok"|"success"|"fetched 0 record(s)""#;
    let text = value.to_string().to_lowercase();
    NOTHING.split('|').all(|nothing| nothing != text)
}

/// Takes the tags out of a gateway's page, so that its words are what is quoted.
fn without_tags(body: &str) -> String {
    if !body.starts_with('<') {
        return body.to_owned();
    }
    let pieces = body.split('<').filter_map(|piece| {
        let (tag, text) = piece.split_once('>')?;
        let is_code = tag.starts_with("style") || tag.starts_with("script");
        Some(text.trim()).filter(|text| !text.is_empty() && !is_code)
    });
    pieces.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixtures::test_run;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Id {
        id: Text,
    }

    impl Answer {
        /// An answer to `GET /x` with the key `secret-key`.
        pub(in crate::sofy) fn scripted(status: u16, body: &str) -> Self {
            let key = ApiKey::new("secret-key".to_owned());
            let status = StatusCode::from_u16(status).unwrap_or_default();
            Self {
                body: body.to_owned(),
                ..Self::new("GET /x", &key, status, &HeaderMap::new())
            }
        }
    }

    #[test]
    fn sofys_own_words_are_found() {
        for (body, expected, why) in [
            (
                r#"{"error":{"message":"Invalid Auth Key.","details":"x","timestamp":"t"}}"#,
                "\"Invalid Auth Key. x\"",
                "the documented envelope",
            ),
            (
                r#"{"error":{"message":"Invalid Auth Key.","details":" invalid auth key"}}"#,
                "\"Invalid Auth Key.\"",
                "the same twice",
            ),
            (
                r#"{"error":"Corrupt."}"#,
                "\"Corrupt.\"",
                "an error that is a text",
            ),
            (
                r#"{"Message":"An error has occurred."}"#,
                "\"An error has occurred.\"",
                "the classic spelling",
            ),
            (
                "<html><style>a{}</style><h1>502</h1>\n<p>Bad gateway</html>",
                "\"502 Bad gateway\"",
                "a gateway's page",
            ),
            (
                "<p>secret<b>-key</b>",
                "\"secret -key\"",
                "a key in two pieces is none",
            ),
            ("a < b", "\"a < b\"", "no page"),
            ("", "with an empty body", "nothing"),
        ] {
            assert_eq!(Answer::scripted(500, body).said(), expected, "{why}");
        }
    }

    #[test]
    fn the_words_of_a_page_are_found_behind_its_styles() {
        let page = format!("<style>{}</style><p>Bad gateway", "x".repeat(60_000));

        let said = Answer::scripted(502, &page).said();

        assert_eq!(said, "\"Bad gateway\"");
    }

    #[test]
    fn a_key_that_the_end_of_what_is_read_cuts_in_two_is_not_shown() {
        let escaped: String = "secret-key"
            .chars()
            .map(|c| format!("\\u{:04x}", u32::from(c)))
            .collect();
        let page = "<!---->".repeat(BEGINNING / 7 + 1);
        for spelled in ["secret-key", &escaped] {
            for shown in 0..spelled.len() {
                let body = format!("{}<p>{spelled}</p>", &page[..BEGINNING - shown - 3]);

                let said = Answer::scripted(502, &body).said();

                assert!(!said.contains("se"), "{shown} of {spelled}: {said}");
            }
        }
    }

    #[test]
    fn what_is_shown_is_cut_after_the_key_is_looked_for() {
        let answer = Answer::scripted(200, "");
        let long = |text: &str, times| text.repeat(times);
        let nearly = LONGEST_TEXT - 5;
        for (text, expected, why) in [
            ("Login".to_owned(), "Login".to_owned(), "short"),
            (
                long("x", LONGEST_TEXT),
                long("x", LONGEST_TEXT),
                "as long as may be",
            ),
            (
                long("x", LONGEST_TEXT + 1),
                long("x", LONGEST_TEXT) + "…",
                "longer",
            ),
            (
                long("é", LONGEST_TEXT + 1),
                long("é", LONGEST_TEXT) + "…",
                "in letters, not bytes",
            ),
            (
                long("x", nearly) + "secret-key",
                long("x", nearly) + "***",
                "a key that a cut would halve",
            ),
        ] {
            assert_eq!(answer.text(Text(text)), expected, "{why}");
        }
    }

    #[test]
    fn what_a_parser_quotes_is_redacted_and_cut() {
        for body in [
            format!("\"{}\"", "x".repeat(5_000)),
            format!("\"{}secret-key\"", "x".repeat(170)),
        ] {
            let answer = Answer::scripted(200, &body);
            let error = answer.list("the list").err().expect("no list");

            assert!(error.message.chars().count() < 500, "{}", error.message);
            assert!(!error.message.contains("secret"), "{}", error.message);
        }
    }

    #[test]
    fn a_clock_is_read_only_from_an_answer_that_is_new() {
        let noon = "Tue, 14 Nov 2023 22:13:20 GMT";
        for (headers, is_old, age, why) in [
            (&[][..], false, 0, "no time at all"),
            (&[(DATE, noon)], false, 0, "one time"),
            (&[(DATE, noon), (DATE, noon)], true, 0, "two of them"),
            (&[(DATE, noon), (AGE, "0")], true, 0, "a cache's"),
            (&[(DATE, noon), (AGE, " 60 ")], true, 60, "an old one"),
            (&[(DATE, noon), (AGE, "long")], true, 1, "of unknown age"),
            (&[(AGE, "-9223372036854775808")], true, 1, "no age at all"),
            (&[(AGE, "99999999999999999999")], true, 2_592_000, "a month"),
            (&[(AGE, "9999999999")], true, 2_592_000, "no more than it"),
            (&[(AGE, "0"), (AGE, "60")], true, 60, "of two caches"),
        ] {
            let mut all = HeaderMap::new();
            for (name, value) in headers {
                all.append(name, HeaderValue::from_static(value));
            }
            let key = ApiKey::new("secret-key".to_owned());

            let answer = Answer::new("GET /x", &key, StatusCode::OK, &all);

            let clock = answer.clock;
            let age = Duration::from_secs(age);
            assert_eq!((clock.has_age, clock.age), (is_old, age), "{why}");
        }
        let mut dates = HeaderMap::new();
        for date in [noon, "Tue, 14 Nov 2023 22:14:20 GMT", noon] {
            dates.append(DATE, HeaderValue::from_static(date));
        }
        let latest = Timestamp::from_second(1_700_000_060).ok();
        assert_eq!(date(&dates, DATE), latest, "nothing is older than it says");
    }

    #[test]
    fn an_answer_is_classified_by_what_may_have_happened() {
        for (status, retry_after, said, kind, advice, why) in [
            (
                401,
                None,
                "",
                ErrorKind::Rejected,
                "Account > API Key",
                "a bad key",
            ),
            (
                403,
                None,
                "",
                ErrorKind::Rejected,
                "may run",
                "a key of another account",
            ),
            (
                404,
                None,
                "",
                ErrorKind::Rejected,
                "`schedule-id` and `api-url`",
                "no such schedule",
            ),
            (
                400,
                None,
                "",
                ErrorKind::Rejected,
                "`schedule-id` and `app-hash`",
                "an unknown GUID",
            ),
            (
                429,
                None,
                "",
                ErrorKind::Busy,
                "later",
                "refused in so many words",
            ),
            (
                503,
                Some(Duration::from_secs(1)),
                "",
                ErrorKind::Busy,
                "later",
                "refused in so many words",
            ),
            (
                503,
                None,
                "",
                ErrorKind::OutcomeUnknown,
                "Run the job again.",
                "a gateway may have passed it on",
            ),
            (
                500,
                None,
                "",
                ErrorKind::OutcomeUnknown,
                "Run the job again.",
                "it may have happened",
            ),
            (
                500,
                None,
                "Validation failed for parameter 'subscriptionAuth'. Invalid GUID.",
                ErrorKind::Rejected,
                "API Key",
                "a bad key as a 500",
            ),
            (
                408,
                None,
                "",
                ErrorKind::OutcomeUnknown,
                "Run the job again.",
                "it may have happened",
            ),
            (
                502,
                None,
                "the certificate has expired",
                ErrorKind::OutcomeUnknown,
                "Run the job again.",
                "a gateway's page, not Sofy's word",
            ),
            (
                400,
                None,
                "The subscription has expired.",
                ErrorKind::Rejected,
                "Renew",
                "as documented",
            ),
            (
                302,
                None,
                "",
                ErrorKind::OutcomeUnknown,
                "redirect",
                "a gateway's maintenance page",
            ),
        ] {
            let body = serde_json::json!({ "message": said }).to_string();
            let mut answer = Answer::scripted(status, &body);
            answer.retry_after = retry_after;

            let error = answer.refusal();

            assert_eq!(error.kind, kind, "{status}: {why}");
            assert!(error.advice.contains(advice), "{status}: {why}: {error:?}");
            let message = format!("Sofy answered {status}");
            assert!(error.message.starts_with(&message), "{}", error.message);
            assert!(error.message.contains(said), "{}", error.message);
        }
    }

    #[test]
    fn every_sign_that_a_list_is_not_whole_is_seen() {
        let rows = r#"[{"id":1},{"id":2}]"#;
        for (members, whole, why) in [
            (
                r#""message":"Fetched 2 of 45 record(s)""#,
                false,
                "a message",
            ),
            (r#""message":"Page 1 OF 3.""#, false, "a page of several"),
            (r#""message":"1-2 of 1,200""#, false, "a range"),
            (r#""total":45"#, false, "a total"),
            (
                r#""message":"1 of 99999999999999999999999999""#,
                false,
                "a number above all types",
            ),
            (
                r#""error":{"message":"4 test runs could not be loaded"}"#,
                false,
                "an error next to the list",
            ),
            (r#""Errors":["late"]"#, false, "several errors"),
            (r#""isSuccess":false"#, false, "no success"),
            (r#""success":0"#, false, "no success, as a number"),
            (r#""success":true"#, true, "a success"),
            (r#""errors":[],"error":"""#, true, "no error"),
            (r#""errors":[ ],"error":{ }"#, true, "no error, with spaces"),
            (
                r#""Total_Count":"3""#,
                false,
                "in another spelling, as text",
            ),
            (r#""totalRecords":3.0"#, false, "a total with a fraction"),
            (r#""totalelements":3"#, false, "a total in small letters"),
            (r#""hasNextPage":true"#, false, "a next page"),
            (r#""has_more":"true""#, false, "more"),
            (r#""nextPage":2"#, false, "the number of the next page"),
            (
                r#""nextPage":"https://sofy/secret-key""#,
                false,
                "its address",
            ),
            (r#""totalPages":2"#, false, "several pages"),
            (
                r#""pagination":{"total":45}"#,
                false,
                "an object of its own",
            ),
            (r#""meta":{"page":{"total":45}}"#, false, "two objects deep"),
            (
                r#""meta":{"pages":[{"hasNextPage":1}]}"#,
                false,
                "in a list of its own, as a number",
            ),
            (r#""a":[[[[[{"total":45}]]]]]"#, false, "far down"),
            (r#""nextPage":{"page":2}"#, false, "where the next page is"),
            (r#""nextPage":[]"#, true, "no next page"),
            (r#""nextPage":0"#, true, "no next page, as a number"),
            (r#""has-more":"True""#, false, "in another spelling"),
            (
                r#""message":{"text":"ok","hasMore":true}"#,
                false,
                "in an object that is otherwise a text",
            ),
            (r#""total":" 45 ""#, false, "with white space"),
            (r#""total":"1,200""#, false, "with a comma"),
            (
                r#""total":{"value":45}"#,
                false,
                "a total that is no number",
            ),
            (r#""totalPages":[1]"#, false, "nor is this"),
            (r#""message":"Fetched 2 out of 5""#, false, "out of"),
            (r#""message":"Fetched 2 in 5 ms""#, true, "not of 5"),
            (
                r#""message":"Fetched 2 of 2 record(s)""#,
                true,
                "all of them",
            ),
            (
                r#""message":"Fetched 45 record(s)""#,
                true,
                "which may count something else",
            ),
            (
                r#""message":"Out of 45, well""#,
                true,
                "no number before it",
            ),
            (r#""total":2,"totalPages":1"#, true, "all of them"),
            (
                r#""total":null,"hasMore":false,"nextPage":null"#,
                true,
                "no more",
            ),
            (r#""error":null,"meta":{"took":99}"#, true, "something else"),
            (r#""error":0,"errors":0"#, true, "no errors were counted"),
        ] {
            let body = format!(r#"{{{members},"data":{rows}}}"#);

            let answer = Answer::scripted(200, &body);
            let list = answer.list("x").expect(why);

            let sign = list.completeness.not_whole.clone();
            assert_eq!(sign.is_none(), whole, "{why}: {sign:?}");
            assert!(!sign.unwrap_or_default().contains("secret"), "{why}");
            let ids = list.read::<Id>().flatten().map(|one| one.id.0);
            let ids: Vec<String> = ids.collect();
            assert_eq!(ids, ["1", "2"], "{why}");
        }
        let (open, close) = ("[".repeat(200), "]".repeat(200));
        let deep = |name: &str| format!(r#"{{"data":[],"{name}":{open}1{close}}}"#);
        let large = vec!["1"; json::MOST_ENTRIES + 1].join(",");
        for (body, why) in [
            (deep("error"), "an error too deep to be read is one"),
            (deep("meta"), "what is too deep may hold a sign"),
            (format!(r#"{{"data":[],"meta":[{large}]}}"#), "or too large"),
        ] {
            let unread = Answer::scripted(200, &body);
            let sign = unread.list("x").expect("a list").completeness.not_whole;
            assert!(sign.is_some(), "{why}");
        }
        for before in 60..SNIPPET {
            let value = "x".repeat(before) + "secret-key-and-more";
            for member in [
                format!("\"nextPage\":\"{value}\""),
                format!("\"{value}\":{{\"total\":5}}"),
            ] {
                let body = format!("{{{member},\"data\":[]}}");
                let answer = Answer::scripted(200, &body);
                let sign = answer.list("x").expect("a list").completeness.not_whole;
                let sign = sign.expect("a sign");
                assert!(!sign.contains("se"), "{before}: {sign}");
                assert!(sign.chars().count() <= SNIPPET + 1, "{sign}");
            }
        }
        let fetched = Answer::scripted(200, r#"{"data":[],"message":"Fetched 3 record(s)"}"#);
        let completeness = fetched.list("x").expect("a list").completeness;
        assert_eq!(completeness.fetched, Some(3));
    }

    #[test]
    fn the_first_test_run_names_the_schedule() {
        let row = |entry: Id, _: &Answer| {
            let row = Row {
                group_id: None,
                test_run: test_run("Log in", "Pixel 8", "Passed"),
            };
            (entry.id.0, row)
        };

        let rows = Answer::scripted(200, r#"[{"id":"Nightly"},{"id":"Smoke"}]"#).rows(row);

        assert_eq!(rows.expect("two rows").schedule_name, "Nightly");
    }

    #[test]
    fn only_a_short_answer_is_searched_for_words() {
        let answer = r#"{"message":"No."}"#;
        for (length, expected) in [
            (BEGINNING, "\"No.\""),
            (BEGINNING + 1, r#""{"message":"No."}"#),
        ] {
            let padded = answer.to_owned() + &" ".repeat(length - answer.len());

            let said = Answer::scripted(500, &padded).said();
            assert!(said.starts_with(expected), "{length}: {said}");
        }
    }

    #[test]
    fn a_header_may_name_a_next_page() {
        for (link, expected) in [
            (r#"</x?page=2>; rel="next""#, true),
            (r#"</x>; rel=prev, </y>; title="a"; Rel="last NEXT""#, true),
            ("</x>; rel=next", true),
            ("</x>; rel=next, </y>; rel=last", true),
            ("</läufe?page=2>; rel=\"next\"", true),
            (r#"</x?rel=next>; rel="prev""#, false),
            (r#"</next>; rel="prev next-archive""#, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(LINK, HeaderValue::from_static("</x>; rel=prev"));
            let value = HeaderValue::from_bytes(link.as_bytes());
            headers.append(LINK, value.expect("a header"));
            assert_eq!(has_next_page(&headers), expected, "{link}");
            let partial = Answer::scripted(206, "[]");
            let list = partial.list("x").expect("a list");
            assert!(list.completeness.not_whole.is_some(), "206");
            let key = ApiKey::new("a-key".into());
            let mut answer = Answer::new("GET /x", &key, StatusCode::OK, &headers);
            "[]".clone_into(&mut answer.body);
            let list = answer.list("x").expect("a list");
            assert_eq!(list.completeness.not_whole.is_some(), expected, "{link}");
        }
    }

    #[test]
    fn a_pause_that_no_clock_can_hold_is_a_long_one() {
        let most = A_MONTH.as_secs();
        for (retry_after, seconds) in [
            ("0", 0),
            ("3600", 3600),
            ("18446744073709551615", most),
            ("99999999999999999999999", most),
            ("Wed, 29 Dec 9999 23:59:59 GMT", most),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
            ("-1", 60),
            ("1e9", 60),
            ("", 60),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, retry_after.parse().expect("a header"));
            headers.insert(
                DATE,
                "Tue, 06 Jan 2026 12:00:00 GMT".parse().expect("a header"),
            );
            let now = date(&headers, DATE);

            let pause = super::retry_after(&headers, now);

            assert_eq!(pause, Some(Duration::from_secs(seconds)), "{retry_after}");
        }
    }
}
