//! What stands in for the network where a world is simulated? The seam for tests below the parsers.
//!
//! reqwest and hyper want a reactor and real sockets, under which a paused clock runs away from the bytes.
//! So the head of an answer is what is replaced: whoever simulates gives status, headers and body as bytes.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use reqwest::{Client, Request, Response};

use crate::sofy::ApiError;

pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response, ApiError>>>>;

/// Plays the network.
pub(crate) type Network = Rc<dyn Fn(Request) -> Answer>;

thread_local! {
    static NETWORK: RefCell<Option<Network>> = const { RefCell::new(None) };
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
}

/// Puts a network in place of the real one, on this thread; none gives the real one back.
pub(crate) fn simulate(network: Option<Network>) {
    NETWORK.set(network);
}

pub(crate) fn network() -> Option<Network> {
    NETWORK.with_borrow(Clone::clone)
}

/// A client that builds requests and sends none. A real one reads all CA certificates, in every world.
pub(crate) fn client() -> Option<Client> {
    network()?;
    Some(CLIENT.with_borrow_mut(|client| client.get_or_insert_with(Client::new).clone()))
}
