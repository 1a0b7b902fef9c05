use tokio::sync::watch;

use super::is_to_go_on_after;
use crate::certificates::keeper::Keeper;

/// Keeps the certificate that the servers order themselves, until asked to stop.
pub(crate) async fn run(mut keeper: Keeper, mut stop: watch::Receiver<bool>) {
    let mut is_first = true;
    while !*stop.borrow() {
        let pause = keeper.look_after(is_first, &mut stop).await;
        is_first = false;
        is_to_go_on_after(pause, &mut stop).await;
    }
}
