//! What would Sofy make of an upload? It reads the file in pieces, and never holds more than one of them.

use std::io::{BufRead, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::{Answer, Request, State, lock, respond};

/// What goes wrong with one upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UploadFault {
    /// Read, refused with these words, and not kept.
    Refused(u16, &'static str),
    /// Answered so before a byte of the file is read.
    Early(u16, &'static str),
    /// Answered so before a byte of the file is read; the rest is taken slowly, and counted as an upload.
    EarlyThenSlow(u16, &'static str),
    /// Answered with this head before a byte of the file is read; nothing is read or closed afterwards.
    EarlyThenOpen(&'static str),
    /// Answered so by a gateway, and not kept.
    Page(u16),
    /// Kept, and answered with a 500.
    ErrorAfterTheFact,
    /// Kept, and the connection ends without an answer.
    LostAnswer,
    /// Kept, and answered with this.
    Says(&'static str),
    /// The connection ends in the middle of the file.
    CutMidBody,
    /// Read, and never answered.
    Silent,
    /// Read, with a pause for each piece.
    Slow(Duration),
}

/// How Sofy makes the hash of a build: documented nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashes {
    Md5,
    /// No digest of the file.
    Opaque,
}

/// An upload as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) file_name: String,
    pub(crate) size: u64,
    pub(crate) md5: String,
}

/// A build that Sofy has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    pub(crate) app_hash: String,
    pub(crate) build_id: String,
    /// For so many looks the list does not show it.
    pub(crate) lags: u32,
}

/// The build that test runs name.
pub(crate) const BUILD: &str = "1.43.0(5768)";

const PIECE: usize = 64 * 1024;

pub(super) fn is_upload(request: &Request) -> bool {
    request.path().ends_with("/build-upload") || request.path().ends_with("/buildUpload")
}

/// Reads an upload and answers it, by the script's next line.
pub(super) fn take(
    request: &Request,
    reader: &mut impl BufRead,
    stream: &TcpStream,
    length: u64,
    state: &Mutex<State>,
) -> std::io::Result<Answer> {
    let fault = {
        let mut state = lock(state);
        state.requests.push(request.clone());
        let faults = &mut state.script.uploads;
        (!faults.is_empty()).then(|| faults.remove(0))
    };
    let classic = !request.path().ends_with("/build-upload");
    if let Some(UploadFault::Early(status, words)) = fault {
        respond(stream, refusal(classic, status, words))?;
        stream.shutdown(Shutdown::Write)?;
        std::io::copy(reader, &mut std::io::sink())?;
        return Ok(Answer::Nothing);
    }
    if let Some(UploadFault::EarlyThenSlow(status, body)) = fault {
        let answer = Answer::Whole(status, "application/json", body.to_owned());
        respond(stream, answer)?;
        let size = drain(reader);
        let upload = Upload {
            size,
            ..Upload::default()
        };
        lock(state).uploads.push(upload);
        return Ok(Answer::Nothing);
    }
    if let Some(UploadFault::EarlyThenOpen(head)) = fault {
        (&*stream).write_all(head.as_bytes())?;
        // Longer than any upload of the tests, unless it waits for this.
        thread::sleep(Duration::from_secs(60));
        return Ok(Answer::Nothing);
    }
    let Some(upload) = read(request, reader, stream, length, fault.as_ref())? else {
        return Ok(Answer::Nothing);
    };
    let is_silent = fault == Some(UploadFault::Silent);
    let answer = match request.header(if classic {
        "SubscriptionKey"
    } else {
        "x-sofy-auth-key"
    }) {
        None | Some("") => refusal(classic, 400, "Missing required headers."),
        Some(_) if lock(state).script.bad_key => refusal(classic, 401, "No user found."),
        Some(_) => lock(state).upload(classic, upload, fault),
    };
    if is_silent {
        stream.set_read_timeout(None)?;
        // The client hangs up one day.
        std::io::copy(reader, &mut std::io::sink()).ok();
    }
    Ok(answer)
}

/// Takes what comes, a piece every now and then, and counts it.
fn drain(reader: &mut impl BufRead) -> u64 {
    let mut size = 0;
    let mut piece = vec![0; PIECE];
    while let Ok(n @ 1..) = reader.read(&mut piece) {
        size += n as u64;
        thread::sleep(Duration::from_millis(10));
    }
    size
}

fn refusal(classic: bool, status: u16, words: &str) -> Answer {
    if classic {
        Answer::json(status, &json!({"Message": words}))
    } else {
        Answer::error(status, words)
    }
}

/// Reads a form whose last part is the file; nothing where the script cuts it short.
fn read(
    request: &Request,
    reader: &mut impl BufRead,
    mut stream: &TcpStream,
    length: u64,
    fault: Option<&UploadFault>,
) -> std::io::Result<Option<Upload>> {
    if request.header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let boundary = request
        .header("content-type")
        .and_then(|kind| kind.split_once("boundary="))
        .map(|(_, boundary)| boundary.trim_matches('"').to_owned())
        .unwrap_or_default();
    let end = format!("\r\n--{boundary}--\r\n").len() as u64;
    let mut upload = Upload {
        target: request.target.clone(),
        fields: Vec::new(),
        file_name: String::new(),
        size: 0,
        md5: String::new(),
    };
    let mut rest = length;
    let mut line = || -> std::io::Result<String> {
        let mut text = Vec::new();
        reader.read_until(b'\n', &mut text)?;
        rest -= text.len() as u64;
        Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
    };
    line()?;
    let file_name = loop {
        let disposition = line()?;
        while !line()?.is_empty() {}
        let quoted = |name: &str| {
            let (_, value) = disposition.split_once(&format!("; {name}=\""))?;
            Some(value.split_once('"')?.0.to_owned())
        };
        if let Some(file_name) = quoted("filename") {
            upload
                .fields
                .push((quoted("name").unwrap_or_default(), String::new()));
            break file_name;
        }
        let value = line()?;
        upload
            .fields
            .push((quoted("name").unwrap_or_default(), value));
        line()?;
    };
    upload.file_name = file_name;
    upload.size = rest - end;
    let mut md5 = Md5::new();
    let mut left = upload.size;
    let mut piece = vec![0; PIECE];
    while left > 0 {
        if fault == Some(&UploadFault::CutMidBody) && left < upload.size {
            return Ok(None);
        }
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        reader.read_exact(&mut piece[..wanted])?;
        md5.update(&piece[..wanted]);
        left -= wanted as u64;
        if let Some(UploadFault::Slow(pause)) = fault {
            thread::sleep(*pause);
        }
    }
    reader.take(end).read_to_end(&mut piece)?;
    upload.md5 = md5.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Ok(Some(upload))
}

impl State {
    /// Keeps the build, unless there is a reason not to, and answers.
    pub(super) fn upload(
        &mut self,
        classic: bool,
        upload: Upload,
        fault: Option<UploadFault>,
    ) -> Answer {
        let error = |status, words: &str| refusal(classic, status, words);
        self.uploads.push(upload.clone());
        if let Some(UploadFault::Refused(status, words)) = fault {
            return error(status, words);
        }
        if let Some(UploadFault::Page(status)) = fault {
            return Answer::Whole(status, "text/html", "<html>Busy</html>".to_owned());
        }
        if self.stored.contains(&upload.md5) {
            return error(400, "Build already exists.");
        }
        let app_hash = match self.script.hashes {
            Hashes::Md5 => upload.md5.clone(),
            Hashes::Opaque => format!("opaque-{}", self.stored.len() + 1),
        };
        self.stored.push(upload.md5);
        self.script.builds.push(Build {
            app_hash: app_hash.clone(),
            build_id: BUILD.to_owned(),
            lags: self.script.list_lags,
        });
        match fault {
            Some(UploadFault::ErrorAfterTheFact) => error(500, "Internal Server Error."),
            Some(UploadFault::LostAnswer | UploadFault::Silent | UploadFault::CutMidBody) => {
                Answer::Nothing
            }
            Some(UploadFault::Says(body)) => {
                Answer::Whole(200, "application/json", body.to_owned())
            }
            Some(
                UploadFault::Refused(..)
                | UploadFault::Early(..)
                | UploadFault::EarlyThenSlow(..)
                | UploadFault::EarlyThenOpen(_)
                | UploadFault::Page(_)
                | UploadFault::Slow(_),
            )
            | None => Answer::json(
                200,
                &if classic {
                    json!({"AppHash": app_hash})
                } else {
                    json!({"data": {"appHash": app_hash}, "message": "Application Upload Successful."})
                },
            ),
        }
    }

    /// Lists what does not lag.
    pub(super) fn builds(&mut self) -> Answer {
        if self.script.list_failures > 0 {
            self.script.list_failures -= 1;
            return Answer::error(503, "The list is being made.");
        }
        let mut listed: Vec<Value> = Vec::new();
        for build in &mut self.script.builds {
            if build.lags > 0 {
                build.lags -= 1;
                continue;
            }
            listed.push(json!({
                "app_hash": build.app_hash, "build_id": build.build_id, "build_friendly_name": null,
                "build_package_name": "com.example.shop",
            }));
        }
        let application = json!({
            "application_guid": "5b0c6f2e-1d2c-4a51-8f0e-6a7b8c9d0e1f", "platform_name": "ANDROID",
            "application_friendly_name": null, "application_builds": listed,
        });
        Answer::json(
            200,
            &json!({"data": [application], "message": "Fetched 1 record(s)"}),
        )
    }
}
