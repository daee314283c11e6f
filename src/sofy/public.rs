//! How does the public API (`public.sofy.ai`) trigger, list and tell a status?
//!
//! It lists rows by group, can abort one group, and carries the key in a header.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Deserialize;

use super::error::{ApiError, Kind};
use super::http::Http;
use super::{RunHandle, SofyApi, wire};
use crate::attribution::{Ours, Row};
use crate::inputs::Order;
use crate::secret::ApiKey;
use crate::test_run::{Group, Snapshot, TestRun, TestStatus};

const BASE_URL: &str = "https://public.sofy.ai";
const RUNS: &str = "/scheduler-microservice/scheduled-runs";
const ABORT: &str = "/scheduler-microservice/public/test-run/abort";

/// Looks for a run whose trigger ended unclearly: a quarter of a minute for a list that lags.
const SEARCH: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// The public API, for one schedule.
#[derive(Debug)]
pub(crate) struct Public {
    http: Http,
    schedule: String,
}

/// A group; the documentation spells its ID in three ways.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireGroup {
    #[serde(deserialize_with = "wire::text")]
    test_run_group_id: String,
    #[serde(deserialize_with = "wire::text")]
    test_groups_run_id: String,
    #[serde(rename = "scheduleTestRunsGroupID", deserialize_with = "wire::text")]
    schedule_test_runs_group_id: String,
    #[serde(deserialize_with = "wire::text")]
    status: String,
}

impl WireGroup {
    fn id(&self) -> &str {
        [
            &self.test_run_group_id,
            &self.test_groups_run_id,
            &self.schedule_test_runs_group_id,
        ]
        .into_iter()
        .find(|id| !id.is_empty())
        .map_or("", |id| id)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireTestRun {
    #[serde(deserialize_with = "wire::text")]
    scheduled_run_name: String,
    #[serde(deserialize_with = "wire::text")]
    test_run_group_id: String,
    #[serde(deserialize_with = "wire::text")]
    scenario_name: String,
    #[serde(deserialize_with = "wire::text")]
    scheduled_at: String,
    #[serde(deserialize_with = "wire::text")]
    build: String,
    #[serde(deserialize_with = "wire::text")]
    device: String,
    #[serde(deserialize_with = "wire::text")]
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireMessage {
    #[serde(deserialize_with = "wire::text")]
    message: String,
}

impl Public {
    /// Prepares the client; sends nothing.
    pub(crate) fn new(base: Option<&str>, key: ApiKey, schedule: String) -> Result<Self, ApiError> {
        Ok(Self {
            http: Http::new(base.unwrap_or(BASE_URL), key)?,
            schedule,
        })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<String, ApiError> {
        let mut key = HeaderValue::from_str(self.http.key().expose()).map_err(|_| {
            ApiError::new(
                Kind::Refused,
                "the input api-key cannot be sent as a header",
            )
        })?;
        key.set_sensitive(true);
        let call = format!("{method} {path}");
        let request = self
            .http
            .request(method, path, query)?
            .header("x-sofy-auth-key", key);
        self.http.send(&call, request).await
    }

    async fn groups(&self) -> Result<Vec<WireGroup>, ApiError> {
        let path = format!("{RUNS}/{}/test-run-groups", self.schedule);
        let body = self.call(Method::GET, &path, &[]).await?;
        let groups: Vec<WireGroup> =
            self.http
                .list(&format!("GET {path}"), &body, "the list of groups")?;
        if groups
            .iter()
            .any(|group| !self.http.is_group_id(group.id()))
        {
            return Err(self.http.unreadable(
                &format!("GET {path}"),
                &body,
                "the list holds something that is not a test run group",
            ));
        }
        Ok(groups)
    }

    async fn rows(&self, group_id: &str) -> Result<(String, Vec<Row>), ApiError> {
        let path = format!("{RUNS}/{}/status/{group_id}", self.schedule);
        let body = self.call(Method::GET, &path, &[]).await?;
        let wire: Vec<WireTestRun> =
            self.http
                .list(&format!("GET {path}"), &body, "the list of test runs")?;
        if wire
            .iter()
            .any(|row| row.scenario_name.is_empty() && row.status.is_empty())
        {
            return Err(self.http.unreadable(
                &format!("GET {path}"),
                &body,
                "the list holds something that is not a test run",
            ));
        }
        let name = wire
            .first()
            .map(|row| row.scheduled_run_name.clone())
            .unwrap_or_default();
        Ok((name, wire.into_iter().map(WireTestRun::into_row).collect()))
    }

    /// Finds the run of a trigger that ended unclearly: the one group that was not there before.
    ///
    /// One new group that two looks in a row agree on is ours. None proves nothing, since the list
    /// may lag; several cannot be told apart.
    async fn search(
        &self,
        unclear: ApiError,
        before: &BTreeSet<String>,
    ) -> Result<RunHandle, ApiError> {
        let mut new: BTreeSet<String> = BTreeSet::new();
        let mut looks = 0;
        for pause in SEARCH {
            tokio::time::sleep(pause).await;
            let Ok(groups) = self.groups().await else {
                continue;
            };
            let seen = new.len();
            new.extend(
                groups
                    .into_iter()
                    .map(|group| group.id().to_owned())
                    .filter(|id| !before.contains(id)),
            );
            looks += 1;
            if let (Some(id), 1, 1) = (new.first(), seen, new.len()) {
                tracing::warn!(
                    "{}; found its test run group {id} in Sofy's list, so nothing is sent again",
                    unclear.message
                );
                return Ok(handle(id.clone()));
            }
        }
        let found = match new.len() {
            0 if looks == 0 => "the list of groups could not be read either".to_owned(),
            0 => "no new test run group is listed, which proves nothing".to_owned(),
            1 => "one new test run group was listed only at the last look".to_owned(),
            n => format!(
                "{n} new test run groups are listed and cannot be told apart: {}",
                new.into_iter().collect::<Vec<_>>().join(", ")
            ),
        };
        Err(ApiError {
            message: format!("{}; {found}", unclear.message),
            ..unclear
        })
    }
}

fn handle(group_id: String) -> RunHandle {
    RunHandle {
        ours: Ours::listed(group_id.clone()),
        results_after: String::new(),
        group_id,
    }
}

impl SofyApi for Public {
    type Baseline = BTreeSet<String>;

    const CAN_ABORT: bool = true;

    async fn baseline(&self) -> Result<BTreeSet<String>, ApiError> {
        let groups = self.groups().await?;
        Ok(groups
            .into_iter()
            .map(|group| group.id().to_owned())
            .collect())
    }

    async fn trigger(
        &self,
        order: &Order,
        baseline: &BTreeSet<String>,
    ) -> Result<RunHandle, ApiError> {
        let path = format!("{RUNS}/{}/execute", self.schedule);
        let serials = order.device_serials.join(",");
        let query: Vec<(&str, &str)> = [
            ("appHash", order.app_hash.as_deref().unwrap_or_default()),
            ("deviceSerials", &serials),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
        let body = match self.call(Method::POST, &path, &query).await {
            Ok(body) => body,
            Err(error) if error.kind == Kind::Unclear => return self.search(error, baseline).await,
            Err(error) => return Err(error),
        };
        let named: BTreeSet<String> = wire::list::<WireGroup>(&body)
            .unwrap_or_default()
            .into_iter()
            .map(|group| group.id().to_owned())
            .filter(|id| self.http.is_group_id(id))
            .collect();
        let unreadable = |why: &str| self.http.unreadable(&format!("POST {path}"), &body, why);
        match (named.first(), named.len()) {
            (Some(id), 1) => Ok(handle(id.clone())),
            (None, _) => {
                self.search(unreadable("the answer names no test run group"), baseline)
                    .await
            }
            (Some(_), _) => Err(unreadable(
                "the answer names several test run groups, and one step judges one",
            )),
        }
    }

    async fn attach(&self, group_id: &str, _results_after: &str) -> Result<RunHandle, ApiError> {
        if self
            .groups()
            .await?
            .iter()
            .any(|group| group.id() == group_id)
        {
            return Ok(handle(group_id.to_owned()));
        }
        Err(ApiError::new(
            Kind::Unclear,
            format!(
                "input test-run-group-id: the schedule {} has no test run group {group_id}",
                self.schedule
            ),
        )
        .advise("Use the output test-run-group-id of the step that triggered this same schedule."))
    }

    /// Asks for the group first, so that the rows are never older than its status.
    async fn observe(&self, run: &mut RunHandle) -> Result<Snapshot, ApiError> {
        let group = self
            .groups()
            .await?
            .into_iter()
            .find(|group| group.id() == run.group_id)
            .map(|group| Group::parse(&group.status))
            .ok_or_else(|| {
                ApiError::new(
                    Kind::Unclear,
                    format!(
                        "Sofy's list of test run groups does not hold {}",
                        run.group_id
                    ),
                )
            })?;
        let (schedule_name, rows) = self.rows(&run.group_id).await?;
        Ok(run
            .snapshot(schedule_name, group, rows)
            .filtered(|text| self.http.key().strike(text)))
    }

    /// Always names the group: without it, Sofy aborts every execution of the schedule.
    async fn abort(&self, run: &RunHandle) -> Result<String, ApiError> {
        let path = format!("{ABORT}/{}", self.schedule);
        let body = self
            .call(Method::PUT, &path, &[("testRunGroupId", &run.group_id)])
            .await?;
        let answer: WireMessage = serde_json::from_str(&body).unwrap_or_default();
        if answer.message.is_empty() {
            return Err(self.http.unreadable(
                &format!("PUT {path}"),
                &body,
                "the answer has no message",
            ));
        }
        Ok(self.http.key().strike(answer.message))
    }
}

impl WireTestRun {
    fn into_row(self) -> Row {
        Row {
            group_id: self.test_run_group_id,
            test_run: TestRun {
                scenario: self.scenario_name,
                device: self.device,
                build: self.build,
                status: TestStatus::parse(&self.status),
                scheduled_at: self.scheduled_at,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mockito::{Matcher, Server};

    const GUID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    const KEY: &str = "0f3e-public-key";

    fn client(server: &Server) -> Public {
        _ = rustls::crypto::ring::default_provider().install_default();
        Public::new(Some(&server.url()), ApiKey::new(KEY.into()), GUID.into()).expect("a client")
    }

    fn path(rest: &str) -> String {
        format!("{RUNS}/{GUID}/{rest}")
    }

    fn before(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[tokio::test]
    async fn every_documented_answer_to_a_trigger_is_read() {
        for (body, why) in [
            (
                r#"{"data":[{"scheduleTestRunsGroupID":77}],"message":"ok"}"#,
                "a list with a number",
            ),
            (
                r#"{"testGroupsRunId":"77","message":"ok"}"#,
                "the other page of the documentation",
            ),
            (
                r#"{"data":{"testRunGroupId":"77"}}"#,
                "an object in the envelope",
            ),
        ] {
            let mut server = Server::new_async().await;
            let trigger = server
                .mock("POST", path("execute").as_str())
                .match_query(Matcher::AllOf(vec![
                    Matcher::UrlEncoded("appHash".into(), "a&b".into()),
                    Matcher::UrlEncoded("deviceSerials".into(), "one,two".into()),
                ]))
                .match_header("x-sofy-auth-key", KEY)
                .with_body(body)
                .expect(1)
                .create_async()
                .await;
            let order = Order {
                app_hash: Some("a&b".into()),
                device_serials: vec!["one".into(), "two".into()],
            };

            let run = client(&server)
                .trigger(&order, &before(&[]))
                .await
                .expect(why);

            assert_eq!(run.group_id, "77", "{why}");
            trigger.assert_async().await;
        }
    }

    #[tokio::test]
    async fn a_trigger_that_ends_unclearly_is_found_again_and_never_sent_again() {
        let mut server = Server::new_async().await;
        let trigger = server
            .mock("POST", path("execute").as_str())
            .with_status(500)
            .expect(1)
            .create_async()
            .await;
        server
            .mock("GET", path("test-run-groups").as_str())
            .with_body(r#"[{"testRunGroupId":76,"status":"Complete"},{"testRunGroupId":77,"status":"Queued"}]"#)
            .create_async()
            .await;

        let run = client(&server)
            .trigger(&Order::default(), &before(&["76"]))
            .await
            .expect("adopted");

        assert_eq!(run.group_id, "77");
        trigger.assert_async().await;
    }

    #[tokio::test]
    async fn a_bad_key_that_comes_as_a_500_is_refused_at_once() {
        let mut server = Server::new_async().await;
        server
            .mock("GET", path("test-run-groups").as_str())
            .with_status(500)
            .with_body(r#"{"error":{"message":"Internal Server Error.","details":"Validation failed for parameter 'subscriptionAuth'. Invalid GUID.","timestamp":"t"}}"#)
            .create_async()
            .await;

        let error = client(&server).baseline().await.expect_err("refused");

        assert_eq!(error.kind, Kind::Refused);
        assert!(error.advice.contains("api-key"), "{error:?}");
    }

    #[tokio::test]
    async fn a_key_that_an_answer_spells_with_escapes_is_not_repeated() {
        let long = format!(r#"{{"message":"{}0f3\u0065-public-key"}}"#, "x".repeat(190));
        for (body, why) in [
            (
                r#""0f3\u0065-public-key""#,
                "a parser quotes what it did not expect",
            ),
            (long.as_str(), "a snippet ends within the key"),
            (
                r#"[{"testRunGroupId":"0f3\u0065-public-key","status":"Complete"}]"#,
                "as the ID of a group",
            ),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("GET", path("test-run-groups").as_str())
                .with_body(body)
                .create_async()
                .await;

            let error = client(&server)
                .groups()
                .await
                .err()
                .map(|error| error.message)
                .unwrap_or_default();

            assert!(!error.is_empty(), "{why}");
            assert!(!error.contains("0f3e-publi"), "{why}: {error}");
        }
    }

    #[tokio::test]
    async fn an_abort_names_its_group() {
        let mut server = Server::new_async().await;
        let abort = server
            .mock("PUT", format!("{ABORT}/{GUID}").as_str())
            .match_query(Matcher::Exact("testRunGroupId=77".into()))
            .with_body(r#"{"message":"Scheduled run aborted by user successfully."}"#)
            .expect(1)
            .create_async()
            .await;

        let said = client(&server)
            .abort(&handle("77".into()))
            .await
            .expect("aborted");

        assert!(said.contains("successfully"));
        abort.assert_async().await;
    }
}
