// Lets longer waits in the extension host pass at once, so that a test need not sit them out.
const real = globalThis.setTimeout;
let hurried = [];

/** From now on timers of just these milliseconds fire at once. */
exports.hurryTimers = (waits) => {
  hurried = [];
  globalThis.setTimeout = (run, ms, ...rest) => {
    if (!waits.includes(ms)) return real(run, ms, ...rest);
    hurried.push(ms);
    return real(run, 0, ...rest);
  };
};

/** Returns the waits so far. */
exports.hurriedTimers = () => hurried;

/** Ends that, and returns the waits that there were. */
exports.unhurryTimers = () => {
  globalThis.setTimeout = real;
  return hurried;
};
