//! Does a step that ends before anything is sent end as its entry should?

use crate::github::{Runner, log};
use crate::model::verdict::Conclusion;
use crate::{Entry, bad_inputs, jitter, refusal, refuse};

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
