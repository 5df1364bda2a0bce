//! What holds a program in: each limit seen from inside a container, and hostile programs.

mod hostile;
mod limits;
