//! How does Sofy list the builds that were uploaded? The same for both generations of keys.

use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{ApiError, ErrorKind};
use super::http::Http;
use super::json;
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
    #[serde(deserialize_with = "json::text")]
    application_guid: String,
    /// Read one application after the other, so that together they are no more than a list may hold.
    application_builds: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireBuild {
    #[serde(deserialize_with = "json::text")]
    app_hash: String,
    #[serde(deserialize_with = "json::text")]
    build_id: String,
    #[serde(deserialize_with = "json::text")]
    build_friendly_name: String,
}

impl Builds {
    /// Shares a client.
    pub(super) const fn over(http: Http) -> Self {
        Self { http }
    }

    /// Lists every build. An entry that cannot be read proves nothing, so it is passed over.
    pub(crate) async fn list(&self) -> Result<Vec<Build>, ApiError> {
        let request = with_key(&self.http, Method::GET, APPLICATIONS, &[])?;
        let call = format!("GET {APPLICATIONS}");
        let answer = self.http.send(&call, request).await?;
        let applications: Vec<WireApplication> =
            self.http.list(&call, &answer.body, "the list of builds")?;
        let shown = |text: String| self.http.shown(text);
        let mut all = Vec::new();
        for application in applications {
            let Some(raw) = application.application_builds else {
                continue;
            };
            let guid = shown(application.application_guid);
            let builds: Vec<json::Lenient<WireBuild>> =
                self.http
                    .list(&call, raw.get(), "an application's builds")?;
            let readable = builds.into_iter().filter_map(|build| build.0);
            all.extend(
                readable
                    .filter(|build| !build.app_hash.is_empty())
                    .map(|build| Build {
                        app_hash: shown(build.app_hash),
                        application: guid.clone(),
                        id: shown(build.build_id),
                        friendly_name: shown(build.build_friendly_name),
                    }),
            );
            if all.len() > json::MOST_ENTRIES {
                let why = "it lists too many builds";
                return Err(self.http.unreadable(&call, &answer.body, why));
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
        assert_eq!(listed, [build]);
    }

    #[tokio::test]
    async fn the_documented_list_is_read_and_odd_entries_are_passed_over() {
        for (body, expected, why) in [
            (
                r#"{"data":[{"application_guid":"g","platform_name":"ANDROID","application_friendly_name":null,"application_builds":[{"app_hash":"4dde","build_id":"2.3.6(203060)","build_friendly_name":null,"build_package_name":"io.x.y"}]}],"message":"Fetched 1 record(s)"}"#,
                Some(1),
                "as documented",
            ),
            (
                r#"{"data":[{"application_guid":"g","application_builds":[null,{"app_hash":7},{"build_id":"1"},"x"]}]}"#,
                Some(1),
                "one that can be read",
            ),
            (
                r#"{"data":[{"application_guid":"g","application_builds":null}]}"#,
                Some(0),
                "no builds",
            ),
            (r#"{"data":null}"#, Some(0), "no applications"),
            ("<html>", None, "a gateway's page"),
        ] {
            let mut server = Server::new_async().await;
            let list = server
                .mock("GET", APPLICATIONS)
                .match_header("x-sofy-auth-key", "k3y-of-builds")
                .with_body(body)
                .create_async()
                .await;

            let found = builds_of(&server).list().await.ok().map(|list| list.len());

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
