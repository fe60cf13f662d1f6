//! Sheds load: what does not fit is refused at once, rather than made to wait.
//!
//! **Invariant:** a call is let in only while fewer calls of any class are at work than its
//! class allows, so that under load long calls and lists go first, reads and changes later,
//! and operators last. Liveness is answered whatever happens: killing a busy server helps
//! nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{HttpRequest, HttpResponse, Next, Wrap, context, refuse};
use crate::class::Class;
use crate::config::Limits;
use crate::status;

/// Bounds the calls at work in this process. A place is held until the call is done, also
/// when its caller has gone.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    limits: Arc<Limits>,
    at_work: Arc<AtomicUsize>,
}

impl Admission {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self { limits, at_work: Arc::default() }
    }

    /// A place for a call of this class, if there is room for one.
    fn enter(&self, class: Class) -> Option<Place> {
        let most = self.limits.of(class).shed_at;
        let entered = self.at_work.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < most).then_some(count + 1)
        });
        entered.ok().map(|_| Place(Arc::clone(&self.at_work)))
    }
}

struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Wrap for Admission {
    async fn wrap<N: Next>(self, request: HttpRequest, next: N) -> HttpResponse {
        let class = context(&request).class();
        if class == Class::Health {
            return next.run(request).await;
        }
        let Some(_place) = self.enter(class) else {
            let text = "the server has too much to do; try again in a moment";
            return refuse(status::overloaded("OVERLOADED", text));
        };
        next.run(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As calls pile up, the classes are shed in their order, and come back in the other.
    #[test]
    fn what_costs_most_is_shed_first() {
        let admission = Admission::new(Arc::new(Limits::default()));
        let mut places = Vec::new();
        let mut shed = Vec::new();
        while let Some(place) = admission.enter(Class::Admin) {
            places.push(place);
            for class in Class::LIMITED {
                if !shed.contains(&class) && admission.enter(class).is_none() {
                    shed.push(class);
                }
            }
        }
        assert_eq!(shed[..3].iter().max(), Some(&Class::Long), "{shed:?}");
        assert!(shed[..3].iter().all(|class| *class >= Class::List), "{shed:?}");
        assert_eq!(shed.last(), Some(&Class::Admin), "{shed:?}");
        assert_eq!(shed.len(), Class::LIMITED.len());
        places.clear();
        assert!(Class::LIMITED.into_iter().all(|class| admission.enter(class).is_some()));
        assert_eq!(admission.at_work.load(Ordering::Relaxed), 0);
    }
}
