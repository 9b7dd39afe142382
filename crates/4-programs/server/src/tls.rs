//! The TLS door: a client certificate is optional, but one that our authority did not sign ends the handshake.

use crate::{
    ServerError,
    authority::{Authority, Bearer},
    serving::Serving,
};
use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// A handshake takes a few round trips; who needs longer holds a socket for nothing.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's head and of what is read or written at once: also the memory of a connection that idles.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Time for the head of a request: against clients that send a byte a minute.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long running requests may take to end when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a failed accept: the usual cause is too many open files, which time cures.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Waits for the end of the server.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone is an end, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Who is at the other end: the host whose certificate was verified, or nobody in particular.
#[derive(Debug, Clone)]
pub(crate) struct Peer(pub(crate) Option<Bearer>);

/// The rules of the handshake.
pub(crate) fn config(
    authority: &Authority,
    serving: Arc<Serving>,
) -> Result<Arc<ServerConfig>, ServerError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.der().clone())
        .map_err(ServerError::authority("trust the own authority"))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(ServerError::authority("check client certificates"))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ServerError::authority("choose TLS versions"))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(serving);
    // Every handshake checks the certificate itself: a session that goes on would outlive it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves `router` on `listener` until `stop` turns true, then lets running requests end.
pub(crate) async fn serve(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let acceptor = TlsAcceptor::from(config);
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, from)) => {
                let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
                connections.spawn(connection(stream, from, acceptor, router, stop));
            }
            Err(error) => {
                tracing::warn!(error = refit_names::chain(&error), "connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, async {
        while connections.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!(left = connections.len(), "connections were cut at shutdown");
    }
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: TlsAcceptor,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    // Small answers shall not wait for more to come.
    let _ = stream.set_nodelay(true);
    // On the heap and gone afterwards: a connection that idles for days shall not carry the room of its handshake.
    let handshake = Box::pin(tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)));
    let stream = match handshake.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(%from, error = refit_names::chain(&error), "handshake was refused");
            return;
        }
        Err(_) => {
            tracing::info!(%from, "handshake took too long");
            return;
        }
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let peer = Peer(certificate.and_then(Bearer::of));
    let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request.map(axum::body::Body::new)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX);
    builder.http2().timer(TokioTimer::new());
    let serving = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = stopped(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, error = error.to_string(), "connection ended");
    }
}
