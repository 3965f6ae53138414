/** Whether suggestions come by themselves in this window: paused, snoozed, or neither. */

export type GateState =
  | { readonly kind: "open" }
  | { readonly kind: "paused" }
  | { readonly kind: "snoozed"; readonly until: Date };

export class Gate {
  private currentState: GateState = { kind: "open" };
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly onChange: () => void) {}

  get state(): GateState {
    return this.currentState;
  }

  /** Automatic requests are held back; those that the user makes are always let through. */
  get isOpen(): boolean {
    return this.currentState.kind === "open";
  }

  pause(): void {
    this.become({ kind: "paused" });
  }

  snooze(minutes: number): void {
    const until = new Date(Date.now() + minutes * 60_000);
    this.become({ kind: "snoozed", until });
    this.timer = setTimeout(() => {
      this.open();
    }, minutes * 60_000);
  }

  open(): void {
    this.become({ kind: "open" });
  }

  dispose(): void {
    clearTimeout(this.timer);
  }

  private become(state: GateState): void {
    clearTimeout(this.timer);
    this.currentState = state;
    this.onChange();
  }
}
