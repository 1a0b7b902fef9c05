use tokio::sync::watch;

use crate::certificates::keeper::Keeper;

/// Keeps the certificate that the servers order themselves, until asked to stop.
pub(crate) async fn run(mut keeper: Keeper, mut stop: watch::Receiver<bool>) {
    let mut is_first = true;
    while !*stop.borrow() {
        let pause = keeper.look_after(is_first, &mut stop).await;
        is_first = false;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            stopped = stop.wait_for(|is_stopping| *is_stopping) => drop(stopped),
        }
    }
}
