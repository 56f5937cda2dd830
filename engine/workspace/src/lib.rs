//! Tracked runs and their artifacts: directories under one home, and an index of them.
