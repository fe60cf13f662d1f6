//! Deadlines, load, places and rates, with all layers in their order.

use super::*;

#[tokio::test]
async fn a_late_call_frees_its_caller_and_finishes_all_the_same() {
    let stand = Stand::start(1, 10).await;
    let token = stand.token("bob");
    let headers = [("authorization", token.as_str()), ("x-behave", "sleep")];
    let late = stand.call(GET_ITEM, &headers).await.unwrap();
    assert_eq!(
        (late.code(), reason(&late).as_str()),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
    );
    let early = [&headers[..], &[("grpc-timeout", "20m")]].concat();
    // The one place is still taken by the call that nobody waits for any more.
    let shed = stand.call(GET_ITEM, &early).await.unwrap();
    assert_eq!((shed.code(), reason(&shed).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    assert!(shed.get_details_retry_info().is_some());
    assert!(stand.call(HEALTH, &[]).await.is_none(), "liveness is not shed");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(stand.finished.load(Ordering::SeqCst), 2);

    let began = std::time::Instant::now();
    let short = stand.call(GET_ITEM, &early).await.unwrap();
    assert_eq!(short.code(), Code::DeadlineExceeded);
    assert!(began.elapsed() < Duration::from_millis(250));
    // A longer wish changes nothing, and long methods may take their time.
    tokio::time::sleep(Duration::from_millis(800)).await;
    let wish = [&headers[..], &[("grpc-timeout", "1H")]].concat();
    assert_eq!(stand.call(GET_ITEM, &wish).await.unwrap().code(), Code::DeadlineExceeded);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(stand.call(PLAN, &headers).await.is_none());
}

#[tokio::test]
async fn one_caller_cannot_take_all_places() {
    let stand = Stand::start(10, 1).await;
    let token = stand.token("bob");
    let headers = [("authorization", token.as_str()), ("x-behave", "sleep")];
    let (first, second) = tokio::join!(stand.call(PLAN, &headers), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stand.call(GET_ITEM, &headers[..1]).await
    });
    assert!(first.is_none());
    let second = second.unwrap();
    assert_eq!(
        (second.code(), reason(&second).as_str()),
        (Code::ResourceExhausted, "TOO_MANY_CALLS")
    );
    assert!(stand.call(GET_ITEM, &headers[..1]).await.is_none());
}

#[tokio::test]
async fn calls_above_the_rate_are_refused_before_their_permission_is_asked() {
    let mut few = limits(10, 10);
    few.mutation.burst = NonZeroU32::new(2).unwrap();
    few.mutation.per_second = NonZeroU32::new(1).unwrap();
    let stand = Stand::with(few).await;
    let token = stand.token("bob");
    let headers = [("authorization", token.as_str())];
    for _ in 0..2 {
        assert!(stand.call(REGISTER, &headers).await.is_none());
    }
    let refused = stand.call(REGISTER, &headers).await.unwrap();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::ResourceExhausted, "RATE_LIMITED")
    );
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
    assert!(stand.call(GET_ITEM, &headers).await.is_none(), "reads have a rate of their own");
    // Without a credential nothing is spent, whatever the path.
    for _ in 0..5 {
        let refused = stand.call(REGISTER, &[]).await.unwrap();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    assert!(stand.records().is_empty(), "a call above the rate leaves no record");
}
