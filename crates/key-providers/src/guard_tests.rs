use std::sync::atomic::AtomicU32;

use super::*;

const LIMITS: Limits = Limits {
    attempt: Duration::from_secs(3),
    call: Duration::from_secs(10),
    attempts: 3,
    concurrent: 2,
    failures: 4,
    rest: Duration::from_secs(1),
    longest_rest: Duration::from_secs(4),
};

fn guard() -> Guard {
    Guard::new("p".to_owned(), LIMITS)
}

async fn away() -> Result<(), CallError> {
    Err(CallError::unavailable("away"))
}

/// Calls until the provider gets a rest.
async fn exhausted() -> Guard {
    let guard = guard();
    while guard.stats().state() == CircuitState::Closed {
        guard.call_once(away).await.unwrap_err();
    }
    guard
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_and_then_succeeds() {
    let (guard, made) = (guard(), AtomicU32::new(0));
    let call = || async {
        match made.fetch_add(1, Relaxed) {
            0 | 1 => Err(CallError::unavailable("away")),
            _ => Ok(7),
        }
    };
    assert_eq!(guard.call(call).await, Ok(7));
    let stats = guard.stats();
    assert_eq!([&stats.succeeded, &stats.failed, &stats.retried].map(|count| count.load(Relaxed)), [1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_repeated_is_asked_once() {
    let (guard, made) = (guard(), AtomicU32::new(0));
    let call = || async {
        made.fetch_add(1, Relaxed);
        away().await
    };
    assert!(guard.call_once(call).await.is_err());
    assert_eq!(made.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_and_no_sign_of_an_outage() {
    let (guard, made) = (guard(), AtomicU32::new(0));
    for error in [CallError::Denied("no".to_owned()), CallError::WrongKey, CallError::UnknownGeneration(1)] {
        for _ in 0..10 {
            let call = || async {
                made.fetch_add(1, Relaxed);
                Err::<(), _>(error.clone())
            };
            assert_eq!(guard.call(call).await, Err(error.clone()));
        }
    }
    assert_eq!((made.load(Relaxed), guard.stats().state()), (30, CircuitState::Closed));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_and_a_call_end_in_time() {
    let (guard, begun) = (guard(), Instant::now());
    let error = guard.call(std::future::pending::<Result<(), CallError>>).await.unwrap_err();
    assert!(matches!(&error, CallError::Unavailable(why) if why.contains("in time")), "{error}");
    assert!(begun.elapsed() <= LIMITS.call, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_failures_in_a_row_nothing_is_asked_for_a_while() {
    let guard = exhausted().await;
    let asked = guard.stats().failed.load(Relaxed);
    for _ in 0..10 {
        assert!(guard.call(away).await.is_err());
    }
    assert_eq!(guard.stats().failed.load(Relaxed), asked);
    assert_eq!(guard.stats().not_tried.load(Relaxed), 10);
    assert_eq!(guard.stats().state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn one_probe_goes_through_after_the_rest_and_success_closes_the_circuit() {
    let guard = exhausted().await;
    tokio::time::advance(LIMITS.rest).await;
    let probe = guard.call(|| async {
        assert_eq!(guard.stats().state(), CircuitState::HalfOpen);
        assert!(guard.call(away).await.is_err(), "a second call meanwhile");
        Ok(())
    });
    assert_eq!(probe.await, Ok(()));
    assert_eq!(guard.stats().state(), CircuitState::Closed);
    assert_eq!(guard.stats().not_tried.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn each_failed_probe_doubles_the_rest_up_to_a_bound() {
    let guard = exhausted().await;
    for seconds in [1, 2, 4, 4] {
        tokio::time::advance(Duration::from_millis(seconds * 1000 - 1)).await;
        let before = guard.stats().failed.load(Relaxed);
        guard.call(away).await.unwrap_err();
        assert_eq!(guard.stats().failed.load(Relaxed), before, "{seconds}");
        tokio::time::advance(Duration::from_millis(1)).await;
        guard.call(away).await.unwrap_err();
        assert_eq!(guard.stats().failed.load(Relaxed), before + 1, "a probe is made once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_lets_another_one_through() {
    let guard = exhausted().await;
    tokio::time::advance(LIMITS.rest).await;
    let given_up = guard.call(std::future::pending::<Result<(), CallError>>);
    assert!(tokio::time::timeout(Duration::from_millis(1), given_up).await.is_err());
    assert_eq!(guard.call(|| async { Ok(()) }).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_than_allowed_are_under_way_and_the_others_wait_their_turn() {
    let (guard, now, most) = (Arc::new(guard()), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let (guard, now, most) = (Arc::clone(&guard), Arc::clone(&now), Arc::clone(&most));
            tokio::spawn(async move {
                let call = || async {
                    most.fetch_max(now.fetch_add(1, Relaxed) + 1, Relaxed);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    now.fetch_sub(1, Relaxed);
                    Ok(())
                };
                guard.call(call).await
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(()));
    }
    assert_eq!(most.load(Relaxed), 2);
}
