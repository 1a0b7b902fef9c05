/// How far threads that hash passwords stand back, of 19. At 10 a busy core gives them a tenth of what it gives to threads that
/// answer requests, and all that those leave.
#[cfg(target_os = "linux")]
const STAND_BACK: i32 = 10;

/// Lets this thread stand back behind those that answer requests, so that a flood of log-ins does not slow down everybody who
/// is logged in already. On Linux each thread has a priority of its own; elsewhere nothing is done.
pub fn lower_priority_of_this_thread() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, STAND_BACK) {
        tracing::debug!(%error, "the priority of a hashing thread cannot be lowered");
    }
}
