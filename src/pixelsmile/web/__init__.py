"""For people who would rather look than type, and for programs: a server, and the worker that it shares."""
