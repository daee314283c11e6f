//! Which certificates and which proxy does a client use? Those that the environment names, as for curl.

use std::env;
use std::ffi::OsString;
use std::net::IpAddr;

use reqwest::{ClientBuilder, Proxy, Url};
#[cfg(not(target_os = "macos"))]
use {
    rustls::{ClientConfig, RootCertStore, crypto::ring},
    rustls_native_certs::load_certs_from_paths,
    std::path::{Path, PathBuf},
    std::sync::Arc,
};

use super::error::{ApiError, ErrorKind};
#[cfg(all(any(test, fuzzing), not(target_os = "macos")))]
use crate::tests::network as simulated;

/// Gives the value of a variable.
type Variable = dyn Fn(&str) -> Option<OsString>;

/// The certificates that are trusted.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    #[cfg(not(target_os = "macos"))]
    tls: ClientConfig,
}

impl Transport {
    /// Reads the certificates, which root alone may be allowed to. On macOS the keychain decides.
    pub(super) fn open() -> Result<Self, ApiError> {
        #[cfg(all(any(test, fuzzing), not(target_os = "macos")))]
        if simulated::network().is_some() {
            let tls = trusting(RootCertStore::empty())?;
            return Ok(Self { tls });
        }
        Ok(Self {
            #[cfg(not(target_os = "macos"))]
            tls: trusting(roots(&|name| env::var_os(name))?)?,
        })
    }

    /// Tells a client which certificates to trust, and by which proxy to reach a base URL.
    pub(super) fn configure(
        &self,
        client: ClientBuilder,
        base: &Url,
    ) -> Result<ClientBuilder, ApiError> {
        #[cfg(not(target_os = "macos"))]
        let client = client.tls_backend_preconfigured(self.tls.clone());
        let proxy = proxy(&|name| env::var_os(name), base)?;
        // Else it would look for variables by rules of its own.
        Ok(match proxy {
            Some(proxy) => client.no_proxy().proxy(proxy),
            None => client.no_proxy(),
        })
    }
}

/// An environment in which no call can be sent.
fn unusable(message: String, advice: &str) -> ApiError {
    ApiError::new(ErrorKind::NotSent, message)
        .advise(advice)
        .permanent()
}

fn named(variable: &Variable, names: &[&'static str]) -> Option<(&'static str, OsString)> {
    let value = |name| Some((name, variable(name)?));
    // A variable that a workflow sets to nothing is blank.
    let is_given = |(_, value): &(_, OsString)| !value.to_string_lossy().trim().is_empty();
    names.iter().filter_map(|name| value(*name)).find(is_given)
}

/// The proxy for a base URL. None for plain http: a proxy would read the key.
fn proxy(variable: &Variable, base: &Url) -> Result<Option<Proxy>, ApiError> {
    const ADVICE: &str =
        "Name an HTTP proxy, such as http://proxy.example.com:3128, or list the host in NO_PROXY.";
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let exempt = named(variable, &["NO_PROXY", "no_proxy"])
        .is_some_and(|(_, list)| is_exempt(&list.to_string_lossy(), base));
    let (name, value) = match named(variable, &names) {
        Some(found) if base.scheme() == "https" && !exempt => found,
        Some(_) | None => return Ok(None),
    };
    let text = value.to_string_lossy().trim().to_owned();
    let text = if text.contains("://") {
        text
    } else {
        format!("http://{text}")
    };
    // Neither message quotes the value, which may contain a password.
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            Proxy::https(url).map(Some).map_err(|_| ())
        }
        Ok(url) if url.scheme().starts_with("socks") => {
            let message =
                format!("the variable {name} names a SOCKS proxy, which is not supported");
            return Err(unusable(message, ADVICE));
        }
        Ok(_) | Err(_) => Err(()),
    }
    .map_err(|()| {
        unusable(
            format!("the variable {name} does not name an HTTP proxy"),
            ADVICE,
        )
    })
}

/// Tells whether `NO_PROXY` lists a host: by its name, a name above it, its address or its network.
fn is_exempt(list: &str, base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default().to_lowercase();
    let host = host.trim_matches(['[', ']']).trim_end_matches('.');
    let address: Option<IpAddr> = host.parse().ok();
    let separators = |c: char| c == ',' || c.is_whitespace();
    list.to_lowercase().split(separators).any(|entry| {
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if name.ends_with(']') || !name.contains(':') => (name, Some(port)),
            Some(_) | None => (entry, None),
        };
        if port.is_some_and(|port| port.parse().ok() != base.port_or_known_default()) {
            return false;
        }
        let name = name.trim_matches(['[', ']']);
        let above = name
            .trim_start_matches('*')
            .trim_start_matches('.')
            .trim_end_matches('.');
        match (name, address) {
            ("*", _) => true,
            (_, Some(address)) => name.parse() == Ok(address) || is_in_network(address, name),
            (_, None) => {
                let rest = host.strip_suffix(above).filter(|_| !above.is_empty());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    })
}

/// Tells whether an address is in a network such as `10.0.0.0/8`.
fn is_in_network(address: IpAddr, network: &str) -> bool {
    let (network, bits) = network.split_once('/').unwrap_or_default();
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let is_same = |one: u128, other: u128, width: u32| {
        let rest = width.checked_sub(bits);
        rest.is_some_and(|rest| one.checked_shr(rest) == other.checked_shr(rest))
    };
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            is_same(one.to_bits().into(), other.to_bits().into(), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => is_same(one.to_bits(), other.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// The certificates that the environment names, else the system's. An odd one among others is skipped.
#[cfg(not(target_os = "macos"))]
fn roots(variable: &Variable) -> Result<RootCertStore, ApiError> {
    let mut roots = RootCertStore::empty();
    let file = named(variable, &["SSL_CERT_FILE"]);
    let folders = named(variable, &["SSL_CERT_DIR"]);
    if file.is_none() && folders.is_none() {
        let system = openssl_probe::probe();
        let first = system.cert_dir.first().map(PathBuf::as_path);
        let loaded = load_certs_from_paths(system.cert_file.as_deref(), first);
        roots.add_parsable_certificates(loaded.certs);
        return Ok(roots);
    }
    for (name, value) in [file, folders].into_iter().flatten() {
        let paths: Vec<PathBuf> = match name {
            "SSL_CERT_DIR" => env::split_paths(&value).collect(),
            _ => vec![PathBuf::from(&value)],
        };
        let mut problem = "contains no certificate in PEM form".to_owned();
        let mut trusted = 0;
        for path in paths.iter().map(PathBuf::as_path) {
            let loaded = match name {
                "SSL_CERT_DIR" => load_certs_from_paths(None, Some(path)),
                _ => load_certs_from_paths(Some(path), None),
            };
            trusted += roots.add_parsable_certificates(loaded.certs).0;
            if let Some(error) = readable(path).err() {
                problem = format!("cannot be read ({error})");
            }
        }
        if trusted == 0 {
            return Err(unusable(
                format!("the variable {name} is {value:?}, which {problem}"),
                "Name CA certificates in PEM form that the step can read (in a container: below the workspace), or \
                 leave the variable blank to trust the system's.",
            ));
        }
    }
    Ok(roots)
}

#[cfg(not(target_os = "macos"))]
fn readable(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return path.read_dir().map(|_| ());
    }
    std::fs::File::open(path).map(|_| ())
}

#[cfg(not(target_os = "macos"))]
fn trusting(roots: RootCertStore) -> Result<ClientConfig, ApiError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(format!("TLS cannot start: {error}"), "Please report this."))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &'static [(&'static str, &'static str)]) -> Box<Variable> {
        Box::new(|wanted| {
            let found = pairs.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn no_proxy_lists_names_addresses_networks_and_ports() {
        for (list, base, exempt, why) in [
            ("sofy.ai", "https://sofy.ai", true, "the name"),
            ("sofy.ai", "https://public.sofy.ai", true, "a name below it"),
            (".sofy.ai", "https://public.sofy.ai", true, "with a dot"),
            (".sofy.ai", "https://sofy.ai", true, "with a dot, itself"),
            ("*.sofy.ai", "https://a.public.sofy.ai", true, "with a star"),
            ("*.sofy.ai", "https://sofy.ai", true, "with a star, itself"),
            ("SOFY.ai", "https://sofy.AI", true, "in another case"),
            (
                "sofy.ai",
                "https://notsofy.ai",
                false,
                "the end of another name",
            ),
            (
                "public.sofy.ai",
                "https://sofy.ai",
                false,
                "a name above it",
            ),
            ("a.b sofy.ai", "https://sofy.ai", true, "behind a space"),
            ("a.b,\tsofy.ai,", "https://sofy.ai", true, "behind a comma"),
            ("sofy.ai:443", "https://sofy.ai", true, "with its port"),
            (
                "sofy.ai:8443",
                "https://sofy.ai:8443",
                true,
                "with another port",
            ),
            (
                "sofy.ai:8443",
                "https://sofy.ai",
                false,
                "with a port of something else",
            ),
            (
                ".sofy.ai:443",
                "https://a.sofy.ai",
                true,
                "below, with its port",
            ),
            ("sofy.ai:https", "https://sofy.ai", false, "with no port"),
            ("*", "https://sofy.ai", true, "everything"),
            ("*", "https://10.1.2.3", true, "everything, addresses too"),
            ("*:443", "https://sofy.ai", true, "everything on a port"),
            ("10.1.2.3", "https://10.1.2.3", true, "an address"),
            (
                "10.1.2.3:443",
                "https://10.1.2.3",
                true,
                "an address with a port",
            ),
            ("10.0.0.0/8", "https://10.1.2.3", true, "a network"),
            ("10.0.0.0/16", "https://10.1.2.3", false, "another network"),
            ("0.0.0.0/0", "https://10.1.2.3", true, "every network"),
            ("10.0.0.0/33", "https://10.1.2.3", false, "no network"),
            ("::1", "https://[::1]", true, "an address of six"),
            ("[::1]:443", "https://[::1]", true, "with a port"),
            ("[::1]", "https://[::1]", true, "in brackets"),
            ("fd00::/8", "https://[fd12::1]", true, "a network of six"),
            (
                "10.0.0.0/8",
                "https://[fd12::1]",
                false,
                "a network of four",
            ),
            ("2.3", "https://10.1.2.3", false, "the end of an address"),
            ("", "https://sofy.ai", false, "nothing"),
            (".", "https://sofy.ai", false, "a dot"),
        ] {
            let base = Url::parse(base).expect("a URL");

            assert_eq!(is_exempt(list, &base), exempt, "{list}, {base}: {why}");
        }
    }

    #[test]
    fn a_proxy_is_taken_from_the_first_variable_that_is_not_blank() {
        for (pairs, base, expected, why) in [
            (
                &[("HTTPS_PROXY", "http://p:1")][..],
                "https://a",
                Ok(true),
                "it is set",
            ),
            (
                &[("HTTPS_PROXY", " "), ("https_proxy", "p:1")],
                "https://a",
                Ok(true),
                "blank is absent",
            ),
            (
                &[("ALL_PROXY", "http://p")],
                "https://a",
                Ok(true),
                "for all",
            ),
            (
                &[("HTTP_PROXY", "http://p")],
                "https://a",
                Ok(false),
                "for http only",
            ),
            (
                &[("HTTP_PROXY", "http://p"), ("ALL_PROXY", "http://p")],
                "http://a",
                Ok(false),
                "it would read the key",
            ),
            (
                &[
                    ("ALL_PROXY", "http://p"),
                    ("NO_PROXY", ""),
                    ("no_proxy", "a"),
                ],
                "https://a",
                Ok(false),
                "exempt",
            ),
            (
                &[("ALL_PROXY", "socks5://u:pa55@p")],
                "https://a",
                Err("ALL_PROXY names a SOCKS proxy"),
                "SOCKS",
            ),
            (
                &[("ALL_PROXY", "socks5://p"), ("NO_PROXY", "a")],
                "https://a",
                Ok(false),
                "SOCKS, exempt",
            ),
            (
                &[("https_proxy", "ftp://u:pa55@p")],
                "https://a",
                Err("https_proxy does not name"),
                "another protocol",
            ),
            (
                &[("https_proxy", "http://")],
                "https://a",
                Err("https_proxy does not name"),
                "no host",
            ),
        ] {
            let found = proxy(&*variables(pairs), &Url::parse(base).expect("a URL"));

            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.is_some(), expected, "{why}"),
                (Err(error), Err(words)) => {
                    assert!(error.message.contains(words), "{why}: {}", error.message);
                    assert!(!format!("{error:?}").contains("pa55"), "{why}");
                    assert!(!error.is_transient(), "{why}");
                }
                (found, _) => panic!("{why}: {found:?}"),
            }
        }
    }

    /// An authority that nobody has the key of.
    #[cfg(not(target_os = "macos"))]
    const GOOD: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBdTCCARugAwIBAgIUTqF0DILPi3GjzUNAVhBC7QB4OAkwCgYIKoZIzj0EAwIw\n\
        DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjkyMDMyMTVaGA8yMTI2MTEwNTIwMzIx\n\
        NVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABB6q\n\
        scXZ9tClBQHaDXEGnGIrdqSrdJFZvWVt9aBvGBXJjS5jaIfbY4PBbvD573hMyg+B\n\
        QRX5wTDH72ELFXqBUZujUzBRMB0GA1UdDgQWBBSYiH7rWRLee2JJllbPYaakvLSq\n\
        2DAfBgNVHSMEGDAWgBSYiH7rWRLee2JJllbPYaakvLSq2DAPBgNVHRMBAf8EBTAD\n\
        AQH/MAoGCCqGSM49BAMCA0gAMEUCIGYUiqYlP96mZ95H2aWNRtxnJLRzdtnvP76u\n\
        kx3o2iyJAiEAj+5FzfOXq/HT0Tev267UfhvvBUt9ZfGTczKblS8auK0=\n\
        -----END CERTIFICATE-----\n";

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn certificates_are_read_from_where_a_variable_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("a file");
        };
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        write("good.pem", GOOD);
        write("mixed.pem", &format!("# a comment\n{odd}{GOOD}"));
        write("odd.pem", odd);
        for sub in ["good", "empty"] {
            std::fs::create_dir(folder.path().join(sub)).expect("a folder");
        }
        write("good/ca.crt", GOOD);
        let path = |name: &str| folder.path().join(name).into_os_string();
        let both = env::join_paths([path("absent"), path("good")]).expect("paths");
        for (name, value, expected, why) in [
            ("SSL_CERT_FILE", path("good.pem"), Ok(1), "a file"),
            ("SSL_CERT_FILE", path("mixed.pem"), Ok(1), "with an odd one"),
            (
                "SSL_CERT_FILE",
                path("odd.pem"),
                Err("no certificate"),
                "only odd ones",
            ),
            (
                "SSL_CERT_FILE",
                path("absent.pem"),
                Err("cannot be read"),
                "no file",
            ),
            ("SSL_CERT_DIR", path("good"), Ok(1), "a folder"),
            (
                "SSL_CERT_DIR",
                both,
                Ok(1),
                "two folders, one of them absent",
            ),
            (
                "SSL_CERT_DIR",
                path("empty"),
                Err("no certificate"),
                "an empty folder",
            ),
            (
                "SSL_CERT_DIR",
                path("absent"),
                Err("cannot be read"),
                "no folder",
            ),
        ] {
            let quoted = format!("{value:?}");
            let given = value.clone();
            let variable = move |wanted: &str| (wanted == name).then(|| given.clone());

            let found = roots(&variable).map(|roots| roots.len());

            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{why}"),
                (Err(error), Err(words)) => {
                    assert!(error.message.contains(words), "{why}: {}", error.message);
                    assert!(error.message.contains(&quoted), "{why}: {}", error.message);
                    assert!(error.message.contains(name), "{why}: {}", error.message);
                }
                (found, _) => panic!("{why}: {found:?}"),
            }
        }
        let blank = variables(&[("SSL_CERT_FILE", ""), ("SSL_CERT_DIR", " ")]);
        let absent = variables(&[]);
        let count = |variable: &Variable| roots(variable).map(|roots| roots.len());
        assert_eq!(count(&*blank), count(&*absent), "blank is absent");
    }
}
