//! Who does a server of a test say that it is? Fresh certificates each time, by an authority of our own.

use std::sync::{Arc, LazyLock};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

static OURS: LazyLock<Authority> = LazyLock::new(|| Authority::new("Ours"));
static ANOTHER: LazyLock<Authority> = LazyLock::new(|| Authority::new("Another"));

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }
}

/// By whom a certificate is issued, and for when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issued {
    Ours,
    Expired,
    NotYetValid,
    Another,
    SelfSigned,
}

/// The certificate of our authority, for `SSL_CERT_FILE`.
pub(crate) fn our_authority() -> String {
    OURS.certificate.pem()
}

/// The identity of a server by this name or address.
pub(crate) fn identity(host: &str, issued: Issued) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    match issued {
        Issued::Expired => params.not_after = date_time_ymd(2025, 1, 1),
        Issued::NotYetValid => params.not_before = date_time_ymd(2100, 1, 1),
        Issued::Ours | Issued::Another | Issued::SelfSigned => {}
    }
    let certificate = match issued {
        Issued::SelfSigned => params.self_signed(&key),
        Issued::Another => params.signed_by(&key, &ANOTHER.issuer),
        Issued::Ours | Issued::Expired | Issued::NotYetValid => {
            params.signed_by(&key, &OURS.issuer)
        }
    };
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.unwrap().der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        );
    Arc::new(config.unwrap())
}
