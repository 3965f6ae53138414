/** When to start a server again that has ended by itself, and when to give up. Pure. */

const MAX_CRASHES = 5;
const WINDOW_MS = 180_000;
const FIRST_PAUSE_MS = 250;

export class CrashGuard {
  private times: number[] = [];

  constructor(private readonly now: () => number = Date.now) {}

  /** Notes a crash. Returns how long to wait before the next start; undefined: give up. */
  crashed(): number | undefined {
    const now = this.now();
    this.times = [...this.times.filter((time) => now - time < WINDOW_MS), now];
    const count = this.times.length;
    return count >= MAX_CRASHES ? undefined : FIRST_PAUSE_MS * 2 ** (count - 1);
  }

  /** Forgets what was, because the user starts it again. */
  forget(): void {
    this.times = [];
  }
}
