//! How does the classic API (`api.sofy.ai`) trigger, list and give a status?
//!
//! It lists rows by schedule, has no abort, and carries the key in the body.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, NamedRow};
use super::api::{Baseline, BuildList, Rows, SofyApi};
use super::error::{ApiError, ErrorKind, Result};
use super::http::{Http, Query, TRIGGER_TIMEOUT};
use super::json::Text;
use crate::model::test_run::{Group, Row, ScheduledAt, TestRun, TestStatus};
use crate::model::{group_id::GroupId, schedule::TriggerRequest};
use crate::secret::ApiKey;

pub(super) const BASE_URL: &str = "https://api.sofy.ai";
const TRIGGER: &str = "/api/CICD/ScheduleAutomatedTestRun";
const STATUS: &str = "/api/CICD/ScheduleAutomatedTestRunStatus";

/// The classic API, for one schedule.
#[derive(Debug)]
pub(crate) struct Classic {
    http: Http,
    schedule: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireGroup {
    #[serde(rename = "ScheduleTestRunsGroupID")]
    id: Text,
    #[serde(rename = "ScheduleTestRunsGroupStatus")]
    status: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct WireTestRun {
    #[serde(rename = "Scheduled_Name")]
    schedule_name: Text,
    #[serde(rename = "ScheduleTestRunsGroupID")]
    group_id: Text,
    scenario_name: Text,
    scheduled_at: Text,
    version: Text,
    build_number: Text,
    manufacturer: Text,
    model: Text,
    #[serde(rename = "Statusvalue")]
    status: Text,
}

impl Classic {
    /// Prepares the client; sends nothing.
    pub(crate) fn new(base: Option<&Url>, key: ApiKey, schedule: u64) -> Result<Self> {
        Ok(Self {
            http: Http::new(base, BASE_URL, None, key)?,
            schedule,
        })
    }

    fn post(&self, path: &str, query: &Query<'_>, app_hash: Option<&str>) -> RequestBuilder {
        let mut body = json!({"APIKey": self.http.key.expose(), "ScheduledID": self.schedule});
        if let Some(app_hash) = app_hash {
            body["AppHash"] = app_hash.into();
        }
        let request = self.http.request(Method::POST, path, query);
        let request = request.header(CONTENT_TYPE, "application/json");
        request.body(body.to_string())
    }
}

impl SofyApi for Classic {
    const CAN_ABORT: bool = false;
    const LISTS_BY_GROUP: bool = false;

    async fn baseline(&self) -> Result<Baseline> {
        let request = self.post(STATUS, &[], None);
        let answer = self.http.send_for_list(request).await?;
        let rows = answer.rows(WireTestRun::into_row)?;
        // An earlier run's row that it leaves out would pass for this run's.
        let is_unclear = rows.list.is_empty() && !answer.is_only_empty();
        if rows.completeness.not_whole.is_some() || !answer.clock.age.is_zero() || is_unclear {
            return Err(answer.unreadable("that is not the whole list of test runs at this time"));
        }
        Ok(Baseline::Rows(rows.list))
    }

    async fn trigger(&self, request: &TriggerRequest) -> Result<Vec<GroupId>> {
        let call = self.post(TRIGGER, &[], request.app_hash.as_deref());
        let answer = self.http.ask(call.timeout(TRIGGER_TIMEOUT)).await?;
        answer.groups(|group: &WireGroup| vec![&group.id])
    }

    async fn group(&self, id: &GroupId) -> Result<Group> {
        let query = [("ScheduleTestRunsGroupID", &**id)];
        let request = self.post(STATUS, &query, None);
        let answer = self.http.send_for_list(request).await?;
        let what = "the group's status";
        let groups: Result<Vec<WireGroup>, _> = answer.list(what)?.read().collect();
        let mut groups = groups.map_err(|error| answer.cannot_be_read(what, &error))?;
        let is_alone = groups.len() == 1;
        groups.retain(|group| {
            answer.group_id(&group.id).as_ref() == Some(id) || (is_alone && group.id.0.is_empty())
        });
        let statuses = groups.into_iter().map(|group| answer.text(group.status));
        answer.one_status(statuses.map(|status| Group::parse(&status)).collect())
    }

    async fn rows(&self, _group_id: &GroupId) -> Result<Rows> {
        let request = self.post(STATUS, &[], None);
        let answer = self.http.send_for_list(request).await?;
        answer.rows(WireTestRun::into_row)
    }

    async fn builds(&self) -> Result<BuildList> {
        let why = "the classic API has no list of builds";
        Err(ApiError::new(ErrorKind::Rejected, why))
    }

    async fn abort(&self, _group_id: &GroupId) -> Result<String> {
        let why = "the classic API has no call to abort a run";
        Err(ApiError::new(ErrorKind::Rejected, why))
    }
}

impl WireTestRun {
    fn into_row(self, answer: &Answer) -> NamedRow {
        let text = |text| answer.text(text);
        let [version, number] = [self.version, self.build_number].map(text);
        let build = match (version.trim(), number.trim()) {
            (name, "") | ("", name) => name.to_owned(),
            (version, number) => format!("{version}({number})"),
        };
        let [manufacturer, model] = [self.manufacturer, self.model].map(text);
        let row = Row {
            group_id: GroupId::named(&answer.text(self.group_id)),
            test_run: TestRun {
                scenario: answer.text(self.scenario_name),
                device: format!("{manufacturer} {model}").trim().to_owned(),
                build,
                status: TestStatus::parse(&answer.text(self.status)),
                scheduled_at: ScheduledAt::parse(&answer.text(self.scheduled_at)),
                late: false,
            },
        };
        (answer.text(self.schedule_name), row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mockito::{Matcher, Server};

    const KEY: &str = "0f3e-classic-key";

    fn client(server: &Server) -> Classic {
        _ = rustls::crypto::ring::default_provider().install_default();
        let url = Url::parse(&server.url()).expect("a URL");
        Classic::new(Some(&url), ApiKey::new(KEY.into()), 1888).expect("a client")
    }

    #[tokio::test]
    async fn the_documented_bodies_are_sent_and_read() {
        let mut server = Server::new_async().await;
        let trigger = server
            .mock("POST", TRIGGER)
            .match_body(Matcher::Json(
                serde_json::json!({"APIKey": KEY, "ScheduledID": 1888, "AppHash": "abc"}),
            ))
            .with_body(r#"{"Message":"Test runs are scheduled","ScheduleTestRunsGroupID":77}"#)
            .expect(1)
            .create_async()
            .await;
        let group = server
            .mock("POST", STATUS)
            .match_query(Matcher::UrlEncoded(
                "ScheduleTestRunsGroupID".into(),
                "77".into(),
            ))
            .with_body(
                r#"[{"ScheduleTestRunsGroupID":"77","ScheduleTestRunsGroupStatus":"Running"}]"#,
            )
            .create_async()
            .await;
        let rows = server
            .mock("POST", STATUS)
            .match_query(Matcher::Missing)
            .match_body(Matcher::Json(serde_json::json!({"APIKey": KEY, "ScheduledID": 1888})))
            .with_body(r#"[{"Scheduled_Name":"Smoke","ScenarioName":"Log in","ScheduledAt":"2022-10-07T20:39:26.02","Version":"1.43","CodeName":"","BuildNumber":5768,"Manufacturer":"Apple","Model":"iPhone13,2","Statusvalue":"Passed"}]"#)
            .create_async()
            .await;
        let api = client(&server);
        let order = TriggerRequest {
            app_hash: Some("abc".into()),
            device_serials: vec![],
        };

        let named = api.trigger(&order).await.expect("triggered");
        let seen = api.group(&"77".into()).await.expect("a group");
        let listed = api.rows(&"77".into()).await.expect("rows");

        assert_eq!(named, ["77".into()]);
        assert_eq!(seen.verbatim, "Running");
        assert_eq!(listed.schedule_name, "Smoke");
        assert_eq!(listed.list[0].group_id, None);
        assert_eq!(listed.list[0].test_run.device, "Apple iPhone13,2");
        assert_eq!(listed.list[0].test_run.build, "1.43(5768)");
        trigger.assert_async().await;
        group.assert_async().await;
        rows.assert_async().await;
    }

    #[tokio::test]
    async fn what_may_leave_out_earlier_rows_is_not_the_list_before_the_trigger() {
        let row = r#"{"ScenarioName":"Log in","ScheduledAt":"2022-10-07T20:39:26.02","Statusvalue":"Passed"}"#;
        let rows = |rest: &str| format!(r#"{{"data":[{row}]{rest}}}"#);
        let none = |rest: &str| format!(r#"{{"data":null{rest}}}"#);
        let said = r#","message":"Internal Server Error.""#;
        for (status, header, body, number, why) in [
            (200, ("", ""), rows(""), Some(1), "all of it"),
            (
                200,
                ("Age", "0"),
                rows(""),
                Some(1),
                "a cache had no answer",
            ),
            (200, ("", ""), "[]".into(), Some(0), "it never ran"),
            (200, ("", ""), "null".into(), Some(0), "it never ran"),
            (200, ("", ""), none(""), Some(0), "it never ran"),
            (
                200,
                ("", ""),
                none(r#","message":"No test runs found.""#),
                Some(0),
                "it never ran, in words",
            ),
            (200, ("Age", "60"), rows(""), None, "as it was a minute ago"),
            (200, ("Age", "60"), "[]".into(), None, "as it was then"),
            (200, ("Link", "<x>; rel=next"), rows(""), None, "a page"),
            (206, ("", ""), rows(""), None, "a part"),
            (200, ("", ""), rows(r#","total":2"#), None, "one of two"),
            (
                200,
                ("", ""),
                r#"{"data":[],"message":"Fetched 0 of 7"}"#.into(),
                None,
                "none of seven",
            ),
            (
                200,
                ("", ""),
                r#"{"data":[],"error":{"message":"Out of memory."}}"#.into(),
                None,
                "an error",
            ),
            (
                200,
                ("", ""),
                none(r#","error":{"message":"Out of memory."}"#),
                None,
                "an error and no list",
            ),
            (
                200,
                ("", ""),
                none(said),
                None,
                "words of an error, no list",
            ),
            (
                404,
                ("", ""),
                r#"{"Message":"No test runs found for this schedule."}"#.into(),
                Some(0),
                "it never ran, in words",
            ),
            (
                200,
                ("", ""),
                r#"{"data":[],"message":"Fetched 0 record(s)","total":0,"success":true}"#.into(),
                Some(0),
                "it never ran, at length",
            ),
            (
                200,
                ("", ""),
                r#"{"data":[],"message":"Request timed out"}"#.into(),
                None,
                "words of an error beside an empty list",
            ),
            (
                200,
                ("", ""),
                r#"{"data":[],"statusCode":500}"#.into(),
                None,
                "the number of an error",
            ),
            (
                200,
                ("", ""),
                r#"{"data":[],"status":"error"}"#.into(),
                None,
                "the status of an error",
            ),
            (
                200,
                ("", ""),
                r#"{"Message":"No schedule found"}"#.into(),
                None,
                "another schedule",
            ),
        ] {
            let mut server = Server::new_async().await;
            let mut answer = server.mock("POST", STATUS).with_status(status);
            if !header.0.is_empty() {
                answer = answer.with_header(header.0, header.1);
            }
            answer.with_body(&body).create_async().await;

            let before = client(&server).baseline().await;

            let read = before
                .map_err(|error| error.kind)
                .map(|before| match before {
                    Baseline::Rows(rows) => rows.len(),
                    Baseline::Groups(_) => usize::MAX,
                });
            let expected = number.ok_or(ErrorKind::OutcomeUnknown);
            assert_eq!(read, expected, "{why}: {body}");
        }
    }

    #[tokio::test]
    async fn a_run_that_is_not_listed_yet_is_not_refused() {
        let mut server = Server::new_async().await;
        server
            .mock("POST", STATUS)
            .match_query(Matcher::Any)
            .with_status(404)
            .with_body(r#"{"Message":"No test runs found for this schedule."}"#)
            .create_async()
            .await;
        let api = client(&server);

        let group = api.group(&"77".into()).await.expect_err("no group");
        assert_eq!(group.kind, ErrorKind::OutcomeUnknown);
        let rows = api.rows(&"77".into()).await;
        assert!(rows.is_ok_and(|rows| rows.list.is_empty()));
    }

    #[tokio::test]
    async fn a_status_without_an_id_is_ours_only_where_it_is_alone() {
        for (body, status, why) in [
            (
                r#"[{"ScheduleTestRunsGroupStatus":"Running"}]"#,
                Some("Running"),
                "alone",
            ),
            (
                r#"[{"ScheduleTestRunsGroupStatus":"Running"},{"ScheduleTestRunsGroupStatus":"Running"}]"#,
                None,
                "one of two",
            ),
            (
                r#"[{"ScheduleTestRunsGroupStatus":"Complete"},{"ScheduleTestRunsGroupID":77,"ScheduleTestRunsGroupStatus":"Running"}]"#,
                Some("Running"),
                "the other one is named",
            ),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("POST", STATUS)
                .match_query(Matcher::Any)
                .with_body(body)
                .create_async()
                .await;

            let group = client(&server).group(&"77".into()).await.ok();

            let read = group.as_ref().map(|group| group.verbatim.as_str());
            assert_eq!(read, status, "{why}");
        }
    }

    #[tokio::test]
    async fn what_the_classic_api_has_no_call_for_is_refused() {
        let server = Server::new_async().await;
        let api = client(&server);

        let builds = api.builds().await.expect_err("no list");
        let abort = api.abort(&"77".into()).await.expect_err("no call");

        assert_eq!([builds.kind, abort.kind], [ErrorKind::Rejected; 2]);
    }

    #[tokio::test]
    async fn an_answer_that_is_no_answer_is_unclear_and_hides_the_key() {
        for (body, why) in [
            ("<html>", "a gateway's page"),
            ("null", "nothing"),
            ("[]", "an empty list where a group was asked for"),
            ("", "an empty body"),
            (
                r#"{"Message":"0f3e-classic-key is not valid"}"#,
                "an error with status 200",
            ),
            (
                r#"[{"ScheduleTestRunsGroupID":"78","ScheduleTestRunsGroupStatus":"Complete"}]"#,
                "somebody else's group",
            ),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("POST", Matcher::Any)
                .match_query(Matcher::Any)
                .with_body(body)
                .create_async()
                .await;
            let api = client(&server);

            let group = api.group(&"77".into()).await.expect_err(why);
            let trigger = api.trigger(&TriggerRequest::default()).await;

            assert_eq!(group.kind, ErrorKind::OutcomeUnknown, "{why}");
            assert!(!group.message.contains(KEY), "{why}: {}", group.message);
            assert!(trigger.is_ok() == body.contains("78"), "{why}");
        }
    }
}
