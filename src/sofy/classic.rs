//! How does the classic API (`api.sofy.ai`) trigger, list and tell a status?
//!
//! It lists rows by schedule, knows no abort, and carries the key in the body.

use std::time::Duration;

use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};

use super::api::{Baseline, BuildList, Rows, SofyApi};
use super::error::{ApiError, ErrorKind};
use super::http::{Answer, Http, REQUEST_TIMEOUT, TRIGGER_TIMEOUT};
use super::json::Text;
use crate::model::group_id::GroupId;
use crate::model::schedule::TriggerRequest;
use crate::model::test_run::{Group, Row, ScheduledAt, TestRun, TestStatus};
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

/// What every call carries.
#[derive(Serialize)]
struct Body<'run> {
    #[serde(rename = "APIKey")]
    api_key: &'run str,
    #[serde(rename = "ScheduledID")]
    schedule: u64,
    #[serde(rename = "AppHash", skip_serializing_if = "Option::is_none")]
    app_hash: Option<&'run str>,
}

#[derive(Deserialize)]
struct WireGroup {
    #[serde(rename = "ScheduleTestRunsGroupID", default)]
    id: Text,
    #[serde(rename = "ScheduleTestRunsGroupStatus", default)]
    status: Text,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[derive(Default)]
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
    pub(crate) fn new(base: Option<&Url>, key: ApiKey, schedule: u64) -> Result<Self, ApiError> {
        Ok(Self {
            http: Http::new(base, BASE_URL, key)?,
            schedule,
        })
    }

    async fn post(
        &self,
        call: &str,
        path: &str,
        query: &[(&str, &str)],
        app_hash: Option<&str>,
        limit: Duration,
    ) -> Result<Answer, ApiError> {
        let body = serde_json::to_string(&Body {
            api_key: self.http.key().expose(),
            schedule: self.schedule,
            app_hash,
        })
        .map_err(|error| {
            ApiError::new(
                ErrorKind::Rejected,
                format!("the request cannot be written: {error}"),
            )
        })?;
        let request = self
            .http
            .request(Method::POST, path, query)
            .header("content-type", "application/json")
            .timeout(limit)
            .body(body);
        self.http.send(call, request).await
    }

    async fn list(&self) -> Result<Rows, ApiError> {
        let call = format!("POST {STATUS} (test runs)");
        let answer = self.post(&call, STATUS, &[], None, REQUEST_TIMEOUT).await?;
        answer.rows(WireTestRun::into_row)
    }
}

impl SofyApi for Classic {
    const CAN_ABORT: bool = false;
    const LISTS_BY_GROUP: bool = false;

    async fn baseline(&self) -> Result<Baseline, ApiError> {
        Ok(Baseline::Rows(self.list().await?.list))
    }

    async fn trigger(&self, request: &TriggerRequest) -> Result<Vec<GroupId>, ApiError> {
        let call = format!("POST {TRIGGER}");
        let app_hash = request.app_hash.as_deref();
        let answer = self
            .post(&call, TRIGGER, &[], app_hash, TRIGGER_TIMEOUT)
            .await?;
        answer.named_groups(|group: &WireGroup| &group.id)
    }

    async fn group(&self, id: &GroupId) -> Result<Group, ApiError> {
        let call = format!("POST {STATUS} (group {id})");
        let query = [("ScheduleTestRunsGroupID", &**id)];
        let answer = self
            .post(&call, STATUS, &query, None, REQUEST_TIMEOUT)
            .await?;
        let listed = answer.list::<WireGroup>("the group's status")?;
        let groups: Result<Vec<WireGroup>, _> = listed.entries.into_iter().collect();
        let groups = groups.map_err(|error| {
            answer.unreadable(&format!("the group's status cannot be read ({error})"))
        })?;
        let alone = groups.len() == 1;
        let this = groups
            .into_iter()
            .filter(|group| {
                answer.group_id(&group.id).as_ref() == Some(id) || (alone && group.id.is_empty())
            })
            .map(|group| Group::parse(&answer.text(group.status)));
        answer.one_status(this)
    }

    async fn rows(&self, _group_id: &GroupId) -> Result<Rows, ApiError> {
        self.list().await
    }

    async fn builds(&self) -> Result<BuildList, ApiError> {
        Err(ApiError::new(
            ErrorKind::Rejected,
            "the classic API has no list of builds",
        ))
    }

    async fn abort(&self, _group_id: &GroupId) -> Result<String, ApiError> {
        Err(ApiError::new(
            ErrorKind::Rejected,
            "the classic API has no call to abort a run",
        ))
    }
}

impl WireTestRun {
    fn into_row(self, answer: &Answer) -> (String, Row) {
        let [version, number] = [self.version, self.build_number].map(|text| answer.text(text));
        let build = match (version.trim(), number.trim()) {
            (version, "") => version.to_owned(),
            ("", number) => number.to_owned(),
            (version, number) => format!("{version}({number})"),
        };
        let [manufacturer, model] = [self.manufacturer, self.model].map(|text| answer.text(text));
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
