// What a sanitized build of the tools must not do to the programs they supervise: take away their core files. And leaks
// can't be looked for at the end of a process that is traced, as zxctl's own is when the program could not be started.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "disable_coredump=0:detect_leaks=0"; }
