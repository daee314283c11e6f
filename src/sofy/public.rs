//! How does the public API (`public.sofy.ai`) trigger, list and give a status?
//!
//! It lists rows by group, can abort one group, and carries the key in a header.

use reqwest::{Method, RequestBuilder, Url};
use serde::Deserialize;

use super::answer::{Answer, NamedRow};
use super::api::{Baseline, BuildList, Groups, ListedGroup, Rows, SofyApi};
use super::builds;
use super::error::{ApiError, ErrorKind, Result};
use super::http::{Http, Query, TRIGGER_TIMEOUT};
use super::json::Text;
use crate::model::test_run::{Group, GroupStatus, Row, ScheduledAt, TestRun, TestStatus};
use crate::model::{group_id::GroupId, schedule::TriggerRequest};
use crate::secret::ApiKey;

pub(super) const BASE_URL: &str = "https://public.sofy.ai";
pub(super) const KEY_HEADER: &str = "x-sofy-auth-key";
const RUNS: &str = "/scheduler-microservice/scheduled-runs";
const ABORT: &str = "/scheduler-microservice/public/test-run/abort";

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
    test_run_group_id: Text,
    test_groups_run_id: Text,
    #[serde(rename = "scheduleTestRunsGroupID")]
    schedule_test_runs_group_id: Text,
    status: Text,
    executed_at: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireTestRun {
    scheduled_run_name: Text,
    test_run_group_id: Text,
    scenario_name: Text,
    scheduled_at: Text,
    build: Text,
    device: Text,
    status: Text,
}

impl Public {
    /// Prepares the client; sends nothing.
    pub(crate) fn new(base: Option<&Url>, key: ApiKey, schedule: String) -> Result<Self> {
        Ok(Self {
            http: Http::new(base, BASE_URL, Some(KEY_HEADER), key)?,
            schedule,
        })
    }

    fn request(&self, method: Method, call: &str, query: &Query<'_>) -> RequestBuilder {
        let path = format!("{RUNS}/{}/{call}", self.schedule);
        self.http.request(method, &path, query)
    }
}

/// Reads the list of groups.
fn groups(answer: &Answer) -> Result<Groups> {
    let listed = answer.list("the list of groups")?;
    let mut groups = Groups {
        completeness: listed.completeness.clone(),
        clock: Some(answer.clock),
        ..Groups::default()
    };
    for entry in listed.read::<WireGroup>() {
        match entry.ok().and_then(|entry| entry.into_listed(answer)) {
            Some(group) => groups.list.push(group),
            None => groups.unreadable += 1,
        }
    }
    let is_group = |entry: WireGroup| Group::parse(&entry.status.0).status != GroupStatus::Other;
    let mut entries = listed.read().flatten();
    if groups.list.is_empty() && groups.unreadable > 0 && !entries.any(is_group) {
        return Err(answer.unreadable("the list contains no test run group"));
    }
    Ok(groups)
}

impl SofyApi for Public {
    const CAN_ABORT: bool = true;
    const LISTS_BY_GROUP: bool = true;

    async fn baseline(&self) -> Result<Baseline> {
        let request = self.request(Method::GET, "test-run-groups", &[]);
        let answer = self.http.send_for_list(request).await?;
        Ok(Baseline::Groups(groups(&answer)?))
    }

    async fn trigger(&self, request: &TriggerRequest) -> Result<Vec<GroupId>> {
        let app_hash = request.app_hash.as_deref().unwrap_or_default();
        let serials = request.device_serials.join(",");
        let mut query = vec![("appHash", app_hash), ("deviceSerials", &serials)];
        query.retain(|(_, value)| !value.is_empty());
        let call = self.request(Method::POST, "execute", &query);
        let answer = self.http.ask(call.timeout(TRIGGER_TIMEOUT)).await?;
        answer.groups(WireGroup::ids)
    }

    async fn group(&self, group_id: &GroupId) -> Result<Group> {
        let request = self.request(Method::GET, "test-run-groups", &[]);
        let answer = self.http.send_for_list(request).await?;
        let groups = groups(&answer)?.list.into_iter();
        let this = groups.filter(|group| group.id == *group_id);
        let statuses: Vec<Group> = this.map(|group| group.group).collect();
        if statuses.is_empty() {
            let why = format!(
                "Schedule {} has no test run group {group_id} (or Sofy does not list it)",
                self.schedule
            );
            return Err(ApiError::new(ErrorKind::NotFound, why));
        }
        answer.one_status(statuses)
    }

    async fn rows(&self, group_id: &GroupId) -> Result<Rows> {
        let request = self.request(Method::GET, &format!("status/{group_id}"), &[]);
        rows(&self.http.send_for_list(request).await?)
    }

    async fn builds(&self) -> Result<BuildList> {
        builds::list(&self.http).await
    }

    /// Always names the group: without it, Sofy aborts every execution of the schedule.
    async fn abort(&self, group_id: &GroupId) -> Result<String> {
        let path = format!("{ABORT}/{}", self.schedule);
        let query = [("testRunGroupId", &**group_id)];
        let call = self.http.request(Method::PUT, &path, &query);
        let answer = self.http.send(call).await?;
        let json = answer.json().unwrap_or_default();
        let message = json["message"].as_str().unwrap_or_default();
        let message = answer.text(Text(message.to_owned()));
        let lower = message.to_lowercase();
        // Whatever else it says with status 200 proves nothing: it also answers so if every test run has finished, and
        // if none can be aborted yet.
        if lower.contains("aborted by") && lower.contains("successfully") {
            return Ok(message);
        }
        Err(answer.unreadable("it does not say that anything was aborted"))
    }
}

/// Reads the rows of one group.
pub(crate) fn rows(answer: &Answer) -> Result<Rows> {
    answer.rows(WireTestRun::into_row)
}

impl WireGroup {
    fn ids(&self) -> Vec<&Text> {
        let other = &self.schedule_test_runs_group_id;
        vec![&self.test_run_group_id, &self.test_groups_run_id, other]
    }

    /// None if it has no ID.
    fn into_listed(self, answer: &Answer) -> Option<ListedGroup> {
        let ids = self.ids().into_iter();
        let ids: Vec<GroupId> = ids.filter_map(|id| answer.group_id(id)).collect();
        // Two names for one group prove neither.
        let is_only_one = |first: &&GroupId| ids.iter().all(|id| id == *first);
        let id = ids.first().filter(is_only_one)?;
        Some(ListedGroup {
            id: id.clone(),
            group: Group {
                executed_at: answer.text(self.executed_at).parse().ok(),
                ..Group::parse(&answer.text(self.status))
            },
        })
    }
}

impl WireTestRun {
    fn into_row(self, answer: &Answer) -> NamedRow {
        let row = Row {
            group_id: GroupId::named(&answer.text(self.test_run_group_id)),
            test_run: TestRun {
                scenario: answer.text(self.scenario_name),
                device: answer.text(self.device),
                build: answer.text(self.build),
                status: TestStatus::parse(&answer.text(self.status)),
                scheduled_at: ScheduledAt::parse(&answer.text(self.scheduled_at)),
                late: false,
            },
        };
        (answer.text(self.scheduled_run_name), row)
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
        let url = Url::parse(&server.url()).expect("a URL");
        Public::new(Some(&url), ApiKey::new(KEY.into()), GUID.into()).expect("a client")
    }

    fn path(rest: &str) -> String {
        format!("{RUNS}/{GUID}/{rest}")
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
            let order = TriggerRequest {
                app_hash: Some("a&b".into()),
                device_serials: vec!["one".into(), "two".into()],
            };

            let named = client(&server).trigger(&order).await.expect(why);

            assert_eq!(named, ["77".into()], "{why}");
            trigger.assert_async().await;
        }
    }

    #[tokio::test]
    async fn one_odd_entry_does_not_hide_our_group() {
        for (body, status, why) in [
            (
                r#"[{"status":"x"},{"testRunGroupId":77,"status":"Queued"}]"#,
                Some("Queued"),
                "no ID",
            ),
            (
                r#"[null,{"testRunGroupId":{"a":1}},{"testRunGroupId":77,"status":"Queued"}]"#,
                Some("Queued"),
                "no group at all",
            ),
            (
                r#"[{"testRunGroupId":77,"status":"Queued"},{"testRunGroupId":"77","status":"Queued"}]"#,
                Some("Queued"),
                "twice the same",
            ),
            (
                r#"[{"testRunGroupId":77,"status":"Complete"},{"testRunGroupId":"77","status":"Running"}]"#,
                None,
                "which of the two?",
            ),
            (r#"[{"testRunGroupId":77}]"#, None, "no status"),
            (r#"[{"message":"later"}]"#, None, "no group"),
            (
                r#"[{"testRunGroupId":76,"status":"Complete"}]"#,
                None,
                "somebody else's",
            ),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("GET", path("test-run-groups").as_str())
                .with_header("age", "5")
                .with_body(body)
                .create_async()
                .await;

            let group = client(&server).group(&"77".into()).await.ok();

            assert_eq!(
                group.as_ref().map(|group| group.verbatim.as_str()),
                status,
                "{why}"
            );
            let has_age = group.is_none_or(|group| group.age.as_secs() == 5);
            assert!(has_age, "{why}: it is as old as the answer");
        }
    }

    #[tokio::test]
    async fn a_group_that_is_not_listed_is_not_found() {
        let mut server = Server::new_async().await;
        server
            .mock("GET", path("test-run-groups").as_str())
            .with_body(r#"[{"testRunGroupId":76,"status":"Complete"}]"#)
            .create_async()
            .await;

        let error = client(&server).group(&"77".into()).await.expect_err("none");

        assert_eq!(error.kind, ErrorKind::NotFound);
        let words = format!("Schedule {GUID} has no test run group 77");
        assert!(error.message.starts_with(&words), "{}", error.message);
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

        assert_eq!(error.kind, ErrorKind::Rejected);
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

            let said = match client(&server).baseline().await {
                Ok(listed) => format!("{listed:?}"),
                Err(error) => error.message,
            };

            assert!(!said.is_empty(), "{why}");
            assert!(!said.contains("0f3e-publi"), "{why}: {said}");
        }
    }

    #[tokio::test]
    async fn the_key_is_redacted_in_all_that_a_row_says() {
        let spelled = r"0f3\u0065-public-KEY";
        let fields = [
            "scheduledRunName",
            "scenarioName",
            "scheduledAt",
            "build",
            "device",
            "status",
        ];
        let row: Vec<String> = fields
            .iter()
            .map(|field| format!(r#""{field}":"at {spelled}""#))
            .collect();
        let mut server = Server::new_async().await;
        server
            .mock("GET", path("status/77").as_str())
            .with_body(format!("[{{{}}}]", row.join(",")))
            .create_async()
            .await;

        let rows = client(&server).rows(&"77".into()).await.expect("rows");

        let shown = format!("{rows:?}").to_lowercase();
        assert!(!shown.contains(KEY), "{shown}");
        assert_eq!(rows.list[0].test_run.scenario, "at ***");
        assert_eq!(rows.schedule_name, "at ***");
    }

    #[tokio::test]
    async fn what_is_no_list_of_ours_is_never_an_empty_one() {
        for (body, why) in [
            ("[null]", "nothing that can be read"),
            ("[{}]", "an entry without anything"),
            (r#"{"message":"later"}"#, "a message"),
            (r#"[{"testRunGroupId":0}]"#, "no group"),
        ] {
            let mut server = Server::new_async().await;
            for call in ["test-run-groups", "status/77"] {
                server
                    .mock("GET", path(call).as_str())
                    .with_body(body)
                    .create_async()
                    .await;
            }
            let api = client(&server);

            let kinds = [
                api.baseline().await.err().map(|error| error.kind),
                api.rows(&"77".into()).await.err().map(|error| error.kind),
            ];

            assert_eq!(kinds, [Some(ErrorKind::OutcomeUnknown); 2], "{why}");
        }
    }

    #[tokio::test]
    async fn a_group_without_an_id_does_not_stop_the_trigger_though_no_other_is_listed() {
        for (body, expected, why) in [
            (
                r#"[{"testRunGroupId":null,"status":"Complete"}]"#,
                Some((0, 1)),
                "a status that only groups have",
            ),
            (
                r#"{"testRunGroupId":null,"status":"error"}"#,
                None,
                "perhaps a gateway's answer",
            ),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("GET", path("test-run-groups").as_str())
                .with_body(body)
                .create_async()
                .await;

            let listed = match client(&server).baseline().await {
                Ok(Baseline::Groups(groups)) => Some((groups.list.len(), groups.unreadable)),
                Ok(Baseline::Rows(_)) | Err(_) => None,
            };

            assert_eq!(listed, expected, "{why}");
        }
    }

    #[tokio::test]
    async fn a_schedule_that_never_ran_may_say_so_in_words() {
        for (status, body, expected, why) in [
            (
                200,
                r#"{"message":"No test run groups found"}"#,
                true,
                "a message",
            ),
            (
                404,
                r#"{"error":{"message":"No groups"}}"#,
                true,
                "an error in Sofy's words",
            ),
            (
                404,
                r#"{"message":"no Route matched with those values"}"#,
                false,
                "a gateway that is being set up",
            ),
            (
                200,
                r#"{"message":"No test runs could be loaded"}"#,
                false,
                "trouble",
            ),
            (
                404,
                r#"{"message":"Schedule not found"}"#,
                false,
                "another 404",
            ),
            (
                404,
                r#"{"message":"No test runs found for this group."}"#,
                true,
                "of a group that is queued",
            ),
            (404, "No groups", false, "a gateway's page"),
            (500, r#"{"message":"No groups"}"#, false, "a fault"),
            (
                200,
                r#"{"message":"No luck","data":5}"#,
                false,
                "data that is not a list",
            ),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("GET", path("test-run-groups").as_str())
                .with_status(status)
                .with_body(body)
                .create_async()
                .await;
            let api = client(&server);

            let baseline = api.baseline().await;

            let lists_none =
                matches!(baseline, Ok(Baseline::Groups(groups)) if groups.list.is_empty());
            assert_eq!(lists_none, expected, "{why}");
            let polled = api.group(&"77".into()).await.expect_err(why);
            let is_missing = polled.kind == ErrorKind::NotFound;
            assert_eq!(is_missing, expected, "{why}: after the trigger");
            let rows = path("status/77");
            let rows = server.mock("GET", rows.as_str()).with_status(status);
            rows.with_body(body).create_async().await;
            let rows = api.rows(&"77".into()).await;
            let lists_none = rows.is_ok_and(|rows| rows.list.is_empty());
            assert_eq!(lists_none, expected, "{why}: no test runs");
        }
    }

    #[tokio::test]
    async fn all_groups_that_an_answer_to_a_trigger_names_count() {
        for body in [
            r#"{"testGroupsRunId":"77","data":[{"scheduleTestRunsGroupID":78}]}"#,
            r#"{"data":[{"scheduleTestRunsGroupID":"77","testGroupsRunId":"78"}]}"#,
            r#"{"data":[{"testRunGroupId":"77"},{"testRunGroupId":"78"}]}"#,
            r#"{"data":{"status":"Queued"},"testRunGroupId":77,"testGroupsRunId":78}"#,
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("POST", path("execute").as_str())
                .with_body(body)
                .create_async()
                .await;

            let named = client(&server).trigger(&TriggerRequest::default()).await;

            assert_eq!(named.expect(body), ["77".into(), "78".into()], "{body}");
        }
        for (status, body, why) in [
            (
                200,
                r#"[{"testRunGroupId":77},{"testRunGroupId":{"id":78}}]"#,
                "one of two",
            ),
            (200, r#"[{"testRunGroupId":77},null]"#, "perhaps one of two"),
            (
                200,
                r#"[{"testRunGroupId":77},{"status":"Queued"}]"#,
                "without its ID",
            ),
            (200, "[1]", "a number is not a group"),
            (200, r#"[["77"]]"#, "nor is a list"),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("POST", path("execute").as_str())
                .with_status(status)
                .with_body(body)
                .create_async()
                .await;

            let named = client(&server).trigger(&TriggerRequest::default()).await;

            assert!(named.is_err(), "{why}: {named:?}");
        }
        let group = r#""data":[{"testRunGroupId":"77"}]"#;
        let busy = r#""error":{"message":"Schedule is already running"}"#;
        for (status, beside, is_named, why) in [
            (429, r#""message":"Too many""#, false, "a refusal"),
            (200, busy, false, "an error"),
            (200, r#""success":"False""#, false, "no success"),
            (200, r#""a":[[[[[{"error":1}]]]]]"#, false, "far down"),
            (200, r#""error":null,"success":true"#, true, "no error"),
            (200, r#""message":"Run 1 of 3 in line""#, true, "its place"),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("POST", path("execute").as_str())
                .with_status(status)
                .with_body(format!("{{{group},{beside}}}"))
                .create_async()
                .await;

            let named = client(&server).trigger(&TriggerRequest::default()).await;

            let kind = named.as_ref().err().map(|error| error.kind);
            let unclear = (!is_named).then_some(ErrorKind::OutcomeUnknown);
            assert_eq!(kind, unclear, "{why} beside a group: {named:?}");
        }
    }

    #[tokio::test]
    async fn a_row_that_says_something_is_a_row() {
        for body in [r#"[{"scenarioName":"S"}]"#, r#"[{"status":"Passed"}]"#] {
            let mut server = Server::new_async().await;
            server
                .mock("GET", path("status/77").as_str())
                .with_body(body)
                .create_async()
                .await;

            let rows = client(&server).rows(&"77".into()).await.expect(body);

            assert_eq!(rows.list.len(), 1, "{body}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_unpacked_still_says_what_its_status_says() {
        for (status, encoding, kind, said) in [
            (
                200,
                "gzip",
                ErrorKind::OutcomeUnknown,
                "the answer is packed (gzip)",
            ),
            (401, "gzip", ErrorKind::Rejected, "Sofy answered 401"),
            (
                401,
                "identity",
                ErrorKind::Rejected,
                "Sofy answered 401 \"no\"",
            ),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("GET", path("test-run-groups").as_str())
                .with_status(status)
                .with_header("content-encoding", encoding)
                .with_body("no")
                .create_async()
                .await;

            let error = client(&server).baseline().await.expect_err(said);

            assert_eq!(error.kind, kind, "{status} {encoding}");
            assert!(error.message.contains(said), "{}", error.message);
        }
    }

    #[tokio::test]
    async fn only_a_connection_that_was_never_made_is_certain() {
        _ = rustls::crypto::ring::default_provider().install_default();
        let closing = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        // Keeps its port, so that no other test takes it, and does not listen.
        let refusing = tokio::net::TcpSocket::new_v4().expect("a socket");
        let any = "127.0.0.1:0".parse().expect("an address");
        refusing.bind(any).expect("a port");
        let api = |address: std::io::Result<std::net::SocketAddr>| {
            let url = format!("http://{}", address.expect("an address"));
            let url = Url::parse(&url).expect("a URL");
            let key = ApiKey::new(KEY.into());
            Public::new(Some(&url), key, GUID.into()).expect("a client")
        };
        let (closing_api, refusing_api) = (api(closing.local_addr()), api(refusing.local_addr()));
        let closed = std::thread::spawn(move || drop(closing.accept()));

        let accepted = closing_api.trigger(&TriggerRequest::default()).await;
        closed.join().expect("the connection was closed");
        let refused = refusing_api.trigger(&TriggerRequest::default()).await;

        let errors = [accepted, refused].map(|answer| answer.expect_err("no answer"));
        assert_eq!(
            errors.each_ref().map(|error| error.kind),
            [ErrorKind::OutcomeUnknown, ErrorKind::NotSent]
        );
        let said = &errors[1].message;
        assert!(
            said.to_lowercase().contains("connection refused"),
            "the cause is said: {said}"
        );
    }

    #[tokio::test]
    async fn a_gateway_may_serve_it_below_a_path_and_ask_for_a_pause() {
        let noon = "Tue, 06 Jan 2026 12:00:00 GMT";
        for (retry_after, pause, why) in [
            ("7", 7, "seconds"),
            (
                "Tue, 06 Jan 2026 12:00:09 GMT",
                9,
                "a moment by the server's clock",
            ),
            ("Tue, 06 Jan 2026 11:59:00 GMT", 0, "a moment that is over"),
            ("soon", 60, "a word"),
        ] {
            let mut server = Server::new_async().await;
            let groups = format!("/gateway{}", path("test-run-groups"));
            server
                .mock("GET", groups.as_str())
                .with_status(429)
                .with_header("date", noon)
                .with_header("retry-after", retry_after)
                .create_async()
                .await;
            _ = rustls::crypto::ring::default_provider().install_default();
            let url = Url::parse(&format!("{}/gateway/", server.url())).expect("a URL");
            let api = Public::new(Some(&url), ApiKey::new(KEY.into()), GUID.into());

            let error = api.expect("a client").baseline().await.expect_err(why);

            assert_eq!(error.kind, ErrorKind::Busy, "{why}: {error:?}");
            let asked_for = error.retry_after.map(|pause| pause.as_secs());
            assert_eq!(asked_for, Some(pause), "{why}");
        }
    }

    #[tokio::test]
    async fn the_clock_of_an_answer_is_kept_and_its_byte_order_mark_is_not() {
        let mut server = Server::new_async().await;
        server
            .mock("GET", path("test-run-groups").as_str())
            .with_header("date", "Tue, 06 Jan 2026 12:00:00 GMT")
            .with_body(
                "\u{feff}[{\"testRunGroupId\":77,\"executedAt\":\"2026-01-06T11:00:00.5Z\"},\
                 {\"testRunGroupId\":78,\"executedAt\":\"2026-01-06T11:00:00\"}]",
            )
            .create_async()
            .await;

        let Baseline::Groups(groups) = client(&server).baseline().await.expect("groups") else {
            panic!("groups")
        };

        let executed: Vec<Option<String>> = groups
            .list
            .iter()
            .map(|group| group.group.executed_at.map(|at| at.to_string()))
            .collect();
        assert_eq!(
            executed,
            [Some("2026-01-06T11:00:00.5Z".to_owned()), None],
            "a time without a zone is none"
        );
        let answered_at = groups
            .clock
            .and_then(|clock| clock.date)
            .map(|at| at.to_string());
        assert_eq!(answered_at.as_deref(), Some("2026-01-06T12:00:00Z"));
    }

    #[tokio::test]
    async fn the_builds_are_those_of_the_same_account() {
        let mut server = Server::new_async().await;
        server
            .mock("GET", "/application-microservice/public/applications")
            .match_header("x-sofy-auth-key", KEY)
            .with_body(r#"{"data":[{"application_builds":[{"app_hash":"4dde"}]}]}"#)
            .create_async()
            .await;

        let builds = client(&server).builds().await.expect("a list");

        assert_eq!(builds.list.len(), 1);
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

        let said = client(&server).abort(&"77".into()).await.expect("aborted");

        assert!(said.contains("successfully"));
        abort.assert_async().await;
    }

    #[tokio::test]
    async fn only_what_says_so_is_an_abort() {
        for (body, said, why) in [
            (
                r#"{"message":"No test runs could be aborted for this scheduled run. They may have already completed or are in a non-abortable state."}"#,
                "non-abortable state",
                "nothing could be aborted",
            ),
            (
                r#"{"message":"The run cannot be aborted by user ci."}"#,
                "cannot be aborted",
                "a failure with status 200",
            ),
            (
                r#"{"message":"Request handled successfully."}"#,
                "handled successfully",
                "a gateway that is content",
            ),
            ("[1]", "1", "no answer to an abort"),
            ("{}", "{}", "an answer that says nothing"),
        ] {
            let mut server = Server::new_async().await;
            server
                .mock("PUT", Matcher::Any)
                .with_body(body)
                .create_async()
                .await;

            let error = client(&server).abort(&"77".into()).await.expect_err(why);

            assert!(
                error.is_transient(),
                "{why}: it may be abortable in a moment"
            );
            assert!(error.message.contains(said), "{why}: {}", error.message);
        }
    }
}
