//! How does Sofy list the builds that were uploaded? The same for both generations of keys.

use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::api::BuildList;
use super::error::{ApiError, ErrorKind};
use super::http::Http;
use super::json::{self, Text};
use crate::model::schedule::Build;

const APPLICATIONS: &str = "/application-microservice/public/applications";

/// The list of builds of one account.
#[derive(Clone, Debug)]
pub(crate) struct Builds {
    http: Http,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireApplication {
    application_guid: Text,
    /// Read one application after the other, so that together they are no more than a list may hold.
    application_builds: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireBuild {
    app_hash: Text,
    build_id: Text,
    build_friendly_name: Text,
}

impl Builds {
    /// Shares a client.
    pub(super) const fn over(http: Http) -> Self {
        Self { http }
    }

    /// Lists every build, and counts what cannot be read.
    pub(crate) async fn list(&self) -> Result<BuildList, ApiError> {
        let request = with_key(&self.http, Method::GET, APPLICATIONS, &[])?;
        let call = format!("GET {APPLICATIONS}");
        let answer = self.http.send(&call, request).await?;
        let applications = answer.list::<WireApplication>("the list of builds")?;
        let mut all = BuildList {
            completeness: applications.completeness,
            ..BuildList::default()
        };
        for application in applications.entries {
            let Ok(WireApplication {
                application_guid,
                application_builds,
            }) = application
            else {
                all.unreadable += 1;
                continue;
            };
            let Some(raw) = application_builds else {
                continue;
            };
            let guid = answer.text(application_guid);
            let Ok(builds) = json::entries::<WireBuild>(raw.get()) else {
                all.unreadable += 1;
                continue;
            };
            for build in builds {
                match build {
                    Ok(build) if !build.app_hash.is_empty() => all.list.push(Build {
                        app_hash: answer.text(build.app_hash),
                        application: guid.clone(),
                        id: answer.text(build.build_id),
                        friendly_name: answer.text(build.build_friendly_name),
                    }),
                    Ok(_) | Err(_) => all.unreadable += 1,
                }
            }
            if all.list.len() + all.unreadable > json::MOST_ENTRIES {
                return Err(answer.unreadable("it lists too many builds"));
            }
        }
        Ok(all)
    }
}

/// Begins a request of the public API, with the key in its header.
pub(super) fn with_key(
    http: &Http,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
) -> Result<RequestBuilder, ApiError> {
    Ok(http
        .request(method, path, query)
        .header("x-sofy-auth-key", key_as_header(http)?))
}

/// The key as a header's value, which no debug text shows.
pub(super) fn key_as_header(http: &Http) -> Result<HeaderValue, ApiError> {
    let mut key = HeaderValue::from_str(http.key().expose()).map_err(|_| {
        ApiError::new(
            ErrorKind::Rejected,
            "the input api-key cannot be sent as a header",
        )
    })?;
    key.set_sensitive(true);
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ApiKey;
    use mockito::Server;
    use reqwest::Url;

    fn builds_of(server: &Server) -> Builds {
        _ = rustls::crypto::ring::default_provider().install_default();
        let url = Url::parse(&server.url()).expect("a URL");
        let key = ApiKey::new("k3y-of-builds".into());
        Builds::over(Http::new(Some(&url), "", key).expect("a client"))
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

        let listed = builds_of(&server).list().await.expect("a list");

        let build = Build {
            app_hash: "***".into(),
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
                r#"{"data":[{"application_guid":"g","application_builds":[null,{"app_hash":7},{"build_id":"1"},"x"]}]}"#,
                Some((1, 3)),
                "one that can be read",
            ),
            (
                r#"[7,{"application_builds":"x"},{"application_builds":[{"app_hash":"4dde"}]}]"#,
                Some((1, 2)),
                "applications that cannot be read",
            ),
            (
                r#"[{"application_builds":null},{"application_builds":[]},{}]"#,
                Some((0, 0)),
                "no builds",
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

            let listed = builds_of(&server).list().await.ok();

            let found = listed.map(|all| (all.list.len(), all.unreadable));

            assert_eq!(found, expected, "{why}");
            list.assert_async().await;
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

            let listed = builds_of(&server).list().await;

            assert_eq!(listed.is_ok(), is_read, "{of_each} of each");
        }
    }
}
