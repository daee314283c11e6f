//! How does Sofy list the builds that were uploaded? The same for both generations of keys.

use reqwest::Method;
use serde::Deserialize;

use super::api::BuildList;
use super::error::Result;
use super::http::Http;
use super::json::{self, Text};
use crate::model::schedule::Build;
use crate::text::known;

const APPLICATIONS: &str = "/application-microservice/public/applications";

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireApplication {
    application_guid: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireBuild {
    app_hash: Text,
    build_id: Text,
    build_friendly_name: Text,
}

/// Lists every build of an account, and counts what cannot be read.
pub(super) async fn list(http: &Http) -> Result<BuildList> {
    let request = http.request(Method::GET, APPLICATIONS, &[]);
    let answer = http.send(request).await?;
    let applications = answer.list("the list of builds")?;
    let mut all = BuildList {
        completeness: applications.completeness.clone(),
        ..BuildList::default()
    };
    for (n, raw) in applications.entries.iter().enumerate() {
        let application = json::object::<WireApplication>(raw.get());
        let builds = json::member(raw.get(), "application_builds");
        let is_named = (application.as_ref()).is_ok_and(|one| !one.application_guid.0.is_empty());
        let is_one = builds.as_ref().is_ok_and(|all| all.is_some() || is_named);
        all.unreadable += usize::from(application.is_err() || !is_one);
        // Whatever the application is called, these are builds of one.
        let application = application.unwrap_or_default();
        let builds = builds.ok().flatten().unwrap_or_default();
        if let Some(sign) = &builds.completeness.not_whole {
            all.completeness.not_whole = Some(answer.text(Text(sign.clone())));
        }
        let guid = known(answer.text(application.application_guid));
        // Without a GUID, each may be another application.
        let guid = guid.unwrap_or_else(|| format!("entry {n}")).to_lowercase();
        for build in builds.read::<WireBuild>() {
            let build = build.ok().map(|build| Build {
                app_hash: Some(answer.text(build.app_hash)).filter(|hash| !hash.is_empty()),
                application: guid.clone(),
                id: answer.text(build.build_id),
                friendly_name: answer.text(build.build_friendly_name),
            });
            let is_known = |one: &Build| one.app_hash.is_some() || !one.name().is_empty();
            match build.filter(is_known) {
                Some(build) => all.list.push(build),
                None => all.unreadable += 1,
            }
        }
        if all.list.len() + all.unreadable > json::MOST_ENTRIES {
            return Err(answer.unreadable("it lists too many builds"));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ApiKey;
    use mockito::Server;
    use reqwest::Url;

    async fn listed_by(server: &Server) -> Result<BuildList> {
        _ = rustls::crypto::ring::default_provider().install_default();
        let url = Url::parse(&server.url()).expect("a URL");
        let key = ApiKey::new("k3y-of-builds".into());
        let http = Http::new(Some(&url), "", Some("x-sofy-auth-key"), key);
        list(&http.expect("a client")).await
    }

    #[tokio::test]
    async fn a_key_behind_an_escape_is_redacted_in_all_that_is_listed() {
        let mut server = Server::new_async().await;
        let key = r"\u006b3y-of-builds";
        server
            .mock("GET", APPLICATIONS)
            .with_body(format!(
                r#"{{"data":[{{"application_guid":"{key}","application_builds":[{{"app_hash":"{key}","build_id":"{key}","build_friendly_name":"{key}"}}]}}]}}"#
            ))
            .create_async()
            .await;

        let listed = listed_by(&server).await.expect("a list");

        let build = Build {
            app_hash: Some("***".into()),
            application: "***".into(),
            id: "***".into(),
            friendly_name: "***".into(),
        };
        assert_eq!(listed.list, [build]);
    }

    #[tokio::test]
    async fn the_documented_list_is_read_and_odd_entries_are_counted() {
        for (body, expected, why) in [
            (
                r#"{"data":[{"application_guid":"g","platform_name":"ANDROID","application_friendly_name":null,"application_builds":[{"app_hash":"4dde","build_id":"2.3.6(203060)","build_friendly_name":null,"build_package_name":"io.x.y"}]}],"message":"Fetched 1 record(s)"}"#,
                Some((1, 0)),
                "as documented",
            ),
            (
                r#"{"data":[{"application_guid":"g","application_builds":[null,{"app_hash":7},{},{"build_id":""},"x"]}]}"#,
                Some((1, 4)),
                "one that can be read",
            ),
            (
                r#"[{"application_builds":[{"build_id":"1"},{"app_hash":null,"build_friendly_name":"Beta"},{"app_hash":"","build_id":2}]}]"#,
                Some((3, 0)),
                "builds whose hash is not known",
            ),
            (
                r#"[7,{"application_builds":"x"},{"application_builds":[{"app_hash":"4dde"}]}]"#,
                Some((1, 2)),
                "applications that cannot be read",
            ),
            (
                r#"[{"application_builds":null},{"application_builds":[]},{"application_guid":"g"}]"#,
                Some((0, 0)),
                "no builds",
            ),
            (
                r#"[{"message":"This one could not be loaded"},{}]"#,
                Some((0, 2)),
                "no applications, for all that can be read",
            ),
            (
                r#"[{"application_guid":{"id":"g"},"application_builds":[{"app_hash":"4dde"},{"app_hash":"5eef"}]}]"#,
                Some((2, 1)),
                "builds of an application whose name cannot be read",
            ),
            (
                r#"[{"application_builds":{"app_hash":"4dde"}}]"#,
                Some((1, 0)),
                "a list of one",
            ),
            (r#"{"data":null}"#, Some((0, 0)), "no applications"),
            ("<html>", None, "a gateway's page"),
        ] {
            let mut server = Server::new_async().await;
            let list = server
                .mock("GET", APPLICATIONS)
                .match_header("x-sofy-auth-key", "k3y-of-builds")
                .with_body(body)
                .create_async()
                .await;

            let listed = listed_by(&server).await.ok();

            let found = listed.map(|all| (all.list.len(), all.unreadable));

            assert_eq!(found, expected, "{why}");
            list.assert_async().await;
        }
    }

    #[tokio::test]
    async fn builds_are_of_one_application_only_if_it_says_so() {
        for (one, other, is_same, why) in [
            (r#""g""#, r#""G""#, true, "the same GUID"),
            (r#""g""#, r#""h""#, false, "another GUID"),
            ("null", "null", false, "no GUID"),
        ] {
            let application = |guid| {
                let builds = r#""application_builds":[{"app_hash":"4dde"}]"#;
                format!(r#"{{"application_guid":{guid},{builds}}}"#)
            };
            let mut server = Server::new_async().await;
            server
                .mock("GET", APPLICATIONS)
                .with_body(format!("[{},{}]", application(one), application(other)))
                .create_async()
                .await;

            let listed = listed_by(&server).await.expect("a list").list;

            assert_eq!(
                listed[0].application == listed[1].application,
                is_same,
                "{why}"
            );
        }
    }

    #[tokio::test]
    async fn the_age_of_a_list_is_kept() {
        for (header, value, age) in [("age", "5", 5), ("age", "0", 0), ("x-age", "5", 0)] {
            let mut server = Server::new_async().await;
            server
                .mock("GET", APPLICATIONS)
                .with_header(header, value)
                .with_body(r#"[{"application_builds":[{"app_hash":"4dde","build_id":"1"}]}]"#)
                .create_async()
                .await;

            let listed = listed_by(&server).await.expect("a list");

            let listed_age = listed.completeness.age.as_secs();
            assert_eq!(listed_age, age, "{header}: {value}");
        }
    }

    #[tokio::test]
    async fn the_builds_of_one_application_may_be_incomplete_too() {
        for (beside, proves, why) in [
            (r#""hasMore":true"#, false, "more builds"),
            (r#""total":9"#, false, "a total"),
            (r#""error":"of k3y-of-builds""#, false, "an error"),
            (r#""total":1,"platform_name":"IOS""#, true, "all of them"),
        ] {
            let application =
                format!(r#"{{"application_builds":[{{"app_hash":"4dde"}}],{beside}}}"#);
            let whole = r#"{"application_builds":[{"app_hash":"5eef"}]}"#;
            let mut server = Server::new_async().await;
            server
                .mock("GET", APPLICATIONS)
                .with_body(format!("[{application},{whole}]"))
                .create_async()
                .await;

            let listed = listed_by(&server).await.expect("a list");

            let sign = listed.completeness.not_whole;
            assert_eq!(sign.is_none(), proves, "{why}: {sign:?}");
            assert!(!sign.unwrap_or_default().contains("k3y-of"), "{why}");
            assert_eq!(listed.list.len(), 2, "{why}");
        }
    }

    #[tokio::test]
    async fn all_applications_together_hold_no_more_builds_than_a_list_may() {
        let most = json::MOST_ENTRIES;
        for (of_each, is_read) in [(most / 2, true), (most / 2 + 1, false)] {
            let builds = vec![r#"{"app_hash":"a"}"#; of_each].join(",");
            let application = format!(r#"{{"application_builds":[{builds}]}}"#);
            let mut server = Server::new_async().await;
            server
                .mock("GET", APPLICATIONS)
                .with_body(format!("[{application},{application}]"))
                .create_async()
                .await;

            let listed = listed_by(&server).await;

            assert_eq!(listed.is_ok(), is_read, "{of_each} of each");
        }
    }
}
