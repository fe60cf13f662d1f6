//! [`SharedLimits`](events::SharedLimits): nobody gets more than the rate, whoever asks.

use std::time::{Duration, Instant};

use events::Rate;
use primitives::UserId;

use super::Stand;

/// Slow enough that a test is over before there is another permit.
const SLOW: Rate = Rate { per_second: 1, burst: 20 };
const HOUR: Duration = Duration::from_hours(1);

async fn leased(stand: &Stand, user: UserId, class: &str, rate: Rate, most: u32) -> u32 {
    stand.ports.limits.lease(user, class, rate, most).await.unwrap().permits
}

/// What has come since, rounded up.
fn since(began: Instant, rate: Rate) -> u32 {
    let seconds = u32::try_from(began.elapsed().as_secs()).unwrap() + 1;
    seconds * rate.per_second
}

/// A burst is given in parts; then there is nothing, for as long as it says.
pub async fn a_burst_is_given_and_then_the_rate(stand: Stand) {
    let began = Instant::now();
    let (alice, bob) = (stand.alice, stand.bob);
    assert_eq!(leased(&stand, alice, "list", SLOW, 15).await, 15);
    let rest = leased(&stand, alice, "list", SLOW, 15).await;
    assert!(rest >= 5 && rest <= 5 + since(began, SLOW), "{rest}");
    assert_eq!(leased(&stand, alice, "read", SLOW, 100).await, 20, "classes are apart");
    assert_eq!(leased(&stand, bob, "list", SLOW, 20).await, 20, "and so are callers");

    let quick = Rate { per_second: 10, burst: 1 };
    assert_eq!(leased(&stand, alice, "long", quick, 9).await, 1);
    let none = stand.ports.limits.lease(alice, "long", quick, 9).await.unwrap();
    // The machine may have been slow: then there is one again.
    if none.permits == 0 {
        assert!(none.wait > Duration::ZERO && none.wait <= Duration::from_millis(100), "{none:?}");
        tokio::time::sleep(none.wait + Duration::from_millis(2)).await;
        assert_eq!(leased(&stand, alice, "long", quick, 9).await, 1, "it says when");
    }
}

/// Processes that ask at once share one burst.
pub async fn racing_processes_share_one_rate(stand: Stand) {
    let (began, user) = (Instant::now(), stand.dave);
    let asking: Vec<_> = (0..16)
        .map(|_| {
            let limits = stand.ports.limits.clone();
            tokio::spawn(async move { limits.lease(user, "list", SLOW, 3).await })
        })
        .collect();
    let mut sum = 0;
    for answer in asking {
        sum += answer.await.unwrap().unwrap().permits;
    }
    assert!(sum >= 20 && sum <= 20 + since(began, SLOW), "{sum}");
}

/// Who has rested is forgotten, which changes nothing; who has not is remembered.
pub async fn rested_callers_are_forgotten(stand: Stand) {
    let quick = Rate { per_second: 1_000, burst: 1 };
    leased(&stand, stand.alice, "list", quick, 1).await;
    leased(&stand, stand.bob, "list", SLOW, 20).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(stand.ports.limits.forget_spent(HOUR).await.unwrap(), 0, "not long enough");
    assert_eq!(stand.ports.limits.forget_spent(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(leased(&stand, stand.alice, "list", quick, 1).await, 1);
    assert!(leased(&stand, stand.bob, "list", SLOW, 20).await < 20);
}
