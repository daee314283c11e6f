//! Can text from Sofy become a command, an output or markup?

use crate::fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Row, Script, TriggerFault};
use crate::step::{Gate, commands, each};

const NAMES: [&str; 10] = [
    "::error::pwned",
    "##[error]pwned",
    "two\n::error::pwned\nlines",
    "cr\r::error::pwned",
    "\u{2028}::error::pwned",
    "%0A::error::pwned",
    "a | b ` <b>pwned</b>",
    "@team #1",
    "\u{1b}[31m##[warning]pwned",
    "x\nconclusion=success\nconclusion<<E\nsuccess\nE",
];

pub(crate) fn hostile_names_give_no_command_and_come_back_exactly() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script {
            rows: NAMES
                .iter()
                .map(|name| Row::new(name, name, "Failed"))
                .collect(),
            ..Script::default()
        });

        let step = Gate::new(&fake).input("schedule-id", schedule).run();

        step.expect(1, "failure");
        for command in commands(&step.stdout) {
            let known = [
                "add-mask", "error", "warning", "notice", "debug", "group", "endgroup",
            ];
            assert!(
                known.contains(&command.name.as_str()),
                "{schedule}: {command:?}"
            );
            assert!(
                !command.data.starts_with("pwned"),
                "{schedule}: {command:?}\n{}",
                step.stdout
            );
        }
        assert!(!step.stdout.contains("##["), "{schedule}:\n{}", step.stdout);
        assert!(
            !step.stdout.contains('\u{1b}'),
            "{schedule}:\n{}",
            step.stdout
        );
        let results = step.results();
        let scenarios: Vec<&str> = results
            .iter()
            .filter_map(|row| row["scenario"].as_str())
            .collect();
        for name in NAMES {
            assert!(
                scenarios.contains(&name),
                "{schedule}: {name:?} is not in {scenarios:?}"
            );
        }
        assert!(!step.output("results-json").contains('\n'));
        assert!(!step.summary.contains("<b>pwned"), "{}", step.summary);
    });
}

pub(crate) fn hostile_messages_give_no_command() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script {
            trigger: TriggerFault::EchoedKey,
            ..Script::default()
        });

        let step = Gate::new(&fake).input("schedule-id", schedule).run();

        step.expect(2, "error");
        let data: Vec<String> = commands(&step.stdout)
            .into_iter()
            .map(|command| command.data)
            .collect();
        assert!(
            data.iter().all(|data| !data.starts_with("pwned")),
            "{data:?}"
        );
        assert!(!step.stdout.contains("##["), "{}", step.stdout);
        assert!(!step.output("reason").contains('\n'));
    });
}
