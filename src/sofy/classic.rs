//! How does the classic API (`api.sofy.ai`) trigger, list and tell a status?
//!
//! It lists rows by schedule, knows no abort, and carries the key in the body.

use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};

use super::api::{Baseline, Rows, SofyApi};
use super::error::{ApiError, ErrorKind};
use super::http::Http;
use super::json;
use crate::model::schedule::Build;
use crate::model::schedule::Generation;
use crate::model::schedule::TriggerRequest;
use crate::model::test_run::Row;
use crate::model::test_run::{Group, ScheduledAt, TestRun, TestStatus};
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
    #[serde(
        rename = "ScheduleTestRunsGroupID",
        default,
        deserialize_with = "json::text"
    )]
    id: String,
    #[serde(
        rename = "ScheduleTestRunsGroupStatus",
        default,
        deserialize_with = "json::text"
    )]
    status: String,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[derive(Default)]
struct WireTestRun {
    #[serde(rename = "Scheduled_Name", deserialize_with = "json::text")]
    schedule_name: String,
    #[serde(rename = "ScheduleTestRunsGroupID", deserialize_with = "json::text")]
    group_id: String,
    #[serde(deserialize_with = "json::text")]
    scenario_name: String,
    #[serde(deserialize_with = "json::text")]
    scheduled_at: String,
    #[serde(deserialize_with = "json::text")]
    version: String,
    #[serde(deserialize_with = "json::text")]
    build_number: String,
    #[serde(deserialize_with = "json::text")]
    manufacturer: String,
    #[serde(deserialize_with = "json::text")]
    model: String,
    #[serde(rename = "Statusvalue", deserialize_with = "json::text")]
    status: String,
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
        path: &str,
        query: &[(&str, &str)],
        app_hash: Option<&str>,
    ) -> Result<String, ApiError> {
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
            .body(body);
        let answer = self.http.send(&format!("POST {path}"), request).await?;
        Ok(answer.body)
    }

    async fn list(&self) -> Result<Rows, ApiError> {
        let call = format!("POST {STATUS} (test runs)");
        let body = self.post(STATUS, &[], None).await?;
        let wire: Vec<WireTestRun> = self.http.list(&call, &body, "the list of test runs")?;
        let name = wire.first().map(|row| row.schedule_name.clone());
        let rows = wire.into_iter().map(WireTestRun::into_row).collect();
        self.http.rows(&call, &body, name, rows)
    }
}

impl SofyApi for Classic {
    const GENERATION: Generation = Generation::Classic;

    async fn baseline(&self) -> Result<Baseline, ApiError> {
        Ok(Baseline::Rows(self.list().await?.list))
    }

    async fn trigger(&self, request: &TriggerRequest) -> Result<Vec<String>, ApiError> {
        let body = self.post(TRIGGER, &[], request.app_hash.as_deref()).await?;
        let groups: Vec<WireGroup> = json::list(&body).unwrap_or_default();
        let named = groups.into_iter().map(|group| group.id);
        self.http
            .named_groups(&format!("POST {TRIGGER}"), &body, named)
    }

    async fn group(&self, id: &str) -> Result<Group, ApiError> {
        let call = format!("POST {STATUS} (group {id})");
        let query = [("ScheduleTestRunsGroupID", id)];
        let body = self.post(STATUS, &query, None).await?;
        let groups: Vec<WireGroup> = self.http.list(&call, &body, "the group's status")?;
        let alone = groups.len() == 1;
        let ours = groups
            .into_iter()
            .filter(|group| group.id == id || (alone && group.id.is_empty()))
            .map(|group| group.status);
        self.http.one_status(&call, &body, ours)
    }

    async fn rows(&self, _group_id: &str) -> Result<Rows, ApiError> {
        self.list().await
    }

    async fn builds(&self) -> Result<Vec<Build>, ApiError> {
        Err(ApiError::new(
            ErrorKind::Rejected,
            "the classic API has no list of builds",
        ))
    }

    async fn abort(&self, _group_id: &str) -> Result<String, ApiError> {
        Err(ApiError::new(
            ErrorKind::Rejected,
            "the classic API has no call to abort a run",
        ))
    }
}

impl WireTestRun {
    fn into_row(self) -> Row {
        let build = match (self.version.trim(), self.build_number.trim()) {
            (version, "") => version.to_owned(),
            ("", number) => number.to_owned(),
            (version, number) => format!("{version}({number})"),
        };
        Row {
            group_id: json::group_name(self.group_id),
            test_run: TestRun {
                scenario: self.scenario_name,
                device: format!("{} {}", self.manufacturer, self.model)
                    .trim()
                    .to_owned(),
                build,
                status: TestStatus::parse(&self.status),
                scheduled_at: ScheduledAt::parse(&self.scheduled_at),
            },
        }
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
        let seen = api.group("77").await.expect("a group");
        let listed = api.rows("77").await.expect("rows");

        assert_eq!(named, ["77"]);
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

            let group = client(&server).group("77").await.ok();

            let read = group.as_ref().map(|group| group.verbatim.as_str());
            assert_eq!(read, status, "{why}");
        }
    }

    #[tokio::test]
    async fn what_the_classic_api_has_no_call_for_is_refused() {
        let server = Server::new_async().await;
        let api = client(&server);

        let builds = api.builds().await.expect_err("no list");
        let abort = api.abort("77").await.expect_err("no call");

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

            let group = api.group("77").await.expect_err(why);
            let trigger = api.trigger(&TriggerRequest::default()).await;

            assert_eq!(group.kind, ErrorKind::OutcomeUnknown, "{why}");
            assert!(!group.message.contains(KEY), "{why}: {}", group.message);
            assert!(trigger.is_ok() == body.contains("78"), "{why}");
        }
    }
}
