//! Which certificates and which proxy does a client use? Those that the environment names, as for curl.

use std::env;
use std::ffi::OsString;
use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::{ClientBuilder, Proxy, Url};
#[cfg(not(target_os = "macos"))]
use {
    rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer},
    rustls_native_certs::load_certs_from_paths,
    std::io,
    std::path::{Path, PathBuf},
};

use super::error::{ApiError, Result};

/// Where Debian, Fedora, openSUSE, Alpine and others keep the system's certificates.
#[cfg(not(target_os = "macos"))]
const SYSTEM: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
];

/// Gives the value of a variable.
type Variable = dyn Fn(&str) -> Option<OsString>;

/// Gives a client its certificates, which root alone may be allowed to read, and its proxy to a base URL.
///
/// On macOS the keychain decides about certificates.
pub(super) fn configure(client: ClientBuilder, base: &Url) -> Result<ClientBuilder> {
    let variable = |name: &str| env::var_os(name);
    #[cfg(not(target_os = "macos"))]
    let client = {
        let tls = ClientConfig::builder().with_root_certificates(roots(&variable)?);
        client.tls_backend_preconfigured(tls.with_no_client_auth())
    };
    // Otherwise it would look for variables by rules of its own.
    let proxy = proxy(&variable, base)?.into_iter();
    Ok(proxy.fold(client.no_proxy(), ClientBuilder::proxy))
}

/// The first of these variables that is not blank, as one is that a workflow sets to nothing.
fn named(variable: &Variable, names: &[&'static str]) -> Option<(&'static str, String)> {
    let value = |name| Some(variable(name)?.to_string_lossy().trim().to_owned());
    let mut values = names.iter().filter_map(|name| Some((*name, value(name)?)));
    values.find(|(_, value)| !value.is_empty())
}

/// The proxy for a base URL. None for plain http: a proxy would read the key.
fn proxy(variable: &Variable, base: &Url) -> Result<Option<Proxy>> {
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let exempt = named(variable, &["NO_PROXY", "no_proxy"]);
    let is_exempt = exempt.is_some_and(|(_, list)| is_exempt(&list, base));
    let (name, value) = match named(variable, &names) {
        Some(found) if base.scheme() == "https" && !is_exempt => found,
        Some(_) | None => return Ok(None),
    };
    let scheme = if value.contains("://") { "" } else { "http://" };
    let url = Url::parse(&format!("{scheme}{value}")).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    if let Some(proxy) = url.and_then(|url| Proxy::https(url).ok()) {
        return Ok(Some(proxy));
    }
    // The message does not quote the value, which may contain a password.
    Err(ApiError::unusable(
        format!("the variable {name} does not name an HTTP proxy"),
        "Name an HTTP proxy, such as http://proxy.example.com:3128 (not SOCKS), or list the host in NO_PROXY.",
    ))
}

/// Tells whether `NO_PROXY` lists a host: by its name, a name above it, its address or its network.
fn is_exempt(list: &str, base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let host = host.trim_matches(['[', ']']).trim_end_matches('.');
    let base_port = base.port_or_known_default();
    let list = list.to_lowercase();
    // Elsewhere, a colon is part of an address of version six.
    let is_whole = |name: &str| name.ends_with(']') || !name.contains(':');
    let mut entries = list.split(|c: char| c == ',' || c.is_whitespace());
    entries.any(|entry| {
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if is_whole(name) => (name, port.parse().ok()),
            Some(_) | None => (entry, base_port),
        };
        let name = name.trim_matches(['[', ']']);
        let lists_host = match host.parse::<IpAddr>() {
            Ok(address) if name.contains('/') => name
                .parse()
                .is_ok_and(|network: IpNet| network.contains(&address)),
            Ok(address) => name.parse() == Ok(address),
            Err(_) => {
                let above = name.trim_start_matches(['*', '.']).trim_end_matches('.');
                let below = host.strip_suffix(above).filter(|_| !above.is_empty());
                below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        };
        port == base_port && (name == "*" || lists_host)
    })
}

/// The certificates that the environment names, else the system's. An odd one among others is skipped.
#[cfg(not(target_os = "macos"))]
fn roots(variable: &Variable) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let variables = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| named(variable, &[name]));
    if variables.iter().all(Option::is_none) {
        let mut found = SYSTEM.iter().flat_map(|path| certificates(Path::new(path)));
        let system = found.find(|certificates| !certificates.is_empty());
        roots.add_parsable_certificates(system.unwrap_or_default());
        return Ok(roots);
    }
    for (name, value) in variables.into_iter().flatten() {
        let mut problem = "contains no certificate in PEM form".to_owned();
        let mut trusted = 0;
        let paths = match name {
            "SSL_CERT_DIR" => env::split_paths(&value).collect(),
            _ => vec![PathBuf::from(&value)],
        };
        for path in paths {
            match certificates(&path) {
                Ok(found) => trusted += roots.add_parsable_certificates(found).0,
                Err(error) => problem = format!("cannot be read ({error})"),
            }
        }
        if trusted == 0 {
            return Err(ApiError::unusable(
                format!("the variable {name} is {value:?}, which {problem}"),
                "Name CA certificates in PEM form that the step can read (in a container: below the workspace), or \
                 leave the variable blank to trust the system's.",
            ));
        }
    }
    Ok(roots)
}

/// The certificates in a file, or in the files of a folder.
#[cfg(not(target_os = "macos"))]
fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let kind = path.metadata()?;
    if !kind.is_file() && !kind.is_dir() {
        // A pipe or a device may never end.
        return Err(io::Error::other("it is not a file"));
    }
    let [file, dir] = [kind.is_file(), kind.is_dir()].map(|fits| fits.then_some(path));
    let mut found = load_certs_from_paths(file, dir);
    match found.errors.pop().filter(|_| found.certs.is_empty()) {
        Some(error) => Err(io::Error::other(error)),
        None => Ok(found.certs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
                Err("ALL_PROXY does not name"),
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
            fs::write(folder.path().join(name), text).expect("a file");
        };
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        write("good.pem", GOOD);
        write("a:b.pem", GOOD);
        write("mixed.pem", &format!("# a comment\n{odd}{GOOD}"));
        write("odd.pem", odd);
        write("none.pem", "# a comment\n");
        let broken = "-----BEGIN CERTIFICATE-----\n";
        write("broken.pem", broken);
        for sub in ["good", "mixed", "empty"] {
            fs::create_dir(folder.path().join(sub)).expect("a folder");
        }
        write("good/ca.crt", GOOD);
        write("mixed/ca.crt", GOOD);
        write("mixed/broken.crt", broken);
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
                path("none.pem"),
                Err("no certificate"),
                "none at all",
            ),
            (
                "SSL_CERT_FILE",
                path("broken.pem"),
                Err("cannot be read"),
                "one that is cut off",
            ),
            (
                "SSL_CERT_FILE",
                path("a:b.pem"),
                Ok(1),
                "a colon in its name",
            ),
            (
                "SSL_CERT_FILE",
                "/dev/zero".into(),
                Err("cannot be read (it is not a file)"),
                "a device",
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
                path("mixed"),
                Ok(1),
                "one beside a good one",
            ),
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
        let pem = SYSTEM.map(|path| fs::read_to_string(path).unwrap_or_default());
        if pem.iter().any(|text| text.contains("BEGIN CERTIFICATE")) {
            let found = count(&*absent).expect("the system's");
            assert!(found > 0, "the system's are trusted if none are named");
        }
    }
}
