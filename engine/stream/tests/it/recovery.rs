//! Whole queries on a disk that dies, fails and forgets: whatever happens, a restart ends with the files of a run that nothing
//! disturbed.
//!
//! Everything that a query does to survive goes through its file system, so "stop after operation n" for every n is every place
//! where it can be killed, and what a power failure may leave of each is drawn by many seeds.

mod case;
mod crashes;
mod damage;
mod faults;
mod workers;
