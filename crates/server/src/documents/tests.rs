//! What is not reached. What is, the end-to-end tests show with a real provider.

use super::*;

fn documents(networks: &[&str]) -> HttpsDocuments {
    let networks = networks.iter().map(|network| Network::parse(network).unwrap()).collect();
    HttpsDocuments::new(networks, None).unwrap()
}

async fn why(documents: &HttpsDocuments, url: &str) -> String {
    documents.get(url).await.unwrap_err().0
}

#[tokio::test]
async fn urls_that_lead_inside_are_refused() {
    let documents = documents(&[]);
    for url in [
        "https://127.0.0.1/",
        "https://127.0.0.1:9000/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
    ] {
        let why = why(&documents, url).await;
        assert!(why.contains("neither public nor in `oidc_private_networks`"), "{url}: {why}");
    }
}

#[tokio::test]
async fn urls_of_other_kinds_are_refused() {
    let documents = documents(&["127.0.0.0/8"]);
    for url in
        ["http://127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "/etc/passwd", "", "https://a@127.0.0.1/"]
    {
        assert!(why(&documents, url).await.starts_with("the URL"), "{url}");
    }
}

#[tokio::test]
async fn what_speaks_no_tls_is_refused() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let plain = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n{}").await.unwrap();
    });
    assert!(why(&documents(&["127.0.0.1"]), &url).await.starts_with("TLS: "));
    plain.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_says_nothing_is_not_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    assert_eq!(why(&documents(&["127.0.0.1"]), &url).await, "it takes too long");
}

#[test]
fn an_authority_that_is_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    assert!(HttpsDocuments::new(Vec::new(), Some(&path)).is_err());
    std::fs::write(&path, "no certificate").unwrap();
    assert!(HttpsDocuments::new(Vec::new(), Some(&path)).is_err());
}
