//! Real servers, started for one test and stopped with it.
