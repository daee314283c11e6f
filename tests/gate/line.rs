//! A line to the fake Sofy that fails on purpose, below HTTP where it must.
//!
//! Whatever arrives is passed on, and connections are kept open as real servers keep them. One call, chosen by its
//! place in the story, meets a fault, which has the connection, the request and Sofy's true answer at hand.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fake_sofy::FakeSofy;

/// The calls of a step, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Of an upload, which has no other call but the list of builds.
    Upload,
    Builds,
    Baseline,
    Trigger,
    Group,
    Rows,
    Abort,
}

/// What goes wrong with a call.
#[derive(Clone)]
pub(crate) enum Fault {
    /// It is asked, and this is what happens instead of the answer.
    Asked(Arc<Play>),
    /// Its connection ends before anything is read.
    Accepted(fn(&TcpStream) -> io::Result<()>),
    /// Its connection speaks TLS with another identity.
    Identity(Arc<ServerConfig>),
    /// Nobody listens, until [`Line::listen_again`].
    Refused,
}

/// What is said instead of an answer.
pub(crate) type Play = dyn Fn(&mut Talk<'_>) -> io::Result<()> + Send + Sync;

/// What happens to a call that is asked.
pub(crate) fn asked(
    play: impl Fn(&mut Talk<'_>) -> io::Result<()> + Send + Sync + 'static,
) -> Fault {
    Fault::Asked(Arc::new(play))
}

/// What a line does.
pub(crate) struct Plan {
    pub(crate) at: Call,
    pub(crate) fault: Fault,
    /// How many times in a row the call meets the fault.
    pub(crate) times: u32,
    /// With whose identity it speaks TLS; without, it speaks HTTP.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Plan {
    /// One call meets the fault once.
    pub(crate) const fn once(at: Call, fault: Fault) -> Self {
        Self {
            at,
            fault,
            times: 1,
            tls: None,
        }
    }
}

/// How many lines have refused so far.
static REFUSED: AtomicU8 = AtomicU8::new(1);

/// The line; it hangs up when dropped.
pub(crate) struct Line(Arc<Shared>);

struct Shared {
    plan: Plan,
    sofy: SocketAddr,
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    listening: bool,
    hung_up: bool,
    faults: u32,
    connections: usize,
    asked: Vec<(Call, String)>,
}

impl Line {
    pub(crate) fn start(fake: &FakeSofy, plan: Plan) -> Self {
        let host = match plan.fault {
            // An address of its own, so that nobody else takes the port while nobody listens.
            Fault::Refused if cfg!(target_os = "linux") => {
                let number = REFUSED.fetch_add(1, Ordering::SeqCst);
                IpAddr::from([127, 0, 1, number])
            }
            _ => IpAddr::from([127, 0, 0, 1]),
        };
        let listener = TcpListener::bind((host, 0)).unwrap();
        let shared = Arc::new(Shared {
            plan,
            sofy: fake.address(),
            address: listener.local_addr().unwrap(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        shared.listen(listener);
        shared.hang_up_before_the_call();
        Self(shared)
    }

    pub(crate) fn url(&self) -> String {
        let scheme = match self.0.plan.tls {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{}", self.0.address)
    }

    /// How often the fault was met.
    pub(crate) fn faults(&self) -> u32 {
        self.0.state().faults
    }

    pub(crate) fn connections(&self) -> usize {
        self.0.state().connections
    }

    /// The heads of the requests of a call that arrived.
    pub(crate) fn asked(&self, call: Call) -> Vec<String> {
        let asked = self.0.state().asked.clone();
        asked
            .into_iter()
            .filter(|(of, _)| *of == call)
            .map(|(_, head)| head)
            .collect()
    }

    /// Ends [`Fault::Refused`].
    pub(crate) fn listen_again(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let listener = loop {
            match TcpListener::bind(self.0.address) {
                Ok(listener) => break listener,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            thread::sleep(Duration::from_millis(50));
        };
        self.0.listen(listener);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.hang_up();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(self: &Arc<Self>, listener: TcpListener) {
        self.state().listening = true;
        let shared = Arc::clone(self);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if !shared.state().listening {
                    break;
                }
                shared.state().connections += 1;
                let shared = Arc::clone(&shared);
                // A client that hangs up, or dislikes a certificate, does what it is meant to do.
                thread::spawn(move || shared.serve(socket).ok());
            }
            // A process that is being started has all our file descriptors until it becomes its program. Closing is not enough.
            socket2::SockRef::from(&listener)
                .shutdown(Shutdown::Both)
                .ok();
            drop(listener);
            shared.state().hung_up = true;
            shared.changed.notify_all();
        });
    }

    /// Stops listening, and returns once nobody listens.
    fn hang_up(&self) {
        let mut state = self.state();
        if !state.listening {
            return;
        }
        state.listening = false;
        state.hung_up = false;
        drop(state);
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        let state = self.state();
        drop(self.changed.wait_while(state, |state| !state.hung_up));
    }

    fn hang_up_before_the_call(&self) {
        if matches!(self.plan.fault, Fault::Refused) && self.fault_is_next() {
            self.hang_up();
        }
    }

    /// Tells whether the next connection is that of the call that meets the fault, and counts it.
    fn fault_is_next(&self) -> bool {
        let mut state = self.state();
        let next = match state.asked.last() {
            None if matches!(self.plan.at, Call::Builds | Call::Upload) => self.plan.at,
            None | Some((Call::Builds, _)) => Call::Baseline,
            Some((Call::Baseline, _)) => Call::Trigger,
            Some((Call::Trigger | Call::Rows, _)) => Call::Group,
            Some((Call::Group, _)) => Call::Rows,
            Some((Call::Abort, _)) => Call::Abort,
            Some((Call::Upload, _)) => Call::Builds,
        };
        let meets = next == self.plan.at && state.faults < self.plan.times;
        state.faults += u32::from(meets);
        meets
    }

    fn serve(&self, socket: TcpStream) -> io::Result<()> {
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        socket.set_nodelay(true)?;
        let mut identity = self.plan.tls.clone();
        // Whose fault is the connection's gives each call a connection.
        let a_call_each = match &self.plan.fault {
            Fault::Asked(_) => false,
            Fault::Refused => true,
            Fault::Accepted(fault) => {
                if self.fault_is_next() {
                    return fault(&socket);
                }
                true
            }
            Fault::Identity(other) => {
                if self.fault_is_next() {
                    identity = Some(Arc::clone(other));
                }
                true
            }
        };
        let mut stream: Box<dyn Stream> = match identity {
            Some(config) => Box::new(StreamOwned::new(
                ServerConnection::new(config).map_err(io::Error::other)?,
                socket.try_clone()?,
            )),
            None => Box::new(socket.try_clone()?),
        };
        while let Some(request) = read_request(&mut stream)? {
            let call = self.note(&request);
            let mut talk = Talk {
                stream: &mut *stream,
                socket: &socket,
                request,
                sofy: self.sofy,
                kept_open: false,
            };
            match &self.plan.fault {
                Fault::Asked(fault) if self.meets(call) => {
                    fault(&mut talk)?;
                    if !talk.kept_open {
                        return Ok(());
                    }
                }
                Fault::Asked(_) | Fault::Accepted(_) | Fault::Identity(_) | Fault::Refused => {
                    let (head, body) = talk.answer()?;
                    self.hang_up_before_the_call();
                    let connection = if a_call_each { "close" } else { "keep-alive" };
                    talk.say(format!("{head}Connection: {connection}\r\n\r\n{body}"))?;
                    if a_call_each {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn note(&self, request: &[u8]) -> Call {
        let text = String::from_utf8_lossy(request);
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let target = head.split(' ').nth(1).unwrap_or_default();
        let mut state = self.state();
        let triggered = state.asked.iter().any(|(call, _)| *call == Call::Trigger);
        let call = if target.ends_with("/ScheduleAutomatedTestRun") || target.contains("/execute") {
            Call::Trigger
        } else if target.contains("/build-upload") || target.ends_with("/buildUpload") {
            Call::Upload
        } else if target.ends_with("/applications") {
            Call::Builds
        } else if target.contains("/abort/") {
            Call::Abort
        } else if !triggered {
            Call::Baseline
        } else if target.contains("GroupID=") || target.ends_with("/test-run-groups") {
            Call::Group
        } else {
            Call::Rows
        };
        state.asked.push((call, head.to_owned()));
        call
    }

    fn meets(&self, call: Call) -> bool {
        let mut state = self.state();
        let meets = call == self.plan.at && state.faults < self.plan.times;
        state.faults += u32::from(meets);
        meets
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A conversation in which a fault speaks for Sofy.
pub(crate) struct Talk<'line> {
    stream: &'line mut dyn Stream,
    socket: &'line TcpStream,
    request: Vec<u8>,
    sofy: SocketAddr,
    kept_open: bool,
}

impl Talk<'_> {
    /// Passes the request on: the head of Sofy's answer, up to the end of its last field, and the body.
    pub(crate) fn answer(&self) -> io::Result<(String, String)> {
        let mut sofy = TcpStream::connect(self.sofy)?;
        sofy.write_all(&self.request)?;
        let mut answer = String::new();
        sofy.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let fields = head
            .split_inclusive("\r\n")
            .filter(|field| !field.starts_with("Connection"));
        let head = fields.collect::<String>().trim_end().to_owned() + "\r\n";
        Ok((head, body.to_owned()))
    }

    /// Passes the request on, for the body of Sofy's answer.
    pub(crate) fn body(&self) -> io::Result<String> {
        Ok(self.answer()?.1)
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// A whole answer with this status line, more fields, and this body.
    pub(crate) fn whole(
        &mut self,
        status: &str,
        fields: &str,
        body: impl AsRef<[u8]>,
    ) -> io::Result<()> {
        let body = body.as_ref();
        let length = body.len();
        self.say(format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{fields}\r\n"
        ))?;
        self.say(body)
    }

    /// Says the same again and again, until the client has had enough of it.
    pub(crate) fn endlessly(&mut self, bytes: &[u8], pause: Duration) -> io::Result<()> {
        loop {
            self.say(bytes)?;
            thread::sleep(pause);
        }
    }

    /// Keeps the connection open for the next request.
    pub(crate) const fn keep_open(&mut self) {
        self.kept_open = true;
    }

    /// Makes the end of the connection a reset.
    pub(crate) fn reset(&self) -> io::Result<()> {
        reset(self.socket)
    }

    /// Waits until the client hangs up.
    pub(crate) fn silence(&mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(|_| ())
    }
}

/// Makes the end of a connection a reset.
pub(crate) fn reset(socket: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO))
}

/// Reads one request, with its body; nothing where the client has hung up.
fn read_request(stream: &mut Box<dyn Stream>) -> io::Result<Option<Vec<u8>>> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length: usize = head
                .lines()
                .find_map(|field| field.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().unwrap_or(0));
            if request.len() >= end + 4 + length {
                return Ok(Some(request));
            }
        }
        match stream.read(&mut piece)? {
            0 => return Ok(None),
            n => request.extend_from_slice(&piece[..n]),
        }
    }
}
