//! What becomes of a build on its way to Sofy? The step before a gate: its draws, and what must be true of it.
//!
//! The file is small enough to be read ahead: its reader is a real thread, for which a paused clock waits.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use md5::{Digest as _, Md5};

use super::dice::Dice;
use super::sofy::State;
use super::story::Step;
use super::world::{Call, Fault, FaultPeriod, MINUTE, Ms, SECOND, World, draw_fault};

/// Draws about the upload change none of those about the gate.
const MATTER: u64 = u64::MAX - 1;

/// Of a hundred worlds, so many have an upload.
const PERCENT: i64 = 12;

/// A transfer that stands still for so long is cut, and one whose answer does not come.
const STUCK: Ms = MINUTE;
const NO_ANSWER: Ms = 5 * MINUTE;

/// For so long a list is asked again that does not show a build yet.
const LAG: Ms = 20 * SECOND;

#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) timeout: Ms,
    /// The workflow is cancelled that long after the step began.
    pub(super) cancelled: Option<Ms>,
    pub(super) file: Vec<u8>,
    pub(super) hash: HashOf,
    /// What Sofy had before.
    pub(super) had: Had,
    /// The status with which Sofy refuses a build that it has; none where it takes it again.
    pub(super) refuses: Option<u16>,
    /// How long the file takes on the line; a piece of it takes less than what counts as stuck.
    pub(super) takes: Ms,
    /// For so long nothing moves, at the first attempt.
    pub(super) stalls: Ms,
    /// How long Sofy reads the file before it answers.
    pub(super) reads: Ms,
    /// When the list of builds shows a new one.
    pub(super) listed_after: Ms,
    pub(super) faults: Vec<FaultPeriod>,
    /// The first attempt is answered before Sofy has the whole file.
    pub(super) early: Option<Early>,
    /// Somebody writes to the file after the step began.
    pub(super) change: Option<Change>,
}

/// An answer that comes early.
#[derive(Clone, Copy, Debug)]
pub(super) struct Early {
    /// The percentage of the file that Sofy has by then.
    pub(super) percent: usize,
    pub(super) says: Says,
}

/// What an early answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// The very hash that the file would get.
    Hash,
    Refused(u16),
    /// A gateway's page.
    Page(u16),
    /// The words of a build that is there already, whether it is or not.
    Exists,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// How long after the step began.
    pub(super) at: Ms,
    pub(super) how: How,
}

/// How a file changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Grows,
    Shrinks,
    /// Other bytes of the same length.
    Rewritten,
    /// Another file gets its name. Who has it open still reads the old one.
    Replaced,
}

impl Change {
    /// Writes to the file. Its time is set, since worlds are shorter than a tick of the file system's clock.
    pub(super) fn apply(self, path: &Path, file: &[u8]) {
        let bytes = match self.how {
            How::Grows => [file, b"more"].concat(),
            How::Shrinks => file[..file.len() / 2].to_vec(),
            How::Rewritten | How::Replaced => {
                let mut bytes = file.to_vec();
                bytes[4..].fill(7);
                bytes
            }
        };
        if self.how == How::Replaced {
            fs::remove_file(path).expect("a file");
        }
        write(path, &bytes, 1);
    }
}

/// Writes a file that was modified so many seconds after the epoch.
pub(super) fn write(path: &Path, bytes: &[u8], modified: u64) {
    fs::write(path, bytes).expect("an app");
    let file = fs::OpenOptions::new().write(true).open(path);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(modified);
    file.and_then(|file| file.set_modified(modified))
        .expect("an app with a time");
}

/// What Sofy gives as the hash of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HashOf {
    Md5,
    /// No digest of the file.
    Something,
}

/// What Sofy had before the upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Had {
    Nothing,
    ThisFile,
    /// Another job uploaded it a moment ago, so that the list may lag.
    ThisFileJustNow,
    /// Another file with the same build number, which it keeps.
    AnotherFile,
}

impl Upload {
    /// Draws what a world begins with; none in most.
    pub(super) fn draw(seed: u64) -> Option<Self> {
        let mut dice = Dice::about(seed, MATTER);
        if !dice.percent(PERCENT) {
            return None;
        }
        let timeout = if dice.percent(85) {
            15 * MINUTE
        } else {
            dice.spread(SECOND, 10 * MINUTE) / SECOND * SECOND
        };
        let had = dice.pick(&[
            Had::Nothing,
            Had::Nothing,
            Had::Nothing,
            Had::ThisFile,
            Had::ThisFileJustNow,
            Had::AnotherFile,
        ]);
        let refuses = dice.pick(&[Some(400), Some(409), Some(500), None]);
        let fresh = dice.next().to_le_bytes();
        let length = dice.spread(16, 900_000);
        let file = b"PK\x03\x04".iter().chain(fresh.iter().cycle()).copied();
        let upload = Self {
            timeout,
            cancelled: None,
            file: file
                .take(usize::try_from(length).unwrap_or_default())
                .collect(),
            hash: dice.pick(&[HashOf::Md5, HashOf::Md5, HashOf::Md5, HashOf::Something]),
            had,
            refuses: refuses.or((had == Had::AnotherFile).then_some(400)),
            takes: dice.spread(10, 50 * SECOND),
            stalls: dice.pick(&[0, 0, 0, 50 * SECOND, 70 * SECOND]),
            reads: match dice.from(1, 100) {
                ..4 => 6 * MINUTE,
                4..10 => 4 * MINUTE,
                _ => dice.spread(10, 30 * SECOND),
            },
            listed_after: dice.pick(&[0, 0, SECOND, 10 * SECOND, MINUTE]),
            faults: Vec::new(),
            early: None,
            change: None,
        };
        let whole = upload.needs() + MINUTE;
        let faults = if dice.percent(40) {
            0
        } else {
            dice.spread(1, 4)
        };
        Some(Self {
            cancelled: dice.percent(10).then(|| dice.from(0, whole)),
            faults: (0..faults).map(|_| period(&mut dice, whole)).collect(),
            early: dice.percent(15).then(|| Early::draw(&mut dice)),
            change: dice.percent(20).then(|| Change {
                at: dice.from(1, whole),
                how: dice.pick(&[How::Grows, How::Shrinks, How::Rewritten, How::Replaced]),
            }),
            ..upload
        })
    }

    /// Uploads like this one with something left out.
    pub(super) fn simpler(&self) -> Vec<Self> {
        let mut simpler = Vec::new();
        let mut without = |change: &dyn Fn(&mut Self)| {
            let mut upload = self.clone();
            change(&mut upload);
            simpler.push(upload);
        };
        without(&|upload| upload.faults.clear());
        for n in 0..self.faults.len() {
            without(&|upload| _ = upload.faults.remove(n));
            without(&|upload| upload.faults[n].percent = 100);
        }
        without(&|upload| upload.cancelled = None);
        without(&|upload| upload.early = None);
        without(&|upload| upload.change = None);
        without(&|upload| upload.file.truncate(16));
        without(&|upload| upload.takes = 10);
        without(&|upload| upload.stalls = 0);
        without(&|upload| upload.reads = 10);
        without(&|upload| upload.listed_after = 0);
        without(&|upload| upload.had = Had::Nothing);
        without(&|upload| upload.timeout = 15 * MINUTE);
        simpler
    }

    /// The hash that Sofy gives the file.
    pub(super) fn app_hash(&self) -> String {
        self.hash_of(&self.file)
    }

    /// The hash that Sofy gives to what it took for the file.
    pub(super) fn hash_of(&self, taken: &[u8]) -> String {
        let bytes = match self.hash {
            HashOf::Md5 => Md5::digest(taken).to_vec(),
            HashOf::Something if taken == self.file => b"what Sofy likes!".to_vec(),
            HashOf::Something => b"what never was..".to_vec(),
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// How long an attempt takes where nothing goes wrong.
    fn needs(&self) -> Ms {
        self.takes + self.stalls.min(STUCK) + self.reads
    }
}

impl Early {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            percent: dice.pick(&[0, 1, 50, 99]),
            says: dice.pick(&[
                Says::Hash,
                Says::Hash,
                Says::Refused(401),
                Says::Refused(413),
                Says::Page(403),
                Says::Page(502),
                Says::Exists,
            ]),
        }
    }
}

fn period(dice: &mut Dice, whole: Ms) -> FaultPeriod {
    let from = if dice.percent(50) {
        0
    } else {
        dice.from(0, whole)
    };
    let fault = draw_fault(dice);
    FaultPeriod {
        on: dice.pick(&[
            Some(Call::Upload),
            Some(Call::Upload),
            Some(Call::Builds),
            None,
        ]),
        from,
        until: from + dice.spread(SECOND, whole + 1),
        percent: dice.pick(&[30, 70, 100]),
        fault,
        happens: !fault.is_certain_refusal() && dice.percent(50),
    }
}

const OUTPUTS: [&str; 5] = ["app-hash", "uploaded", "build", "conclusion", "reason"];

/// Every output there, and none that contradicts another.
pub(super) fn inconsistent(step: &Step) -> Option<String> {
    let exit = step.exit?;
    let wrong = |what: &str| Some(what.to_owned());
    let names: Vec<&str> = step.outputs.iter().map(|(name, _)| name.as_str()).collect();
    if names != OUTPUTS {
        return wrong("not the outputs of an upload");
    }
    let expected = match step.output("conclusion") {
        "success" => 0,
        "error" => 2,
        "timed_out" => 3,
        "cancelled" => 130,
        _ => return wrong("an unknown conclusion"),
    };
    if exit != expected {
        return wrong("exit status and conclusion");
    }
    if (exit == 0) == step.output("app-hash").is_empty() {
        return wrong("exit status and app-hash");
    }
    if (exit == 0) != matches!(step.output("uploaded"), "true" | "false") {
        return wrong("exit status and uploaded");
    }
    if step.summary().is_empty() {
        return wrong("no summary");
    }
    ((exit != 0) != step.log.contains("::error")).then(|| "annotations and exit status".to_owned())
}

/// Green, though Sofy has no such file, calls it otherwise, or never said that it took it.
pub(super) fn false_green(world: &World, state: &State, step: &Step) -> Option<String> {
    if step.exit != Some(0) {
        return None;
    }
    let upload = world.upload.as_ref()?;
    if state.stored.is_none() {
        return Some("Sofy does not have the file".to_owned());
    }
    let hash = step.output("app-hash");
    if !hash.eq_ignore_ascii_case(&world.builds[0].hash) {
        return Some(format!("{hash} is another build"));
    }
    if step.output("uploaded") != "true" {
        return None;
    }
    let Some(accepted) = state.accepted else {
        return Some("Sofy gave no hash after it had the whole file".to_owned());
    };
    let changed = upload.change.filter(|change| change.how != How::Replaced);
    changed
        .is_some_and(|change| step.began + change.at < accepted)
        .then(|| "the file changed before Sofy had taken it".to_owned())
}

/// How late an upload may end after its deadline: its limits end whatever it waits for.
pub(super) const SLACK: Ms = SECOND;

/// Whether Sofy takes the file, or had it.
pub(super) const fn is_to_succeed(upload: &Upload) -> bool {
    !matches!(upload.had, Had::AnotherFile)
}

/// Why there is room for an upload that fails; none where there is not.
pub(super) fn doubt(upload: &Upload, state: &State, step: &Step) -> Option<&'static str> {
    let deadline = step.began + upload.timeout;
    let struck: Vec<&(Ms, Call, Fault)> = state
        .struck
        .iter()
        .filter(|(at, ..)| (step.began..=step.ended).contains(at))
        .collect();
    let of_upload = |is: &dyn Fn(Fault) -> bool| {
        struck
            .iter()
            .any(|(_, call, fault)| *call == Call::Upload && is(*fault))
    };
    let had = matches!(upload.had, Had::ThisFile | Had::ThisFileJustNow);
    let early = upload.early.map(|early| early.says);
    let is_refused =
        upload.refuses.is_some() && (had || state.uploads > 1) || early == Some(Says::Exists);
    [
        (
            step.began + upload.needs() + 30 * SECOND > deadline,
            "upload: no time is left before the deadline",
        ),
        (
            // A cut after all was sent, the longest pause, and another attempt.
            struck.iter().any(|(at, ..)| {
                at + NO_ANSWER + 2 * MINUTE + upload.needs() + 30 * SECOND > deadline
            }),
            "upload: trouble until the deadline",
        ),
        (
            upload.stalls + upload.takes + upload.reads >= NO_ANSWER,
            "upload: Sofy reads for longer than five minutes",
        ),
        (
            is_refused && upload.hash == HashOf::Something,
            "upload: Sofy had it, and its hash is no digest",
        ),
        (
            is_refused && upload.had != Had::ThisFile && upload.listed_after > LAG,
            "upload: the build is listed late",
        ),
        (
            !had && early == Some(Says::Exists),
            "upload: Sofy says that it has a build that it does not have",
        ),
        (
            matches!(early, Some(Says::Hash | Says::Refused(_))),
            "upload: Sofy said its last word early",
        ),
        (
            upload
                .change
                .is_some_and(|change| change.how != How::Replaced),
            "upload: the file changed",
        ),
        (
            is_refused && struck.iter().any(|(_, call, _)| *call == Call::Builds),
            "upload: Sofy had it, and trouble with the list of builds",
        ),
        (
            of_upload(&|fault| fault.says_no() || matches!(fault, Fault::Answers(302))),
            "upload: Sofy said no",
        ),
        (
            of_upload(&|fault| matches!(fault, Fault::Says(_) | Fault::Page | Fault::Truncated)),
            "upload: an answer without a hash",
        ),
        (
            // No call made a connection, which is given only a short time.
            !struck.is_empty()
                && struck
                    .iter()
                    .all(|(_, _, fault)| matches!(fault, Fault::Refused | Fault::ConnectionHangs)),
            "upload: Sofy was out of reach",
        ),
    ]
    .into_iter()
    .find_map(|(applies, cause)| applies.then_some(cause))
}
