//! Does a step that ends before anything is sent end as its entry should?

use std::cell::RefCell;
use std::rc::Rc;

use http::StatusCode;
use reqwest::Request;
use tokio::sync::watch::channel;

use crate::github::privileges::Writes;
use crate::github::{Runner, log};
use crate::model::verdict::Conclusion;
use crate::tests::network::{Network, simulate};
use crate::{Entry, bad_inputs, jitter, refusal, refuse, step};

#[tokio::test(start_paused = true)]
async fn the_gate_asks_the_api_that_its_schedule_belongs_to() {
    let guid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    for (schedule, host) in [("1888", "api.sofy.ai"), (guid, "public.sofy.ai")] {
        let asked = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&asked);
        let network: Network = Rc::new(move |request: Request| {
            let host = request.url().host_str().unwrap_or_default().to_owned();
            seen.borrow_mut().push(host);
            Box::pin(async {
                let mut response = http::Response::new("");
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                Ok(response.into())
            })
        });
        simulate(Some(network));
        let pairs = [
            ("INPUT_API_KEY", "a-key-of-sofy"),
            ("INPUT_SCHEDULE_ID", schedule),
        ];
        let env = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (_sender, signal) = channel(None);
        log::tests::taken_down();

        let runner = &mut Runner::open(&env);
        let ended = step(Entry::Gate, &env, runner, signal, || 0.5, |_, _| Ok(())).await;

        simulate(None);
        assert_eq!(*asked.borrow(), [host], "{schedule}");
        assert_eq!(ended, Conclusion::Error.exit_status(), "{schedule}");
    }
}

#[tokio::test]
async fn root_is_asked_for_only_by_report_files_and_its_rest_ends_the_step() {
    _ = rustls::crypto::ring::default_provider().install_default();
    let good = [
        ("INPUT_API_KEY", "a-key-of-sofy"),
        ("INPUT_SCHEDULE_ID", "1888"),
    ];
    let failed = Conclusion::Error.exit_status();
    for (entry, more, writes, status, why) in [
        (Entry::Gate, None, Writes::Nothing, failed, "no report file"),
        (
            Entry::Gate,
            Some(("INPUT_JSON_PATH", "a.json")),
            Writes::Reports,
            failed,
            "a JSON file",
        ),
        (
            Entry::Gate,
            Some(("INPUT_JUNIT_PATH", "a.xml")),
            Writes::Reports,
            failed,
            "a JUnit file",
        ),
        (
            Entry::Gate,
            Some(("INPUT_TIMEOUT", "soon")),
            Writes::Nothing,
            failed,
            "bad inputs leave no report file",
        ),
        (
            Entry::AbortUnfinished,
            Some(("INPUT_JSON_PATH", "a.json")),
            Writes::Nothing,
            0,
            "the post step has no report",
        ),
    ] {
        let pairs = good.into_iter().chain(more);
        let env: Vec<_> = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let (_sender, signal) = channel(None);
        let mut asked = None;
        let give_up_root = |_: &_, writes| {
            asked = Some(writes);
            Err("some of it remains".to_owned())
        };
        log::tests::taken_down();

        let runner = &mut Runner::open(&env);
        let ended = step(entry, &env, runner, signal, || 0.5, give_up_root).await;

        assert_eq!(asked, Some(writes), "{why}");
        assert_eq!(ended, status, "{why}");
    }
}

#[test]
fn a_step_that_is_refused_fails_unless_it_is_the_post_step() {
    let failed = Conclusion::Error.exit_status();
    for (entry, status) in [
        (Entry::Gate, failed),
        (Entry::Upload, failed),
        (Entry::AbortUnfinished, 0),
    ] {
        log::tests::taken_down();
        let mut runner = Runner::open(&[]);

        let ended = refuse(entry, refusal("It broke", "Try again."), &mut runner);

        assert_eq!(ended, status, "{entry:?}");
    }
}

#[test]
fn bad_inputs_are_fixed_where_they_were_given() {
    for (actions, words) in [
        ("true", "under `with:` in the workflow"),
        ("", "environment variables such as INPUT_SCHEDULE_ID"),
    ] {
        let runner = Runner::open(&[("GITHUB_ACTIONS".to_owned(), actions.to_owned())]);

        let verdict = bad_inputs(vec!["`timeout` is odd.".to_owned()], &runner);

        let advice = format!("Fix these inputs ({words}). Nothing was sent to Sofy.");
        assert_eq!(verdict.advice, Some(advice));
    }
}

#[test]
fn jitter_is_a_random_share() {
    let shares: Vec<f64> = (0..100).map(|_| jitter()).collect();

    assert!(
        shares.iter().all(|share| (0.0..=1.0).contains(share)),
        "{shares:?}"
    );
    assert!(shares.iter().any(|share| *share < 0.5), "{shares:?}");
    assert!(shares.iter().any(|share| *share > 0.5), "{shares:?}");
}
